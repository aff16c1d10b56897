"""Docks that tell why a cell was called so, and which cells are like it."""
