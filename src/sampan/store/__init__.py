"""Content, snapshots and metadata on disk."""
