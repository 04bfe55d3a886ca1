"""The HTTP face of the engine: Docker Engine API routes."""
