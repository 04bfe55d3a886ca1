"""What clients may ask of a swarm: one module for each noun, over the store."""
