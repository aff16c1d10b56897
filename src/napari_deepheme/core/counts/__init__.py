"""Cells counted: differential, ratios, mitoses, intervals, densities."""
