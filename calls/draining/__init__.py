"""Taking a process out of service without cutting a call off: it takes no new ones, and those it has go on to their end."""
