"""Verbs about registries."""
