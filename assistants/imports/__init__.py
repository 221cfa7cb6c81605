"""Imports from Vapi: written as drafts, merged with what people changed, reported setting by setting."""
