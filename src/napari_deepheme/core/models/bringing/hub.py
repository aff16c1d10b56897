"""Models fetched by name from an index that a laboratory or a hub offers.

Nothing is fetched unless it is asked for. An index is a JSON file::

    {
      "format": "napari-deepheme-index",
      "format_version": 1,
      "models": {
        "marrow-five-folds": {
          "card": {"url": "five/card.json", "sha256": "..."},
          "weights": [{"url": "five/fold-1.safetensors", "sha256": "..."}]
        }
      }
    }

An address without a host is relative to that of the index; beside an index that is a
file it is that of a file in its folder or below. The weights stand in the order of the
card's and have the file names that it states.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from napari_deepheme.core.errors import (
    CannotWriteError,
    DownloadError,
    InvalidModelError,
    ModelNotFoundError,
)
from napari_deepheme.core.files import check_regular, temporary_folder
from napari_deepheme.core.models.bringing.library import (
    check_free,
    check_name,
    keep_model,
)
from napari_deepheme.core.models.cards.card import ModelCard, WeightsFile
from napari_deepheme.core.spreadsheets import why_unreadable

if TYPE_CHECKING:
    from io import BufferedWriter

INDEX_VARIABLE: Final = "NAPARI_DEEPHEME_INDEX"
"""Environment variable that names the index where none is given."""

_FORMAT: Final = "napari-deepheme-index"

_SECONDS: Final = 30

_CHUNK: Final = 1 << 20

_LARGEST_TEXT: Final = 10 << 20

_LARGEST_WEIGHTS: Final = 8 << 30

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that can be fetched.

    Attributes
    ----------
    url : str
        Where, as https, or as it stands in an index that is a file.
    sha256 : str
        What it must be.
    path : Path or None
        Where it lies below the folder of an index that is a file.
    """

    url: str
    sha256: str
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model that an index offers.

    Attributes
    ----------
    name : str
        By which it is asked for.
    card : RemoteFile
        Its card.
    weights : tuple of RemoteFile
        Its weights, in the order of the card's.
    """

    name: str
    card: RemoteFile
    weights: tuple[RemoteFile, ...]


def index_address(given: str | None = None) -> str:
    """Return the address or path of the index, as given or from the environment.

    Raises
    ------
    DownloadError
        If there is neither.
    """
    address = given or os.environ.get(INDEX_VARIABLE, "")
    if not address:
        reason = (
            "no index is known (there is no public one yet): give --index URL or set "
            f"{INDEX_VARIABLE}"
        )
        raise DownloadError("models", reason)
    return address


def read_index(address: str) -> dict[str, RemoteModel]:
    """Read an index.

    Parameters
    ----------
    address : str
        An https URL, or the path of a file.

    Returns
    -------
    dict of str to RemoteModel
        By name.

    Raises
    ------
    DownloadError
        If it cannot be read, or is no index.
    """
    is_url = "://" in address
    try:
        if is_url:
            with temporary_folder() as folder:
                path = folder / "index.json"
                _fetch(address, path, largest=_LARGEST_TEXT)
                content = json.loads(path.read_bytes())
        else:
            check_regular(Path(address))
            content = json.loads(Path(address).read_bytes())
        return _models(content, address if is_url else Path(address).resolve().parent)
    except (CannotWriteError, DownloadError):
        raise
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = f"it is no index of models ({why_unreadable(error)})"
        raise DownloadError(address, reason) from error
    except KeyError as error:
        raise DownloadError(address, f"this index of models lacks {error}") from error


def download_model(
    name: str,
    index: str | None = None,
    *,
    overwrite: bool = False,
) -> ModelCard:
    """Fetch a model, compare the hashes, try it and put it among the user's.

    Parameters
    ----------
    name : str
        Name in the index.
    index : str, optional
        URL or path of the index; from the environment if left out.
    overwrite : bool
        Whether a model of the user's of that name may be replaced.

    Raises
    ------
    DownloadError
        If something cannot be fetched, or has another hash than the index states.
    ModelNotFoundError
        If the index has no such model.
    InvalidModelError, CannotWriteError, MissingExtraError
        As for `importing.import_model`.
    """
    models = read_index(index_address(index))
    if name not in models:
        raise ModelNotFoundError(name, tuple(models), by_path=False)
    check_name(name)
    check_free(name, overwrite=overwrite)
    with temporary_folder() as temporary:
        card = _fetch_model(models[name], temporary)
        from napari_deepheme.core.models.cards.file_hash import read_verified
        from napari_deepheme.core.models.registry import load_card

        load_card(card, "cpu")
        contents = [partial(read_verified, file) for file in card.weights]
        return keep_model(card, contents, overwrite=overwrite)


def _fetch_model(model: RemoteModel, folder: Path) -> ModelCard:
    path = folder / "card.json"
    _fetch_verified(model.card, path, largest=_LARGEST_TEXT)
    card = ModelCard.read(path)
    if card.name != model.name:
        raise InvalidModelError(model.name, f"its card is that of {card.name}")
    named = [file.path.name for file in card.weights]
    if named != [_file_name(file.url) for file in model.weights]:
        reason = f"its card names other weights than the index: {', '.join(named)}"
        raise InvalidModelError(model.name, reason)
    files = []
    for number, remote in enumerate(model.weights):
        target = folder / f"{number}.{card.weights_format}"
        _fetch_verified(remote, target, largest=_LARGEST_WEIGHTS)
        stated = card.weights[number].sha256
        if stated and stated.lower() != remote.sha256:
            reason = "its card states other hashes than the index"
            raise InvalidModelError(model.name, reason)
        files.append(WeightsFile(target, remote.sha256))
    return replace(card, weights=tuple(files))


def _fetch_verified(file: RemoteFile, path: Path, *, largest: int) -> None:
    from pooch import file_hash

    if file.path is None:
        _fetch(file.url, path, largest=largest)
    else:
        _copy(file.path, path, largest=largest)
    found = file_hash(str(path), alg="sha256")
    if found != file.sha256:
        reason = f"its SHA-256 is {found}, the index states {file.sha256}"
        raise DownloadError(file.url, reason)


def _fetch(url: str, path: Path, *, largest: int) -> None:
    from pooch import HTTPDownloader

    _check_url(url)
    fetch = HTTPDownloader(
        chunk_size=_CHUNK, timeout=_SECONDS, hooks={"response": _check_forwarding}
    )
    try:
        with path.open("wb") as stream:
            fetch(url, _Limited(url, stream, largest), None)
    except DownloadError:
        raise
    # What requests raises derives from OSError.
    except (OSError, ValueError) as error:
        raise DownloadError(url, _words(error)) from error


def _copy(source: Path, path: Path, *, largest: int) -> None:
    try:
        check_regular(source)
        with source.open("rb") as given, path.open("wb") as stream:
            shutil.copyfileobj(given, _Limited(str(source), stream, largest))
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(str(source), why_unreadable(error)) from error


def _words(error: Exception) -> str:
    """Word what requests raises, which holds objects of Python as text."""
    from requests import exceptions

    kinds = {
        exceptions.ChunkedEncodingError: "the connection broke off in the middle",
        exceptions.ContentDecodingError: "it is not compressed as the server says",
        exceptions.SSLError: "the server's certificate cannot be verified",
        exceptions.Timeout: f"the server did not answer in {_SECONDS} s",
        exceptions.ConnectionError: "the connection to the server failed",
    }
    told = [words for kind, words in kinds.items() if isinstance(error, kind)]
    return told[0] if told else str(error)[:200]


class _Limited:
    """A file that takes no more than a number of bytes."""

    def __init__(self, url: str, stream: BufferedWriter, largest: int) -> None:
        self._url, self._stream, self._left = url, stream, largest

    def write(self, content: bytes) -> None:
        self._left -= len(content)
        if self._left < 0:
            raise DownloadError(self._url, "it is larger than such a file can be")
        self._stream.write(content)

    def flush(self) -> None:
        self._stream.flush()


def _check_forwarding(response: Any, *_: object, **__: object) -> None:
    """Hold the address that a server forwards to against the same rule."""
    if "location" in response.headers:
        _check_url(urljoin(response.url, response.headers["location"]))


def _check_url(url: str) -> None:
    """Allow https, and http to this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and _is_loopback(host):
        return
    raise DownloadError(url, "only https is fetched from")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _models(content: Any, base: str | Path) -> dict[str, RemoteModel]:
    if content["format"] != _FORMAT or content["format_version"] != 1:
        raise ValueError(f"format must be {_FORMAT}, format_version 1")
    return {
        str(name): RemoteModel(
            name=str(name),
            card=_remote_file(entry["card"], base),
            weights=tuple(_remote_file(file, base) for file in entry["weights"]),
        )
        for name, entry in content["models"].items()
    }


def _remote_file(entry: Any, base: str | Path) -> RemoteFile:
    url, sha256 = str(entry["url"]), str(entry["sha256"]).lower()
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{url} needs a sha256 of 64 hexadecimal digits")
    if isinstance(base, str):
        return RemoteFile(urljoin(base, url), sha256)
    return RemoteFile(url, sha256, None if "://" in url else _path_below(base, url))


def _path_below(folder: Path, url: str) -> Path:
    path = (folder / unquote(urlsplit(url).path)).resolve()
    if not path.is_relative_to(folder):
        raise ValueError(f"{url} must lie in the folder of the index, or below")
    return path


def _file_name(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name
