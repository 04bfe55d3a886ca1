"""One node's part of a swarm: runs the tasks assigned to it and reports their states."""
