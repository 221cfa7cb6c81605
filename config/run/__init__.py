"""bin/run: everything on one machine, from the services to a first simulated call, and all of it down again."""
