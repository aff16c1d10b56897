"""The folder of a training run: what it was begun with, and what it leaves."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_deepheme.core.errors import CannotWriteError, InvalidModelError
from napari_deepheme.core.files import atomic_file, check_regular, is_there, make_folder
from napari_deepheme.core.locks import open_locked, remove_locked
from napari_deepheme.core.models.bringing.library import is_name
from napari_deepheme.core.models.cards.card import ModelCard, WeightsFile
from napari_deepheme.core.training.tensor_files import write_weights
from napari_deepheme.core.training.training_error import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import torch


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run keeps its state and puts its model.

    Attributes
    ----------
    out : Path
        The folder.
    name : str
        Name of the model.
    """

    out: Path
    name: str

    def check_name(self) -> None:
        """Refuse a name that cannot be a file's.

        Raises
        ------
        TrainingError
            If it is one.
        """
        if not is_name(self.name):
            raise TrainingError(
                f"{self.name!r} cannot be a model's name: take letters, digits, - and _"
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let one training of the name into a block; one that is killed lets go.

        Raises
        ------
        TrainingError
            If another goes on in the folder.
        CannotWriteError
            If the folder cannot be written to.
        """
        make_folder(self.out)
        path = self.out / f".{self.name}.lock"
        try:
            stream = open_locked(path, os.O_CREAT)
        except OSError as error:
            raise _cannot_write(path, error) from error
        if stream is None:
            raise TrainingError(
                f"a training of {self.name} goes on in {self.out}: wait for its end, "
                "or choose another name or folder"
            )
        try:
            yield
        finally:
            with suppress(OSError):
                remove_locked(path, stream)

    def begin(self, facts: Mapping[str, Any], *, overwrite: bool) -> str:
        """Begin a run, or go on with one that was begun with the same facts.

        Returns
        -------
        str
            Digest of the facts, for the checkpoints.

        Raises
        ------
        TrainingError
            If an unfinished run with other facts, or a finished one, lies there.
        CannotWriteError
            If the folder cannot be written to, or what lies there cannot be removed.
        """
        make_folder(self.out)
        stated = json.dumps(dict(facts), sort_keys=True, default=str, indent=1)
        digest = sha256_of([stated.encode()])
        if is_there(self._facts):
            if self._was_begun_with(stated):
                return digest
            if not overwrite:
                raise TrainingError(
                    f"{self.out} holds an unfinished run of {self.name} with other "
                    "settings or cells: repeat these to go on with it, choose another "
                    "folder, or give --overwrite"
                )
        elif is_there(self._card) and not overwrite:
            raise TrainingError(
                f"{self._card} is there already: choose another name or folder, or "
                "give --overwrite; to put it among your models: napari-deepheme models "
                f"import {shlex.quote(str(self._card))}"
            )
        self._forget()
        with atomic_file(self._facts) as stream:
            stream.write(stated.encode())
        return digest

    def checkpoint(self, fold: int) -> Path:
        """Return where the state of a fold is kept."""
        return self.out / f"{self.name}.fold{fold + 1}.pt"

    def write_weights(
        self, members: Sequence[Mapping[str, torch.Tensor]]
    ) -> tuple[WeightsFile, ...]:
        """Write one file a member of the ensemble, over none that a card names.

        Not over those of a model that this one replaces either: until the new card is
        written, the older one has its weights.
        """
        files, taken = [], self._weights_of_others() | _weights_of(self._card)
        for i, member in enumerate(members):
            number = f"-{i + 1}" if len(members) > 1 else ""
            stem = f"{self.name}{number}"
            names = (stem, *(f"{stem}_{n}" for n in range(2, len(taken) + 3)))
            paths = (self.out / f"{name}.safetensors" for name in names)
            path = next(path for path in paths if path not in taken)
            write_weights(path, member)
            files.append(WeightsFile(path, sha256_of([path.read_bytes()])))
        return tuple(files)

    def finish(self, card: ModelCard) -> ModelCard:
        """Write the card and remove the run's state, and an older model's weights."""
        older = _weights_of(self._card)
        card.write(self._card)
        for file in older - _weights_of(self._card) - self._weights_of_others():
            file.unlink(missing_ok=True)
        self._forget()
        return ModelCard.read(self._card)

    @property
    def _card(self) -> Path:
        return self.out / f"{self.name}.json"

    @property
    def _facts(self) -> Path:
        return self.out / f"{self.name}.run"

    def _was_begun_with(self, stated: str) -> bool:
        try:
            check_regular(self._facts)
            return self._facts.read_bytes() == stated.encode()
        except OSError:
            return False

    def _forget(self) -> None:
        name, random = re.escape(self.name), "-[a-z0-9_]{8}"
        # Hidden ones are what a kill left of a file that `atomic_file` was writing.
        ours = re.compile(
            rf"{name}\.fold\d+\.pt|\.{name}\.fold\d+{random}\.pt|\.{name}{random}\.run"
        )
        try:
            folds = [p for p in self.out.iterdir() if ours.fullmatch(p.name)]
        except OSError as error:
            raise _cannot_write(self.out, error) from error
        # As long as a checkpoint is there, it is known what it is of.
        for path in (*folds, self._facts):
            _remove(path)

    def _weights_of_others(self) -> set[Path]:
        cards = set(self.out.glob("*.json")) - {self._card}
        return {path for card in cards for path in _weights_of(card)}


def sha256_of(parts: Iterable[bytes]) -> str:
    """Return the hash of some bytes behind each other, in hexadecimal digits."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()


def _remove(path: Path) -> None:
    """Remove a file, or an empty folder in its place: what lies in one is not ours."""
    try:
        if is_there(path) and path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> CannotWriteError:
    return CannotWriteError(str(path), error.strerror or str(error))


def _weights_of(path: Path) -> set[Path]:
    if not path.exists():
        return set()
    try:
        return {w.path for w in ModelCard.read(path).weights}
    except InvalidModelError:
        return set()
