"""Runs of a slide: what is asked, kept, gone on with and written."""
