"""From JSON values to the fields of a record, with their types checked."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Union, final, get_args, get_origin, get_type_hints

from engine.store.documents import EMPTY, frozen

__all__ = ["FieldReader", "read_fields", "readers_of"]

_ABSENT: Final = object()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FieldReader:
    """How one field is read.

    A value of exactly the type ``as_it_is`` needs no ``read``; ``None`` neither where it is
    allowed.
    """

    name: str
    read: Callable[[Any], Any]
    as_it_is: type | None
    may_be_none: bool
    is_required: bool


_Readers = tuple[FieldReader, ...]


def readers_of(kind: type, *, leaving_out: frozenset[str] = frozenset()) -> _Readers:
    """Return how the fields of a dataclass are read."""
    hints = get_type_hints(kind)
    return tuple(
        _reader_of(item, hints[item.name]) for item in fields(kind) if item.name not in leaving_out
    )


def read_fields(readers: _Readers, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a stored object by name; what has a default may be absent.

    Raises
    ------
    TypeError
        The message names the field, and never its value.
    """
    values = {}
    for field in readers:
        value = stored.get(field.name, _ABSENT)
        # Most values are plain: no function is called for them.
        if type(value) is field.as_it_is or (value is None and field.may_be_none):
            values[field.name] = value
        elif value is not _ABSENT:
            values[field.name] = _read(field, value)
        elif field.is_required:
            raise TypeError(f"`{field.name}` is absent")
    return values


def _read(field: FieldReader, value: object) -> object:
    try:
        return field.read(value)
    except TypeError as error:
        raise TypeError(f"`{field.name}`: {error}") from None


def _reader_of(item: Field[Any], hint: Any) -> FieldReader:  # noqa: ANN401 – a type hint
    inner, may_be_none = _without_none(hint)
    has_default = item.default is not MISSING or item.default_factory is not MISSING
    return FieldReader(
        name=item.name,
        read=_function_for(inner),
        as_it_is=inner if inner in (str, int, float, bool) else None,
        may_be_none=may_be_none,
        # When a record was made is a fact: no default may invent it on reading.
        is_required=item.name == "created_at" or not has_default,
    )


def _without_none(hint: Any) -> tuple[Any, bool]:  # noqa: ANN401 – a type hint
    """Split ``X | None`` into ``X`` and whether ``None`` is allowed."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    inner = [part for part in get_args(hint) if part is not type(None)]
    if len(inner) != 1:
        raise TypeError(f"A record cannot have a field of type {hint}; one of X | None can be.")
    return inner[0], True


def _function_for(hint: Any) -> Callable[[Any], Any]:  # noqa: ANN401 – a type hint
    """Return the function that checks and converts one JSON value."""
    origin = get_origin(hint)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if origin is Literal:
        return functools.partial(_one_of, get_args(hint))
    if origin is tuple and get_args(hint)[1:] == (Ellipsis,):
        return functools.partial(_tuple_of, _function_for(get_args(hint)[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _object
    if isinstance(hint, type) and is_dataclass(hint):
        return functools.partial(_nested, hint, readers_of(hint))
    raise TypeError(f"A record cannot have a field of type {hint}.")


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"expected text, got {_shown(value)}")
    return value


def _integer(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"expected a whole number, got {_shown(value)}")
    return value


def _number(value: object) -> float:
    # NaN and infinities are written as null: they are refused here instead of being lost.
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    raise TypeError(f"expected a finite number, got {_shown(value)}")


def _truth(value: object) -> bool:
    if type(value) is not bool:
        raise TypeError(f"expected true or false, got {_shown(value)}")
    return value


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]  # TypeError is handled
    except (TypeError, ValueError):
        raise TypeError(f"expected a moment in time, got {_shown(value)}") from None
    if moment.tzinfo is None:
        raise TypeError("expected a moment with its time zone, got one without")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _one_of(allowed: tuple[object, ...], value: object) -> object:
    if value not in allowed:
        raise TypeError(f"expected one of {', '.join(map(str, allowed))}, got {_shown(value)}")
    return value


def _tuple_of(read: Callable[[Any], Any], value: object) -> tuple[Any, ...]:
    if type(value) is not list:
        raise TypeError(f"expected a list, got {_shown(value)}")
    return tuple([read(part) for part in value])


def _object(value: object) -> Any:  # noqa: ANN401 – JSON has no better type
    if type(value) is not dict:
        raise TypeError(f"expected an object, got {_shown(value)}")
    return frozen(value) if value else EMPTY


def _nested(kind: type, readers: _Readers, value: object) -> object:
    if type(value) is not dict:
        raise TypeError(f"expected a {kind.__name__}, got {_shown(value)}")
    return kind(**read_fields(readers, value))


def _shown(value: object) -> str:
    """Name a value by its kind alone: a record may hold what must not stand in a message."""
    return "nothing" if value is None else f"a {type(value).__name__}"


_SIMPLE: Final[dict[Any, Callable[[Any], Any]]] = {
    str: _text,
    int: _integer,
    float: _number,
    bool: _truth,
    datetime: _moment,
}
