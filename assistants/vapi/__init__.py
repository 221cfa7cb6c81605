"""Vapi's exports: read, fetched, and translated into drafts and back. Pure but for the client of its REST."""
