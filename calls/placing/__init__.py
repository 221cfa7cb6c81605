"""Calls that we place: asked for by programs and people, waiting for their turn, dialled once, and followed to their end."""
