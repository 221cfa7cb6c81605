"""Telephone calls that Twilio places for us."""
