"""What a text model finds out about a finished call: a summary, facts in a form, and whether it went well."""
