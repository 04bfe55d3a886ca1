"""A canonical project as manifests of other orchestrators, with a report of what they can't say."""
