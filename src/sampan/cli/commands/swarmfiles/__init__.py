"""Verbs about secrets and configs."""
