"""What a machine needs to run an engine, a hub and a swarm: found out, explained, installed."""
