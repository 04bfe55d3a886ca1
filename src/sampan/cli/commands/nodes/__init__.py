"""Verbs about the nodes of a swarm."""
