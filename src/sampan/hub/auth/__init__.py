"""Docker's token authentication: the challenge, the token endpoint, and checking what comes in."""
