"""Messages of BuildKit's gRPC services, and the protobuf codec that they need."""
