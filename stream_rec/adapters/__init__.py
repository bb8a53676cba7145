"""The edge: one technology per file."""
