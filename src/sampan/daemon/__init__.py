"""The program `sampan daemon`: configuration, wiring and start."""
