"""Models that are chosen, brought and trained from the widget."""
