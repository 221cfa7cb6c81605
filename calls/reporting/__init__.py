"""What happened as plain SQL: the views that analysts read, the role that sees nothing else, and Metabase on top of both."""
