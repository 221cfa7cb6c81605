"""Smoke tests: scenarios played to an assistant, and whether it called the same tools as at Vapi."""
