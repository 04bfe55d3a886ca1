"""The managers' part towards nodes: sessions, assignments, reports, logs."""
