"""Assistants that exist for the calls of a program alone: sent along with a call, as a whole or as overrides."""
