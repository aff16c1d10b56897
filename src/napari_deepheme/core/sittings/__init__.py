"""Sittings: all that a reader comes back to tomorrow, kept in one file."""
