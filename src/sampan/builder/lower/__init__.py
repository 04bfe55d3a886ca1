"""Typed instructions to graph vertices, one module per family of instructions."""
