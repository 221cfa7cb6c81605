"""What the media process costs, measured through real sockets beside two small bridges of our own."""
