"""A first look at an upload: its form, what its masks seem to mean, and what that leads to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, final

from engine.datasets.conventions import (
    STATE_CLASSES,
    Convention,
    classes_of,
    convention_of_names,
    guess,
)
from engine.datasets.entries import Entry, MaskFile, ObjectMasks, Shapes
from engine.datasets.expanding import expanded
from engine.datasets.mask_files import RawMask, read_mask
from engine.datasets.opening import Limits, Opened, open_upload
from engine.datasets.sources import form_of
from engine.datasets.taking import MAX_PIXELS
from engine.errors import LightboxError
from engine.imaging.volumes import Plane

__all__ = ["Survey", "survey", "survey_opened"]

Item = TypeVar("Item")

_LOOKED_AT: Final = 24
_EXAMPLES: Final = 8


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What an upload seems to be. ``convention`` is ``None`` where there are no labels.

    ``mapping`` is what an import would use if nobody said otherwise, and ``classes`` what the
    dataset would then have. ``needs_confirmation``: a person has to look at the mapping first.
    """

    form: str
    title: str
    pictures: int
    labelled: int
    convention: Convention | None
    classes: tuple[str, ...] = STATE_CLASSES
    notes: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def needs_confirmation(self) -> bool:
        """Whether the meaning of the masks is only a guess."""
        return self.convention is not None and not self.convention.is_certain

    @property
    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "form": self.form,
            "title": self.title,
            "pictures": self.pictures,
            "labelled": self.labelled,
            "convention": self.convention.document if self.convention else None,
            "classes": list(self.classes),
            "notes": list(self.notes),
            "examples": list(self.examples),
            "mapping": dict(self.mapping),
            "needs_confirmation": self.needs_confirmation,
        }


def survey(
    path: Path,
    *,
    filename: str = "",
    form: str = "",
    plane: Plane = "axial",
    limits: Limits | None = None,
) -> Survey:
    """Look at an upload on this disk; reads names, label lists and at most 24 masks.

    Raises
    ------
    DatasetError, NotFoundError, RequestError, TooLargeError
        When it cannot be opened, or is no dataset.
    """
    with open_upload(path, title=filename, limits=limits) as opened:
        return survey_opened(opened, form=form, plane=plane)


def survey_opened(opened: Opened, *, form: str = "", plane: Plane = "axial") -> Survey:
    """Look at an upload that is open; as :func:`survey`."""
    source = form_of(opened, form)
    items = expanded(source.entries(opened), plane=plane)
    entries = [item for item in items if isinstance(item, Entry)]
    labelled = [entry for entry in entries if entry.labels is not None]
    convention, notes = _convention(labelled)
    mapping = dict(convention.suggested) if convention else {}
    return Survey(
        form=source.name,
        title=source.title,
        pictures=len(entries),
        labelled=len(labelled),
        convention=convention,
        classes=classes_of(mapping.values()),
        notes=notes,
        examples=tuple(entry.image.name for entry in _spread(entries, _EXAMPLES)),
        mapping=mapping,
    )


def _convention(labelled: Sequence[Entry]) -> tuple[Convention | None, tuple[str, ...]]:
    named = _names(labelled)
    if named:
        return named, ()
    files = [entry.labels for entry in labelled if isinstance(entry.labels, MaskFile)]
    sample: list[RawMask] = []
    notes: list[str] = []
    for file in _spread(files, _LOOKED_AT):
        try:
            sample.append(read_mask(file.read(), max_pixels=MAX_PIXELS))
        except LightboxError as problem:
            notes.append(f"{file.name}: {problem}")
    return (guess(sample) if sample else None), tuple(notes)


def _names(labelled: Sequence[Entry]) -> Convention | None:
    """Return the convention that the form itself tells, by its list of classes."""
    values: dict[int, str] = {}
    classes: dict[str, None] = {}
    for entry in labelled:
        if isinstance(entry.labels, MaskFile):
            values |= entry.labels.names
        elif isinstance(entry.labels, ObjectMasks):
            classes |= dict.fromkeys(entry.labels.class_names)
        elif isinstance(entry.labels, Shapes):
            used = (shape.class_name for shape in entry.labels.shapes)
            classes |= dict.fromkeys((*entry.labels.classes, *used))
    if values:
        return convention_of_names(values)
    if not classes:
        return None
    return Convention(
        kind="named",
        pixels={},
        suggested={name: _state_of(name) for name in classes},
        sentences=(f"The dataset itself names its classes: {', '.join(list(classes)[:12])}.",),
        is_certain=True,
    )


def _state_of(name: str) -> str:
    """Return the state that a class's name means in other programs' words, else the name."""
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    return plain if plain in ("not_annotated", "background") else name


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most ``count`` items from all over a list."""
    step = max(1.0, len(items) / count)
    return [items[int(at * step)] for at in range(min(count, len(items)))]
