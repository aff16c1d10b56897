"""TIFF: what a file states, whether that can be, and its pixels."""
