"""Candidate sources."""
