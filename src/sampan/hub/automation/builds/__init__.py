"""Automated builds: from a git repository to a tag of this hub."""
