"""Docker Engine API data: types and codecs, no I/O."""
