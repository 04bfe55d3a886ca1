"""Go's text/template: for `--format`, and for the templates of swarm services."""
