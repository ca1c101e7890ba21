"""A model's classes as those of a picture: by name, and with one kind of thing by choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from engine.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ClassMap", "map_classes"]

_NOTHING: Final = 255


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMap:
    """What each class of a model is in a picture: its number there, or 255 for nothing at all.

    ``sentence`` says what is not the same in both; empty when all of it is.
    """

    values: tuple[int, ...]
    sentence: str = ""

    def apply(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a mask of the model's classes with the picture's values."""
        import numpy as np

        table = np.full(256, _NOTHING, np.uint8)
        table[: len(self.values)] = self.values
        return np.asarray(table[mask], np.uint8)


def map_classes(
    of_model: tuple[str, ...], of_picture: tuple[str, ...], *, state: int | None = None
) -> ClassMap:
    """Return how the classes of a model are written in a picture.

    Names decide, without regard to capitals; the first class is the background in both. A model
    that knows only one kind of thing, under a name that the picture does not have, marks it as
    ``state``, or as the picture's only kind. What has no counterpart proposes nothing.

    >>> map_classes(("background", "nucleus"), ("background", "Nucleus", "vessel")).values
    (0, 1)

    Raises
    ------
    RequestError
        When no class of the model is one of the picture; the message lists both.
    """
    known = {name.casefold(): value for value, name in enumerate(of_picture)}
    found = [known.get(name.casefold()) for name in of_model]
    found[0] = 0
    values = [_NOTHING if value is None else value for value in found]
    if _NOTHING not in values[1:]:
        return ClassMap(values=tuple(values))
    if len(of_model) == 2:
        alone = 1 if len(of_picture) == 2 else state
        if alone is not None and 0 < alone < len(of_picture):
            return ClassMap(
                values=(0, alone),
                sentence=f"What it calls “{of_model[1]}” is marked as “{of_picture[alone]}”.",
            )
    if all(value == _NOTHING for value in values[1:]):
        hint = (
            f" Choose the class that “{of_model[1]}” should get, other than the background."
            if len(of_model) == 2
            else ""
        )
        raise RequestError(
            f"The model knows {_listed(of_model[1:])}, but this picture has "
            f"{_listed(of_picture[1:])}; choose a model that was trained on these classes.{hint}"
        )
    missing = [name for name, value in zip(of_model, values, strict=True) if value == _NOTHING]
    return ClassMap(
        values=tuple(values),
        sentence=f"This picture has no class {_listed(missing)}, so nothing is said there.",
    )


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names) or "no classes"
