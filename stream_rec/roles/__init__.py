"""Composition roots: what each process wires together."""
