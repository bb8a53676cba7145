"""What a sequence model costs a worker that serves it."""
