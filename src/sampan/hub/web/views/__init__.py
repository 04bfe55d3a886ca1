"""One module per part of the site; each ends in its list of routes."""
