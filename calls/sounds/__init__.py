"""Sound as samples: mu-law, and one rate made of another."""
