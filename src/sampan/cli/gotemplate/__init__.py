"""Go's text/template as far as `--format` needs it."""
