"""Repositories as people see them: lists, search, settings, stars, tags and what is in an image."""
