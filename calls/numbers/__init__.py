"""Telephone numbers as people, programs and imports write them, and the server that a number may have."""
