"""Finished calls to a data warehouse: an outbox in our own database, and a writer behind an interface."""
