"""Models fitted to a user's own cells."""
