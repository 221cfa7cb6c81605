"""Calls in Vapi's shapes, for programs that were written for Vapi: their lists, their records, their money."""
