"""Services over several machines: members, tasks, scheduling and their store."""
