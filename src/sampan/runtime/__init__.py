"""From a container to a running process: spec, bundle, OCI runtime and monitors."""
