"""`POST /analytics` for programs that were written for Vapi: counting and summing up the calls of both stacks."""
