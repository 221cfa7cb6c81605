"""How many calls go on at a time, and who gets the next place."""
