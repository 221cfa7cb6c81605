"""A call while it runs: orders from outside, its transcript as it is said, its sound, and the page for all that."""
