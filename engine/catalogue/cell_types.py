"""The kinds of cells that people may choose: add, rename, colour, retire."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, final

from engine.errors import NotFoundError, RequestError
from engine.people.permissions import require
from engine.store import now
from engine.store.records import CellType

if TYPE_CHECKING:
    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.store import Store
    from engine.store.transactions import Transaction

__all__ = ["DEFAULT_TYPES", "CellTypes"]

DEFAULT_TYPES: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("RBC", "#d55e00", "e", "Red blood cell (erythrocyte)"),
    ("WBC-Lymphocyte", "#0072b2", "l", "Lymphocyte"),
    ("WBC-Other", "#cc79a7", "w", "White blood cell of another or unknown kind"),
    ("Platelet", "#009e73", "p", "Platelet"),
)
"""Name, colour, key and description of the kinds on a fresh server."""

_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_LONGEST: Final = 60
_TAKEN_KEYS: Final = "crxn"
"""Streamlit's own keys, and the review's "no cell" and "pass over"."""
_FREE_COLOUR: Final = "#56b4e9"


@final
class CellTypes:
    """The list of kinds. Each name and each key occurs once, retired ones included."""

    def __init__(self, store: Store, audit: AuditLog) -> None:
        self._store = store
        self._audit = audit

    def all(self, actor: Actor, *, retired: bool = False) -> tuple[CellType, ...]:
        """Return the kinds in the order of their making; ``retired`` ones too when asked.

        A server without any gets the default ones.
        """
        require(actor, "cells.view")
        if not len(self._store.cell_types.read()):
            self._add_defaults()
        found = sorted(self._store.cell_types.read(), key=lambda one: (one.created_at, one.id))
        return tuple(one for one in found if retired or not one.retired)

    def names(self, actor: Actor) -> tuple[str, ...]:
        """Return the names that may be chosen."""
        return tuple(one.name for one in self.all(actor))

    def add(
        self,
        actor: Actor,
        *,
        name: str,
        colour: str = _FREE_COLOUR,
        key: str = "",
        description: str = "",
    ) -> CellType:
        """Add a kind.

        Raises
        ------
        RequestError
            When a value cannot be used, or name or key is taken.
        """
        require(actor, "cells.types")
        self.all(actor)
        made = _checked(CellType(name=name, colour=colour, key=key, description=description))
        with self._store.cell_types.transaction() as kinds:
            _require_free(kinds, made)
            kinds.put(made)
        self._audit.write(
            actor, "cells.types", record=f"cell_types/{made.id}", text=f"Added {made.name}"
        )
        return made

    def change(self, actor: Actor, name: str, changes: dict[str, Any]) -> CellType:
        """Change a kind by its id: ``name``, ``colour``, ``key``, ``description``, ``retired``.

        Cells that carry the old name get the new one in the same step.

        Raises
        ------
        NotFoundError
            When there is no such kind.
        RequestError
            When a value cannot be used, or name or key is taken.
        """
        require(actor, "cells.types")
        unknown = sorted(set(changes) - {"name", "colour", "key", "description", "retired"})
        if unknown:
            raise RequestError(
                f"{unknown[0][:40]!r} is no field of a cell type; fields are name, colour, key, "
                "description and retired."
            )
        with self._store.transaction("cell_types", "cell_annotations") as records:
            kinds = records["cell_types"]
            before = kinds.get(name)
            if before is None:
                raise NotFoundError(f"There is no cell type {name[:80]!r}; see GET /cells/.")
            after = _checked(replace(before, **changes, updated_at=now()))
            _require_free(kinds, after)
            kinds.put(after)
            renamed = 0
            if after.name != before.name:
                for cell in records["cell_annotations"].where(cell_type=before.name):
                    records["cell_annotations"].put(replace(cell, cell_type=after.name))
                    renamed += 1
        said = ", ".join(sorted(changes))
        self._audit.write(
            actor,
            "cells.types",
            record=f"cell_types/{after.id}",
            text=f"Changed {said} of {after.name}; {renamed} cells were renamed",
        )
        return after

    def _add_defaults(self) -> None:
        with self._store.cell_types.transaction() as kinds:
            if len(kinds):
                return
            for name, colour, key, description in DEFAULT_TYPES:
                kinds.put(CellType(name=name, colour=colour, key=key, description=description))


def _checked(kind: CellType) -> CellType:
    texts = {"name": kind.name, "colour": kind.colour, "key": kind.key}
    for field, value in {**texts, "description": kind.description}.items():
        if not isinstance(value, str):
            raise RequestError(f"'{field}' must be a text, but is a {type(value).__name__}.")
    name = kind.name.strip()
    if not 0 < len(name) <= _LONGEST or not name.isprintable():
        raise RequestError(f"'name' must have 1 to {_LONGEST} characters, such as WBC-Other.")
    if not _COLOUR.fullmatch(kind.colour):
        raise RequestError(f"'colour' must be of the form #d55e00, but is {kind.colour[:20]!r}.")
    if len(kind.key) > 1 or not kind.key.isprintable() or kind.key.isspace():
        raise RequestError(f"'key' must be one letter or empty, but is {kind.key[:20]!r}.")
    if kind.key and kind.key.lower() in _TAKEN_KEYS:
        raise RequestError(
            f"The key {kind.key!r} has another use on the page; choose none of "
            f"{', '.join(_TAKEN_KEYS)}."
        )
    if len(kind.description) > 500:
        raise RequestError("'description' must have at most 500 characters.")
    if not isinstance(kind.retired, bool):
        raise RequestError("'retired' must be true or false.")
    return replace(kind, name=name, colour=kind.colour.lower(), key=kind.key.lower())


def _require_free(kinds: Transaction[CellType], wanted: CellType) -> None:
    for other in kinds.values():
        if other.id == wanted.id:
            continue
        if other.name.casefold() == wanted.name.casefold():
            state = "It is retired; take it back." if other.retired else "Choose another name."
            raise RequestError(f"There is a cell type {other.name!r} already. {state}")
        if wanted.key and other.key == wanted.key:
            raise RequestError(f"The key {wanted.key!r} is that of {other.name!r}; choose another.")
