"""Pseudonyms in the place of names: the same for the same slide, and not to be guessed.

They are made with a key that lies in the user's folder of settings and nowhere else.
Without it nobody can tell whether a pseudonym is that of a name or a file, not even one
who has the file. Computers with the same key give the same pseudonyms.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tempfile
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from napari_deepheme.core.errors import CannotWriteError, InvalidKeyError
from napari_deepheme.core.files import check_regular, is_there
from napari_deepheme.core.slide.identity import file_digest, slide_identity
from napari_deepheme.core.user_folders import config_folder

if TYPE_CHECKING:
    from napari_deepheme.core.slide import SlideReader

KEY_NAME: Final = "pseudonyms.key"
"""Of the file in the user's folder of settings."""

_KEY: Final = re.compile(r"[0-9a-f]{64}")

_MADE: Final = re.compile(r"([a-z]+-[0-9a-f]{12})([0-9a-f]{4})")

Named = Literal["reader", "patient", "slide"]


def is_pseudonym(word: str) -> bool:
    """Tell whether a word is a pseudonym by its look, of whatever key.

    Examples
    --------
    >>> is_pseudonym("slide-3f9a1c2b7d04e5aa"), is_pseudonym("Jane Doe.svs")
    (True, False)
    """
    return _MADE.fullmatch(word) is not None


class Pseudonyms:
    """Gives pseudonyms such as "slide-3f9a1c2b7d04e5aa".

    Parameters
    ----------
    key : bytes
        The secret that they are made with.

    Examples
    --------
    >>> names = Pseudonyms(b"secret")
    >>> ann = names.of_name("reader", "Ann")
    >>> ann == names.of_name("reader", " Ann ") == names.of_name("reader", ann)
    True
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of_this_user(cls) -> Self:
        """Take the user's key; the first time one is made.

        Raises
        ------
        InvalidKeyError
            If the file holds something else.
        CannotWriteError
            If it cannot be made.
        """
        return cls(_user_key(config_folder() / KEY_NAME))

    def of_slide(self, slide: SlideReader) -> str:
        """Return the pseudonym of an open slide, by what its file holds.

        Raises
        ------
        UnreadableSlideError
            If the file is gone by now, or does not answer.
        """
        if slide.path is None:
            return self._make("slide", f"{slide.name} {tuple(slide.size)}")
        return self._make("slide", slide_identity(slide)["sha256"])

    def of_path(self, path: Path) -> str:
        """Return the pseudonym that the slide at a path has once it is open.

        One that cannot be read has one by its path.
        """
        try:
            return self._make("slide", file_digest(path))
        except OSError:
            return self._make("slide", str(path.absolute()))

    def of_name(self, kind: Named, name: str) -> str:
        """Return the pseudonym of a name; "" for none.

        One that was made with this key stays as it is.
        """
        plain = unicodedata.normalize("NFC", name).strip()
        if not plain or self.is_made(plain):
            return plain
        return self._make(kind, plain)

    def is_made(self, word: str) -> bool:
        """Tell whether a word is a pseudonym that this key has given."""
        parts = _MADE.fullmatch(word)
        return parts is not None and self._check(parts[1]) == parts[2]

    def keyed(self, text: str) -> str:
        """Return a hash of a text that only this key gives, 64 hexadecimal digits."""
        odd = text.encode("utf-8", "surrogatepass")
        return hmac.new(self._key, odd, hashlib.sha256).hexdigest()

    def _make(self, kind: str, what: str) -> str:
        word = f"{kind}-{self.keyed(f'{kind}: {what}')[:12]}"
        return word + self._check(word)

    def _check(self, word: str) -> str:
        """Return the digits behind a pseudonym that tell it from a name."""
        return self.keyed(f"made: {word}")[:4]


def _user_key(path: Path) -> bytes:
    if not is_there(path):
        try:
            _make_key(path)
        except OSError as error:
            raise CannotWriteError(str(path), error.strerror or str(error)) from error
    try:
        check_regular(path)
        text = path.read_text("ascii", errors="replace").strip()
    except OSError as error:
        raise InvalidKeyError(str(path), error.strerror or str(error)) from error
    if not _KEY.fullmatch(text):
        raise InvalidKeyError(str(path), "it does not hold 64 hexadecimal digits")
    return bytes.fromhex(text)


def _make_key(path: Path) -> None:
    """Make a key that only the user can read; one that is there by then stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    partial = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(f"{secrets.token_hex(32)}\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(partial, path)
        except FileExistsError:
            pass
        except OSError:
            # A file system without hard links.
            if not path.exists():
                partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
