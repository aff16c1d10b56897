"""Find, classify and count the cells of bone marrow slides. Research use only."""

from importlib.metadata import version

__version__ = version("napari-deepheme")

__all__ = ["__version__"]
