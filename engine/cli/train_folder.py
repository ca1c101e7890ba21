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


@final
class OutFolder:
    """``DIR`` of ``--out``; until the end all work is in ``DIR/.training``, which goes on later."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def work(self) -> Path:
        """Where the training works: checkpoints, prepared pictures, and at the end the model."""
        return self._path / _WORK

    def begin(self, request: Document) -> None:
        """Make the folder, or take up an earlier run of the same ``request``.

        Raises
        ------
        RequestError
            When there is something else in it, or an earlier run with other options.
        """
        if self._path.exists() and not self._path.is_dir():
            raise RequestError(f"--out must be a folder, but {self._path} is a file; name another.")
        held = {entry.name for entry in self._path.iterdir()} if self._path.is_dir() else set()
        if held - {_WORK}:
            what = "a finished model" if _CARD in held else f"{sorted(held - {_WORK})[0]!r}"
            raise RequestError(
                f"--out must be new or empty, but {self._path} holds {what}; name another folder."
            )
        note = self.work / _REQUEST
        if _WORK in held and note.is_file():
            self._check_same(json.loads(note.read_text(encoding="utf-8")), request)
            return
        try:
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
