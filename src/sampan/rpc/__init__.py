"""gRPC over HTTP/2 on any byte transport, in both roles: BuildKit's sessions and services."""
