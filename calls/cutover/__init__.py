"""Cutover: pointing a number at us instead of the previous provider, and back again."""
