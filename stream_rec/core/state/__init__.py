"""What is remembered: users, items, and their byte layouts."""
