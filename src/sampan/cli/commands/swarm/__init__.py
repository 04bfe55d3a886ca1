"""Verbs about this node's membership in a swarm and the swarm's settings."""
