"""The `compose` verbs: thin faces of the compose package."""
