"""Projects of several containers described by Compose files: loading, planning, applying."""
