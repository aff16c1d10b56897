"""What a run uses, as its journal keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from napari_deepheme.core.engine.config import RunConfig
from napari_deepheme.core.errors import OtherRunError
from napari_deepheme.core.geometry import Region, regions_to_json
from napari_deepheme.core.models.compute import Compute

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.runs.journal_records import Past

_PRECISIONS: Final = {
    "torch": ("float32", "bfloat16", "float16"),
    "openvino": ("float32", "bfloat16", "int8"),
    "onnxruntime": ("float32",),
}

_MOST_THREADS: Final = 1 << 12


@dataclass(frozen=True, slots=True, eq=False)
class RunSettings:
    """What a run uses, kept in its journal: the same gives the same bytes.

    Attributes
    ----------
    compute : Compute
        How its networks are computed.
    config : RunConfig
        Sizes and thresholds.
    regions : tuple of Region
        What is cut into tiles, in this order.
    failed : tuple of Region
        What could not be read when these were chosen.
    """

    compute: Compute
    config: RunConfig
    regions: tuple[Region, ...]
    failed: tuple[Region, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON holds them."""
        return {
            "compute": self.compute.to_json(),
            "config": asdict(self.config),
            "regions": regions_to_json(self.regions),
            "failed": regions_to_json(self.failed),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Make them of what `to_json` gave."""
        return cls(
            _known(Compute.from_json(stored["compute"])),
            RunConfig.from_json(stored["config"]),
            tuple(map(Region.from_json, stored["regions"])),
            # Journals of before do not tell.
            tuple(map(Region.from_json, stored.get("failed", ()))),
        )


def _known(compute: Compute) -> Compute:
    """Refuse what nothing computes by."""
    if not (
        compute.precision in _PRECISIONS.get(compute.backend, ())
        and 0 <= compute.n_threads <= _MOST_THREADS
        and 0 < compute.close_call <= 1
    ):
        raise ValueError(f"nothing computes by {compute.to_json()}")
    return compute


def settings_of(
    past: Past, folder: Path, region: Region, *, is_count: bool = False
) -> RunSettings:
    """Return the settings that a run in a folder is to go on with.

    Parameters
    ----------
    past : Past
        The run.
    folder : Path
        Where it lies.
    region : Region
        What is asked for, in level-0 pixels.
    is_count : bool
        Whether cells are counted in areas of it, instead of everywhere.

    Raises
    ------
    OtherRunError
        If they are none that this version knows, or of another region.
    """
    try:
        used = RunSettings.from_json(past.used)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        differs = f"its settings cannot be read: {error}"
        raise OtherRunError(str(folder), differs) from error
    if is_count:
        # Where there was nothing to count in, there are none.
        fits = all(area.area and region.contains(area) for area in used.regions)
    else:
        fits = used.regions == (region,)
    if not fits:
        raise OtherRunError(str(folder), "its areas are not those that are asked for")
    return used
