"""Tasks get a node: filters that explain themselves, and an even spread."""
