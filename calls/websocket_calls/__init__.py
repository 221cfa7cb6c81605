"""Calls without a telephone, over a program's own socket, and calls in a customer's own Twilio flow."""
