"""The operations that the solver runs, one file each."""
