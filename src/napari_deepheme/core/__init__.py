"""Slides in, cell tables out: pure, without a screen."""
