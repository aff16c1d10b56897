"""Tiles of a slide -> cells with boxes, classes and probabilities."""
