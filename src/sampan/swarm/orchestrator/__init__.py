"""Services become tasks: replicas, globals, jobs, restarts, updates, and what is cleared away."""
