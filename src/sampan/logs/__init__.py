"""Container logs: drivers, rotation and reading."""
