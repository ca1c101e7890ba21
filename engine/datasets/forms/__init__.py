"""The forms that a dataset is taken out in: one module each, one ZIP as the result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, final

from engine.datasets.entries import Entry
from engine.datasets.forms import coco, flat, geojson, medseg, nnunet, objects, voc, yolo
from engine.errors import RequestError

__all__ = ["FORMS", "Form", "form_named"]


class _Write(Protocol):
    def __call__(
        self, entries: Iterable[Entry], path: Path, *, classes: tuple[str, ...]
    ) -> None: ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form. ``shows`` objects: cells are written where a dataset has them, else its masks."""

    name: str
    title: str
    shows: Literal["masks", "objects"]
    write: _Write


FORMS: Final = tuple(
    Form(name=form.NAME, title=form.TITLE, shows=form.SHOWS, write=form.write)
    for form in (medseg, nnunet, flat, coco, voc, yolo, geojson, objects)
)
"""All forms, the most usual first."""


def form_named(name: str) -> Form:
    """Return the form of that name; :class:`RequestError` when there is none."""
    for form in FORMS:
        if form.name == name:
            return form
    names = ", ".join(form.name for form in FORMS)
    raise RequestError(f"'form' must be one of {names}, but is {name[:40]!r}.")
