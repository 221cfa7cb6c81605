"""Test requests from the admin: real ones, shown whole, and counted nowhere."""
