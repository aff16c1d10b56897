"""What is written of a model: its card, and the hash of its files."""
