"""Levels as they look on the screen."""
