"""The hub's own HTTP API, as tools know it from Docker's hub."""
