"""The cutover screen: all numbers in one list, what a move would write, how far it is, and the way back."""
