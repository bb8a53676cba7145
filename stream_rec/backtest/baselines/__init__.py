"""Recommenders from papers, one file each: what the product's own lists are compared with."""
