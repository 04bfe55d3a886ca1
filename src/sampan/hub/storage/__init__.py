"""Where blobs are kept: the driver protocol and its implementations."""
