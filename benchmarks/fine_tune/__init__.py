"""What fine-tuning a version is worth: over a stretch of a log, against the same version left as it is."""
