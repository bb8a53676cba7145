"""Event logs replayed through the planes that serve."""
