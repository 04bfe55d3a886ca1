"""Builds over BuildKit's protocol: sessions, transfers, solves and their progress."""
