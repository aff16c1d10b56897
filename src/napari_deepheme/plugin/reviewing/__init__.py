"""The review: cells corrected by keys and clicks, kept, opened again, saved."""
