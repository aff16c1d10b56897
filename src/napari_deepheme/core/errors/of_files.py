"""Failures with files that are written and read, and with runs into folders."""

from __future__ import annotations

import errno
import os
from typing import Final

from napari_deepheme.core.errors.base import DeephemeError, OfFile, one_line
from napari_deepheme.core.wording import plural

_MAKE_ROOM: Final = (
    "make room and see that you may write there, or choose another place"
)

_OVERWRITE: Final = (
    "choose another folder with --out, or replace what is there with --overwrite"
)


class CannotWriteError(OfFile, DeephemeError, OSError):
    """A result cannot be written."""

    def __init__(self, path: str, reason: str, remedy: str = _MAKE_ROOM) -> None:
        super().__init__(path, reason, remedy)
        self.remedy = remedy

    def __str__(self) -> str:
        """Word the error."""
        return f"cannot write {self.path}: {one_line(self.reason)} ({self.remedy})"


class NameTakenError(CannotWriteError):
    """A model cannot be kept under a name, which another has."""


class InvalidTableError(OfFile, DeephemeError, ValueError):
    """A file of cells cannot be understood, or is not there."""

    def __str__(self) -> str:
        """Word the error."""
        if self.reason == os.strerror(errno.ENOENT):
            return f"there is no {self.path} (look at its name and place)"
        return (
            f"{self.path} is not a table of cells: {one_line(self.reason)} (mend it, "
            "write it anew, or choose another)"
        )


class InvalidRangesError(InvalidTableError):
    """A table of reference ranges cannot be understood."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.path} is not a table of reference ranges: "
            f"{one_line(self.reason)} (mend it, or choose another)"
        )


class InvalidSittingError(OfFile, DeephemeError, ValueError):
    """A file of a sitting cannot be understood."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.path} is not a sitting: {one_line(self.reason)} (choose another, "
            "or classify the slide anew)"
        )


class SittingChangedError(DeephemeError, OSError):
    """The file of a sitting is not any more as it was read."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"the sitting {self.path} was saved by another window since it was read "
            "(open it again)"
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


class InvalidSummaryError(OfFile, DeephemeError, ValueError):
    """A file beside the cells cannot be understood as the summary of their run."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.path} is not the summary of a run: {one_line(self.reason)} (move "
            "it away to go without it)"
        )


class InvalidCohortError(OfFile, DeephemeError, ValueError):
    """A file in the folder of a batch is not the table of its slides."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.path} is not the table of a batch: {one_line(self.reason)} (move "
            "it away; slides that are done get their rows anew when they are given)"
        )


class OtherNamesError(OfFile, DeephemeError, ValueError):
    """The table of a batch has names, and pseudonyms are to get in, or vice versa."""

    def __str__(self) -> str:
        """Word the error."""
        return f"{self.path} has {one_line(self.reason)}: give another --out"


class InvalidKeyError(OfFile, DeephemeError, ValueError):
    """The key of the pseudonyms is none."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.path} is no key for pseudonyms: {one_line(self.reason)}; bring "
            "the right one back, or remove it and get a new one, which gives other "
            "pseudonyms"
        )


class InvalidVariableError(DeephemeError, ValueError):
    """An environment variable holds what it cannot."""

    def __init__(self, name: str, value: str, reason: str) -> None:
        super().__init__(name, value, reason)
        self.name = name
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"the variable {self.name} is {self.value[:80]!r}, {self.reason}: give "
            "another value, or leave it out"
        )


class HomeNotKnownError(DeephemeError, OSError):
    """Nobody knows where the user's files lie: there is no home folder.

    So it is in a container that runs under a number that is no user there.
    """

    def __init__(self, variable: str) -> None:
        super().__init__(variable)
        self.variable = variable

    def __str__(self) -> str:
        """Word the error."""
        return (
            "this user has no home folder to keep files in: give a folder that can be "
            f"written to as the variable HOME or {self.variable}"
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


class OtherRunError(DeephemeError, ValueError):
    """A folder holds a run of something else."""

    def __init__(self, folder: str, differs: str, remedy: str = _OVERWRITE) -> None:
        super().__init__(folder, differs, remedy)
        self.folder = folder
        self.differs = differs
        self.remedy = remedy

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.folder} holds another run ({one_line(self.differs)}): {self.remedy}"
        )


class ReviewedRunError(DeephemeError, ValueError):
    """A folder holds what a reader said of cells."""

    def __init__(self, folder: str, n_said: int, remedy: str = _OVERWRITE) -> None:
        super().__init__(folder, n_said, remedy)
        self.folder = folder
        self.n_said = n_said
        self.remedy = remedy

    def __str__(self) -> str:
        """Word the error."""
        cells = plural(self.n_said, "cell")
        return f"{self.folder} holds what a reader said of {cells}: {self.remedy}"


class NoCorrectionError(DeephemeError, ValueError):
    """A table that corrected cells are asked of has none."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"no cell of {self.path} was corrected: correct some in the viewer, or "
            "leave --corrected-only out"
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


class UnfitWorkersError(DeephemeError, RuntimeError):
    """The processes that are to work on slides cannot."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        """Word the error."""
        return f"the workers are of no use: {one_line(self.reason)} ({self.remedy})"
