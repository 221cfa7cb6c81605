"""Voices by ear: clips of an assistant's first message in each voice that might stand in for the old one."""
