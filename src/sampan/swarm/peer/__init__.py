"""What nodes say to each other: HTTPS on the listen address, both ends known by certificate."""
