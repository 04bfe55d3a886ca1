"""Sampan: a Docker-compatible container platform (engine, hub, swarm) in one package."""
