"""Verbs about stacks: services, networks, secrets and configs of one file."""
