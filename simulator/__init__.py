"""The outside parties of a call, played strictly over loopback: Twilio, the Realtime API, a tool server.

Shares no code with the product, so that a misunderstanding there is not repeated here.
"""
