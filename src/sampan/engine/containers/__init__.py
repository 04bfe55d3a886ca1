"""Containers: their records and every verb on them."""
