"""Every failure that is foreseen: what happened, to which file, what to do next.

An error keeps its facts as attributes and hands them to ``super().__init__``, so that
it crosses a process border whole. It words itself in ``__str__``, in one line that ends
in what to do: behind a colon or a semicolon, or in parentheses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from napari_deepheme.core.geometry import Region


_AGAIN: Final = (
    "copy it again from where it came, or export it anew: svs, ndpi, mrxs, scn, bif, "
    "vms, svslide, DICOM, TIFF, OME-TIFF, PNG and JPEG are read"
)


class DeephemeError(Exception):
    """Base of all failures that a user can do something about."""


class _OfFile(Exception):
    """Facts of a failure with a file."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason


class _OfSlide(Exception):
    """Facts of a failure with a slide."""

    def __init__(self, slide: str, reason: str) -> None:
        super().__init__(slide, reason)
        self.slide = slide
        self.reason = reason


class _OfModel(Exception):
    """Facts of a failure with a model."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model = model
        self.reason = reason


class SlideNotFoundError(DeephemeError, FileNotFoundError):
    """There is no file at the path."""

    def __init__(self, slide: str) -> None:
        super().__init__(slide)
        self.slide = slide

    def __str__(self) -> str:
        """Word the error."""
        return f"no such slide: {self.slide} (name a file or folder that is there)"


class UnreadableSlideError(DeephemeError, OSError):
    """The file is there but cannot be opened as a slide or a picture."""

    def __init__(self, slide: str, reason: str, remedy: str = _AGAIN) -> None:
        super().__init__(slide, reason, remedy)
        self.slide = slide
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        """Word the error."""
        reason = _one_line(self.reason).rstrip(".")
        return f"cannot read {self.slide} as a slide: {reason} ({self.remedy})"


class SlideChangedError(DeephemeError, OSError):
    """Something wrote to a slide while it was read."""

    def __init__(self, slide: str) -> None:
        super().__init__(slide)
        self.slide = slide

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.slide} changed while it was read, so the results would be of two "
            "slides: wait until nothing writes to it, and start again"
        )


class SlideGoneError(DeephemeError, FileNotFoundError):
    """A slide vanished while it was read."""

    def __init__(self, slide: str) -> None:
        super().__init__(slide)
        self.slide = slide

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.slide} vanished while it was read: bring it back, and give the "
            "same command again, which goes on where it was"
        )


class UnreadableRegionError(DeephemeError, OSError):
    """A part of an open slide cannot be decoded."""

    def __init__(self, slide: str, region: Region, reason: str) -> None:
        super().__init__(slide, region, reason)
        self.slide = slide
        self.region = region
        self.reason = reason

    def __str__(self) -> str:
        """Word the error."""
        r = self.region
        return (
            f"{self.slide}: {r.width} x {r.height} px at ({r.x}, {r.y}) cannot be "
            f"read: {_one_line(self.reason).rstrip('.')} (copy the slide again from "
            "where it came, or choose another part)"
        )


class UnknownMppError(DeephemeError, ValueError):
    """A slide states no pixel size, or one that cannot be right."""

    def __init__(self, slide: str, stated: tuple[float, float] | None) -> None:
        super().__init__(slide, stated)
        self.slide = slide
        self.stated = stated

    def __str__(self) -> str:
        """Word the error."""
        if self.stated is None:
            what = "states no pixel size"
        else:
            what = (
                f"states {self.stated[0]:g} x {self.stated[1]:g} micrometres per "
                "pixel, which cannot be a slide seen at cell level"
            )
        return f"{self.slide} {what}: give it, for example --mpp 0.25"


class RegionOutOfBoundsError(DeephemeError, ValueError):
    """A region does not lie on the slide."""

    def __init__(self, region: Region, bounds: Region) -> None:
        super().__init__(region, bounds)
        self.region = region
        self.bounds = bounds

    def __str__(self) -> str:
        """Word the error."""
        r, b = self.region, self.bounds
        return (
            f"the region {r.x},{r.y},{r.width},{r.height} leaves the slide, which is "
            f"{b.width} x {b.height} px: choose X,Y,WIDTH,HEIGHT inside 0,0,{b.width},"
            f"{b.height}"
        )


class ModelNotFoundError(DeephemeError, LookupError):
    """No model is known by that name, and no file lies at that path."""

    def __init__(self, model: str, known: tuple[str, ...]) -> None:
        super().__init__(model, known)
        self.model = model
        self.known = known

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"no model {self.model!r}: choose one of {', '.join(self.known)}, or a file"
        )


class InvalidModelError(_OfModel, DeephemeError, ValueError):
    """A file is not a model, or not one that fits."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.model} is not a usable model: {_one_line(self.reason)} (choose "
            "another, or export its file anew)"
        )


