"""Orders to running calls as rows: what was asked, by whom, and what became of it, for people and for the session that goes on."""
