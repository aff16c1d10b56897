"""Docks that count and look: differential, mitoses, display, density."""
