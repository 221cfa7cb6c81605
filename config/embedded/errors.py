"""What can go wrong here, in words that say what to do."""

HOW_TO_BRING_YOUR_OWN = (
    "Bring your own servers instead:\n"
    "  export DATABASE_URL=postgresql://user:password@host:5432/tandem\n"
    "  export REDIS_URL=redis://host:6379/0"
)


class EmbeddedError(Exception):
    """The private services cannot be had; the text is meant for the person at the terminal."""