class DownloadError(DeephemeError, OSError):
    """Something could not be fetched, or is not what was to be fetched."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"cannot download {self.url}: {_one_line(self.reason)} (check the address "
            "and the connection, and try again)"
        )


class DeviceNotAvailableError(DeephemeError, RuntimeError):
    """The device asked for is not in this machine."""

    def __init__(self, device: str, available: tuple[str, ...]) -> None:
        super().__init__(device, available)
        self.device = device
        self.available = available

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"device {self.device!r} is not available here: choose one of "
            f"{', '.join(self.available)}"
        )


class DeviceLostError(DeephemeError, RuntimeError):
    """A device broke off in the middle of its work."""

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(device, reason)
        self.device = device
        self.reason = reason

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"the device {self.device!r} broke off: {_one_line(self.reason)[:160]} "
            "(start anew, which goes on from what is done, or choose the device cpu)"
        )


class OutOfMemoryError(DeephemeError, MemoryError):
    """There was not enough memory, whatever was tried."""

    def __new__(cls, *args: object) -> Self:
        """Make it as any other, which that of MemoryError refuses to Dask."""
        return Exception.__new__(cls, *args)

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        self.device = device

    def __str__(self) -> str:
        """Word the error."""
        if self.device != "cpu":
            return (
                f"the memory of the device {self.device!r} ran out: close what else "
                "computes there, or choose the device cpu"
            )
        return (
            "the memory ran out: close other programs, or choose a smaller region; "
            "what is done is kept, and the same command goes on from there"
        )


class CannotWriteError(_OfFile, DeephemeError, OSError):
    """A result cannot be written."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"cannot write {self.path}: {_one_line(self.reason)} (make room and see "
            "that you may write there, or choose another place)"
        )


class OtherRunError(DeephemeError, ValueError):
    """A folder holds a run of something else."""

    def __init__(self, folder: str, differs: str) -> None:
        super().__init__(folder, differs)
        self.folder = folder
        self.differs = differs

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.folder} holds another run ({_one_line(self.differs)}): choose "
            "another folder with --out, or replace that run with --overwrite"
        )


class RunBusyError(DeephemeError, OSError):
    """Another process is writing to the folder."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"another run is writing to {self.folder}: wait for it, or choose another "
            "folder with --out"
        )


class SchedulerNotFoundError(DeephemeError, OSError):
    """No Dask scheduler answers at the address."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"no Dask scheduler answers at {self.address} (start it, or give its "
            "address as tcp://HOST:PORT)"
        )


class InvalidTableError(_OfFile, DeephemeError, ValueError):
    """A file of cells cannot be understood."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.path} is not a table of cells: {_one_line(self.reason)} (mend it, "
            "write it anew, or choose another)"
        )


class InvalidSittingError(_OfFile, DeephemeError, ValueError):
    """A file of a sitting cannot be understood."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.path} is not a sitting: {_one_line(self.reason)} (choose another, "
            "or classify the slide anew)"
        )


class SittingElsewhereError(DeephemeError, OSError):
    """Another window has taken the file of a sitting over."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"the sitting {self.path} was opened in another window, which saves it "
            "now: go on there, or save this one under another name"
        )


class InvalidSummaryError(_OfFile, DeephemeError, ValueError):
    """A file beside the cells cannot be understood as the summary of their run."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.path} is not the summary of a run: {_one_line(self.reason)} (move "
            "it away to go without it)"
        )


class InvalidKeyError(_OfFile, DeephemeError, ValueError):
    """The key of the pseudonyms is none."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.path} is no key for pseudonyms: {_one_line(self.reason)}; bring "
            "the right one back, or remove it and get a new one, which gives other "
            "pseudonyms"
        )


class UnknownFormatError(DeephemeError, ValueError):
    """The ending of a file's name is none that is known."""

    def __init__(self, path: str, known: tuple[str, ...]) -> None:
        super().__init__(path, known)
        self.path = path
        self.known = known

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.path}: the ending tells what a file is: choose one of "
            f"{', '.join(self.known)}"
        )


class NotDicomError(_OfSlide, DeephemeError, ValueError):
    """DICOM annotations cannot be made for a slide."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"no DICOM annotations of {self.slide}: {_one_line(self.reason)} (choose "
            "another format: GeoJSON, for example, serves any slide)"
        )


class SlideNeededError(DeephemeError, ValueError):
    """Something is asked for that the cells alone do not hold."""

    def __init__(self, wanted: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted

    def __str__(self) -> str:
        """Word the error."""
        return f"{self.wanted} cannot be made without the slide: give it by --slide"


class NoPicturesError(DeephemeError, ValueError):
    """A folder holds no picture that can be read."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"no picture of a cell could be read in {self.folder}: choose a folder of "
            "PNG, JPEG or TIFF files"
        )


class NotExplainableError(_OfModel, DeephemeError, ValueError):
    """A model cannot show what it looked at, or where a cell lies among others."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.model} shows no more than its probabilities: "
            f"{_one_line(self.reason)} (choose another model for that)"
        )


class EmbeddingError(DeephemeError, RuntimeError):
    """The map of the cells could not be computed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"the cells could not be mapped: {_one_line(self.reason)} (choose other "
            "cells, or try again)"
        )


class MissingExtraError(DeephemeError, ImportError):
    """A package is missing that only some users need."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(extra, package)
        self.extra = extra
        self.package = package

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.package} is not installed: give "
            f'pip install "napari-deepheme[{self.extra}]"'
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())
