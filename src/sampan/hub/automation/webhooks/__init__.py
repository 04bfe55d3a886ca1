"""Webhooks: a POST to whoever wants to know that a tag was pushed."""
