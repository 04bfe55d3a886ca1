"""The etcd behind a swarm: its process, its members, and its JSON gateway."""
