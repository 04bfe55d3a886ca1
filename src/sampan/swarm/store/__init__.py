"""The cluster's objects: a local replica to read, transactions to write, commits to watch."""
