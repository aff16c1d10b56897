"""The gallery: cells side by side, by class, to be looked at and moved."""
