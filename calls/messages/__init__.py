"""Messages to customers' servers about calls, as Vapi sends them."""
