"""Posts, profiles, following, search."""
