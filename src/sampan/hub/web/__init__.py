"""The hub's web pages: rendered here, no script needed, nothing loaded from elsewhere."""
