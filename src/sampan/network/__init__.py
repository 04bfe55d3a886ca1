"""Networks, sandboxes, endpoints, addresses, ports and names."""
