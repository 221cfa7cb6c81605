"""The sound of calls: recorded by Twilio or here, fetched, kept, heard, deleted. None of it ever touches the call itself."""
