"""Vapi's REST interface, served by us: what programs that were written for Vapi read and write."""
