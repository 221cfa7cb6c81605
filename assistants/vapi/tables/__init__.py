"""The table of what becomes of each setting of an assistant of Vapi's, a module for each part of it."""
