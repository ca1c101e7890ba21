"""The folder that a training fills: empty or its own before, a whole model after."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import final

from engine.cli.command import Document
from engine.errors import RequestError

__all__ = ["OutFolder"]

_WORK = ".training"
_REQUEST = "request.json"
_CARD = "card.json"
_CHECKPOINT = "checkpoint.json"


@final
class OutFolder:
    """``DIR`` of ``--out``; until the end all work is in ``DIR/.training``, which goes on later."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def work(self) -> Path:
        """Where the training works: checkpoints, prepared pictures, and at the end the model."""
        return self._path / _WORK

    def check(self) -> None:
        """Make sure that a training may write here, before anything is read.

        Raises
        ------
        RequestError
            When it is a file, or a folder that holds something else than an earlier training.
        """
        if self._path.exists() and not self._path.is_dir():
            raise RequestError(f"--out must be a folder, but {self._path} is a file; name another.")
        held = {entry.name for entry in self._path.iterdir()} if self._path.is_dir() else set()
        if held - {_WORK}:
            what = "a finished model" if _CARD in held else f"{sorted(held - {_WORK})[0]!r}"
            raise RequestError(
                f"--out must be new or empty, but {self._path} holds {what}; name another folder."
            )

    def begin(self, request: Document) -> None:
        """Make the folder, or take up an earlier training of the same ``request``.

        One that had learnt nothing yet is forgotten when the request is another.

        Raises
        ------
        RequestError
            When an earlier training with other options has learnt something, or the folder cannot
            be written.
        """
        note = self.work / _REQUEST
        try:
            if note.is_file():
                earlier: Document = json.loads(note.read_text(encoding="utf-8"))
                if (self.work / _CHECKPOINT).is_file():
                    self._check_same(earlier, request)
                if earlier != request:
                    shutil.rmtree(self.work)
            self.work.mkdir(parents=True, exist_ok=True)
            note.write_text(json.dumps(request, indent=1), encoding="utf-8")
        except OSError as error:
            raise RequestError(
                f"--out {self._path} cannot be written ({error.strerror}); name another folder."
            ) from error

    def finish(self) -> list[str]:
        """Move the model to where it belongs, the card last, and remove the work; return names."""
        model = self.work / "model"
        names = sorted((path.name for path in model.iterdir()), key=lambda name: name == _CARD)
        for name in names:
            (model / name).replace(self._path / name)
        shutil.rmtree(self.work, ignore_errors=True)
        return names

    def _check_same(self, earlier: Document, request: Document) -> None:
        other = [name for name in request if earlier.get(name) != request[name]]
        if other:
            name = other[0]
            raise RequestError(
                f"{self._path} holds an unfinished training with {name} {earlier.get(name)!r}, but "
                f"now it is {request[name]!r}; give the same options to go on, or another --out."
            )
