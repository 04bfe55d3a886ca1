"""Images: listing, pulling, pushing, removing and the tar formats."""
