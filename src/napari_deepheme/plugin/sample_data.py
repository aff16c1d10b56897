"""File > Open Sample: the rendered smear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.files import make_folder
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.models.cache_folder import cache_folder
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.slide import open_slide
from napari_deepheme.plugin.slide_layers.slides import slide_kwargs

if TYPE_CHECKING:
    from pathlib import Path

    LayerData = tuple[Any, dict[str, Any], str]

SAMPLE_SIZE: Final = Size(4000, 4000)

SAMPLE_SEED: Final = 1


def open_phantom() -> list[LayerData]:
    """Render the sample slide once, then open it."""
    kwargs = slide_kwargs(open_slide(sample_slide()))
    return [(kwargs.pop("data"), kwargs, "image")]


def sample_slide() -> Path:
    """Return the path of the sample slide, rendered on the first call."""
    from napari_deepheme import __version__

    folder = make_folder(cache_folder() / __version__)
    path = folder / "marrow-phantom.svs"
    if not path.exists():
        write_phantom(path, SAMPLE_SIZE, SAMPLE_SEED)
    return path
