"""Immutable JSON objects, so that a record that many threads share cannot be changed in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn, final

__all__ = ["EMPTY", "FrozenObject", "frozen"]


@final
class FrozenObject(dict[str, Any]):
    """A JSON object that refuses every change. It prints, compares and serialises as a ``dict``.

    Make a changed copy with ``{**old, "key": value}``.
    """

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            "A stored record cannot be changed in place; make a new one with "
            "dataclasses.replace() and put it in a transaction."
        )

    __setitem__ = __delitem__ = _refuse
    __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none, a frozen one may
        return hash(frozenset(self))

    def __reduce__(self) -> tuple[Callable[..., FrozenObject], tuple[dict[str, Any]]]:
        return FrozenObject, (dict(self),)


EMPTY: Final = FrozenObject()


def frozen(value: object) -> Any:  # noqa: ANN401 – JSON has no better type
    """Return ``value`` with every object and list in it made immutable."""
    if isinstance(value, Mapping):
        return FrozenObject(_pairs(value.items()))
    if isinstance(value, list | tuple):
        return tuple(frozen(part) for part in value)
    return value


def _pairs(items: Iterable[tuple[Any, object]]) -> Iterable[tuple[str, Any]]:
    for key, value in items:
        if not isinstance(key, str):
            raise TypeError(f"Keys of a stored object are text, but one is {key!r}.")
        yield key, frozen(value)
