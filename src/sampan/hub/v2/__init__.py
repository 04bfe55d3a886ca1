"""The registry: OCI distribution-spec 1.1 below /v2/."""
