"""What callers say that must not be written down: found, also when it is spoken as words, and replaced by a mark. Pure."""
