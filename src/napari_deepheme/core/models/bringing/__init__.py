"""Models that a user brings: recognised, checked, fetched, kept."""
