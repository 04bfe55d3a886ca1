"""gRPC over an upgraded (h2c) connection, and the services of BuildKit's API on it."""
