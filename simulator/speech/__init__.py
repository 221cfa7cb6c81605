"""Recorded lines of the demo call, and the command that makes them."""
