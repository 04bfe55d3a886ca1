"""OCI image and runtime data: types and rules, no I/O."""
