"""Networks, services, tasks and nodes get their subnets, ports and addresses."""
