"""Calls that ran at Vapi: read from its REST, from files or from its reports, and written into the tables of our own."""
