"""The program `sampan`: the command line."""
