"""`build` over BuildKit's protocol: what is asked for, and how its progress is shown."""
