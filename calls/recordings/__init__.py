"""The sound of calls: recorded by Twilio, fetched, kept, heard, deleted. None of it ever touches the call itself."""
