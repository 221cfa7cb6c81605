"""A live call as it is seen from outside: counted and traced, by event and never by frame."""
