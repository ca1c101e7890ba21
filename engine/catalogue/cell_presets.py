"""Parameters of detectors, saved under names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

from engine.cells.detecting import backend_of, parameters_of
from engine.errors import NotAllowedError, NotFoundError, RequestError
from engine.people.permissions import require
from engine.store import now
from engine.store.records import DetectorPreset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.people.actors import Actor
    from engine.store import Store

__all__ = ["CellPresets"]

_LONGEST: Final = 60


@final
class CellPresets:
    """Presets are everybody's to use; who made one, or an administrator, may change it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, actor: Actor, backend: str = "") -> tuple[DetectorPreset, ...]:
        """Return the presets (of one backend) by name."""
        require(actor, "cells.view")
        found = self._store.detector_presets.read()
        chosen = [one for one in found if backend in ("", one.backend)]
        return tuple(sorted(chosen, key=lambda one: (one.name.casefold(), one.id)))

    def save(
        self, actor: Actor, *, name: str, backend: str, parameters: Mapping[str, float]
    ) -> DetectorPreset:
        """Save parameters under a name; one of the same name and backend is replaced.

        Raises
        ------
        RequestError
            When the name is empty or too long, or a parameter cannot be used.
        NotAllowedError
            When the preset of that name is somebody else's.
        """
        require(actor, "cells.detect")
        called = name.strip()
        if not 0 < len(called) <= _LONGEST or not called.isprintable():
            raise RequestError(f"'name' must have 1 to {_LONGEST} characters.")
        kind = backend_of(backend)
        values = parameters_of(kind, parameters)
        with self._store.detector_presets.transaction() as presets:
            for known in presets.where(backend=kind):
                if known.name.casefold() == called.casefold():
                    _require_own(actor, known)
                    return presets.put(
                        replace(known, name=called, parameters=values, updated_at=now())
                    )
            return presets.put(
                DetectorPreset(name=called, backend=kind, parameters=values, created_by=actor.id)
            )

    def remove(self, actor: Actor, preset_id: str) -> DetectorPreset:
        """Remove a preset.

        Raises
        ------
        NotFoundError
            When there is none.
        NotAllowedError
            When it is somebody else's.
        """
        require(actor, "cells.detect")
        with self._store.detector_presets.transaction() as presets:
            known = presets.get(preset_id)
            if known is None:
                raise NotFoundError("This preset is gone; reload the page.")
            _require_own(actor, known)
            presets.remove(preset_id)
        return known


def _require_own(actor: Actor, preset: DetectorPreset) -> None:
    if actor.role != "ADMIN" and preset.created_by != actor.id:
        raise NotAllowedError(
            f"The preset {preset.name!r} was made by somebody else; save yours under another name."
        )
