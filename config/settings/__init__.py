"""Settings by difference: base, then local, test or production."""
