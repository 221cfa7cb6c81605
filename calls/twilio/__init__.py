"""Twilio's webhooks and signatures, the accounts that they name, and the documents that answer them."""
