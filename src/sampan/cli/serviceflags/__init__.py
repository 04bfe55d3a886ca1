"""The flags of `service create` and `service update`, and the documents made of them."""
