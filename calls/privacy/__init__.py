"""What of calls is kept, for how long, who may see it, and how it is deleted."""
