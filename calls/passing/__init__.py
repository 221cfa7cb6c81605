"""What calls tell at once or not at all, on its way from a call's process to the worker that sends it (`calls.messages.passing_sending`)."""
