"""The shell around a conversation, and Twilio's side of it: a stream's beginning, its breaks, its leaving."""
