"""Who belongs to a swarm: joining, certificates, roles, rotation of keys, and this node's files."""
