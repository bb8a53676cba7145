"""Training the sequence model, with torch: the item tower, the teacher, the student distilled from it, its tables."""
