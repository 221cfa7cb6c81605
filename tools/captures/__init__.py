"""What Vapi really sends to a tool server, kept for a while, and compared with what we would send."""
