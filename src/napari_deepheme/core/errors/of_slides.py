"""Failures with slides and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors.base import DeephemeError, OfSlide, one_line

if TYPE_CHECKING:
    from napari_deepheme.core.geometry import Region

_AGAIN: Final = (
    "copy it again from where it came, or export it anew: svs, ndpi, mrxs, scn, bif, "
    "vms, svslide, DICOM, TIFF, OME-TIFF, PNG and JPEG are read"
)

_AS_RGB: Final = (
    "export it as RGB of 8 bits a channel; of three channels that are red, green and "
    "blue, under these names"
)

_TOGETHER: Final = (
    "bring all files of the OME-TIFF into one folder, and name the one that holds the "
    "pixels of the slide"
)

_EACH: Final = "export each of its images as a slide of its own"


class SlideNotFoundError(DeephemeError, FileNotFoundError):
    """There is no file at the path.

    Where it, or a folder on the way to it, is a link to what is not there, `link` and
    `target` name these two, else they are empty.
    """

    def __init__(self, slide: str, link: str = "", target: str = "") -> None:
        super().__init__(slide, link, target)
        self.slide = slide
        self.link = link
        self.target = target

    def __str__(self) -> str:
        """Word the error."""
        remedy = "name a file or folder that is there"
        if self.link:
            which = "it" if self.link == self.slide else self.link
            remedy = (
                f"{which} is a link to {self.target}, which is gone: bring that back, "
                "or name the slide where it is now"
            )
        return f"no such slide: {self.slide} ({remedy})"


class UnreadableSlideError(DeephemeError, OSError):
    """The file is there but cannot be opened as a slide or a picture."""

    def __init__(self, slide: str, reason: str, remedy: str = _AGAIN) -> None:
        super().__init__(slide, reason, remedy)
        self.slide = slide
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        """Word the error."""
        reason = one_line(self.reason).rstrip(".")
        return (
            f"cannot read {self.slide} as a slide or picture: {reason} ({self.remedy})"
        )


class NotRgbSlideError(UnreadableSlideError):
    """The pixels of a slide can be read, but what they are is no colour.

    No other reader is to be asked: it would take them for what they are not.
    """

    def __init__(self, slide: str, reason: str, remedy: str = _AS_RGB) -> None:
        super().__init__(slide, reason, remedy)


class SlideElsewhereError(UnreadableSlideError):
    """A file tells of a slide whose pixels it does not hold.

    No other reader is to be asked: it would take another picture for the slide.
    """

    def __init__(self, slide: str, reason: str, remedy: str = _TOGETHER) -> None:
        super().__init__(slide, reason, remedy)


class SeveralSlidesError(UnreadableSlideError):
    """A file holds several areas of the glass, and one alone would be read.

    No other reader is to be asked: it would take one of them for the slide.
    """

    def __init__(self, slide: str, reason: str, remedy: str = _EACH) -> None:
        super().__init__(slide, reason, remedy)


class SittingSlideNotFoundError(DeephemeError, FileNotFoundError):
    """The slide of a sitting is at none of the places where it is looked for."""

    def __init__(self, slide: str) -> None:
        super().__init__(slide)
        self.slide = slide

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"the slide {self.slide} is neither where it was nor beside the sitting: "
            "open the slide first, then the sitting"
        )


class SittingSlideReplacedError(DeephemeError, ValueError):
    """Another slide lies where that of a sitting is looked for."""

    def __init__(self, slide: str) -> None:
        super().__init__(slide)
        self.slide = slide

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.slide} is another file than the sitting's, replaced since perhaps: "
            "open the original, under any name, then the sitting"
        )


class SittingSlideUncertainError(DeephemeError, ValueError):
    """A sitting of an earlier version does not tell its slide from others."""

    def __init__(self, slide: str) -> None:
        super().__init__(slide)
        self.slide = slide

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.slide} may not be the sitting's slide: the version that saved it "
            "knew MIRAX slides by their .mrxs file alone, which may be blank: open the "
            "slide and classify it anew"
        )


class OtherSlideError(OfSlide, DeephemeError, ValueError):
    """The slide cannot be the one that the cells were found on."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.slide}: {one_line(self.reason)} (take the slide that they were "
            "found on)"
        )


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
            f"{self.slide} vanished while it was read: bring it back, and start again; "
            "a run of a whole slide goes on where it was"
        )


class SlideNotSharedError(DeephemeError, OSError):
    """A worker does not find the slide that it is to work on."""

    def __init__(self, slide: str, host: str, reason: str) -> None:
        super().__init__(slide, host, reason)
        self.slide = slide
        self.host = host
        self.reason = reason

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"the machine {self.host} does not find {self.slide} as it was found here: "
            f"{one_line(self.reason)} (give all machines the same slides under the "
            "same paths, and let nothing write to them meanwhile)"
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
            f"read: {one_line(self.reason).rstrip('.')} (copy the slide again from "
            "where it came, or choose another part)"
        )


class UnknownMppError(DeephemeError, ValueError):
    """A slide states no pixel size, or one that cannot be right."""

    def __init__(self, slide: str, stated: tuple[float, float] | None) -> None:
        super().__init__(slide, stated)
        self.slide = slide
        self.stated = stated

    @property
    def what(self) -> str:
        """What is wrong, without what to do."""
        if self.stated is None:
            return f"{self.slide} states no pixel size that can be right"
        return (
            f"{self.slide}: {self.stated[0]:g} x {self.stated[1]:g} micrometres per "
            "pixel cannot be a slide seen at cell level"
        )

    def __str__(self) -> str:
        """Word the error."""
        return f"{self.what}: give it, for example --mpp 0.25 (mpp=0.25 in Python)"


class OblongPixelsError(UnknownMppError):
    """The pixels of a slide are longer than wide: cells would be taken for squashed."""

    def __init__(
        self, slide: str, stated: tuple[float, float], most_stretched: float
    ) -> None:
        super().__init__(slide, stated)
        # What it is pickled by.
        self.args = (slide, stated, most_stretched)
        self.most_stretched = most_stretched

    def __str__(self) -> str:
        """Word the error."""
        x, y = self.stated or (0.0, 0.0)
        return (
            f"{self.slide}: its pixels are {x:g} x {y:g} micrometres, not square; no "
            f"more than {self.most_stretched:g} times as long as wide is read (export "
            "it with square pixels)"
        )


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


class NotDicomError(OfSlide, DeephemeError, ValueError):
    """DICOM annotations cannot be made for a slide."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"no DICOM annotations of {self.slide}: {one_line(self.reason)} (choose "
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

    def __init__(
        self, folder: str, reason: str = "no picture of a cell could be read in it"
    ) -> None:
        super().__init__(folder, reason)
        self.folder = folder
        self.reason = reason

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.folder}: {one_line(self.reason)} (choose a folder of PNG, JPEG, "
            "TIFF, BMP or WebP files)"
        )
