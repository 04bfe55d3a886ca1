"""The hub: a registry with accounts, private repositories and a web face, in one process."""
