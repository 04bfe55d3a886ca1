"""Small building blocks without knowledge of containers."""
