"""Pixels at a model's scale, on one grid; what cannot be read is left out."""
