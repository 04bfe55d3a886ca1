"""The verbs of `sampan manifest`: manifest lists made by the client, without an engine."""
