"""Deleting what was said: when it was kept long enough, or because somebody has a right to it."""
