"""From the flags of `run` and `create` to the body of a create request."""
