"""Records as JSON and back, with types checked in both directions.

The stored form of a record is one JSON object with its fields by name, without its id (that is the
key) and without ``extra``, whose content lies beside the fields.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from typing import (
    Any,
    Generic,
    Literal,
    TypeVar,
    Union,
    cast,
    final,
    get_args,
    get_origin,
    get_type_hints,
)

import orjson

from engine.store.documents import frozen
from engine.store.records import Record

__all__ = ["Codec", "codec_of"]

R = TypeVar("R", bound=Record)
Reader = Callable[[Any], Any]

_WITHOUT = frozenset({"id", "extra"})
_LARGEST_INTEGER = 2**63


@final
class Codec(Generic[R]):
    """Writes and reads records of one kind."""

    def __init__(self, kind: type[R]) -> None:
        self.kind = kind
        self._fields = _readers(kind, leaving_out=_WITHOUT)
        self._names = frozenset(self._fields)

    def encode(self, record: R) -> bytes:
        """Return the stored form of a record.

        Raises
        ------
        TypeError
            When the record is of another kind, or a field holds what its type does not allow;
            that is a fault of the program.
        """
        if type(record) is not self.kind:
            raise TypeError(f"Expected a {self.kind.__name__}, got a {type(record).__name__}.")
        values = {name: getattr(record, name) for name in self._fields}
        if record.extra:
            if not self._names.isdisjoint(record.extra):
                raise TypeError(f"`extra` of a {self.kind.__name__} repeats one of its fields.")
            values |= record.extra
        return orjson.dumps(values, default=_plain, option=orjson.OPT_UTC_Z)

    def decode(self, name: str, raw: bytes) -> R:
        """Return the record with id ``name`` from its stored form.

        Raises
        ------
        TypeError
            When a field is absent or of another type; the message names it.
        """
        stored = orjson.loads(raw)
        if type(stored) is not dict:
            raise TypeError(f"expected an object, got {type(stored).__name__}")
        values = _read_fields(self._fields, stored)
        if len(stored) > len(values) and not stored.keys() <= self._names:
            values["extra"] = frozen({k: v for k, v in stored.items() if k not in self._names})
        return self.kind(id=name, **values)


def codec_of(kind: type[R]) -> Codec[R]:
    """Return the codec of a kind of record, the same one each time."""
    codec = _made.get(kind)
    if codec is None:
        codec = _made[kind] = Codec(kind)
    return cast("Codec[R]", codec)


_made: dict[type[Record], Codec[Any]] = {}


def _plain(value: object) -> object:
    """Tell orjson what to write for what it does not know: our frozen objects are mappings."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"A record cannot hold a {type(value).__name__}.")


_Fields = dict[str, tuple[Reader, bool]]


def _readers(kind: type, *, leaving_out: frozenset[str] = frozenset()) -> _Fields:
    """Return per field its reader and whether it must be there."""
    hints = get_type_hints(kind)
    return {
        item.name: (_reader(hints[item.name]), _is_required(item))
        for item in fields(kind)
        if item.name not in leaving_out
    }


def _is_required(item: Field[Any]) -> bool:
    # When a record was made is a fact: no default may invent it on reading.
    has_default = item.default is not MISSING or item.default_factory is not MISSING
    return item.name == "created_at" or not has_default


def _read_fields(readers: _Fields, stored: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for name, (reader, is_required) in readers.items():
        if name in stored:
            try:
                values[name] = reader(stored[name])
            except TypeError as error:
                raise TypeError(f"`{name}`: {error}") from None
        elif is_required:
            raise TypeError(f"`{name}` is absent")
    return values


def _reader(hint: Any) -> Reader:  # noqa: ANN401 – a type hint
    """Return the function that checks and converts one JSON value."""
    origin = get_origin(hint)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if origin is Literal:
        return functools.partial(_one_of, get_args(hint))
    if origin in (Union, types.UnionType):
        return _optional(hint)
    if origin is tuple:
        part, rest = get_args(hint)
        assert rest is Ellipsis
        return functools.partial(_tuple_of, _reader(part))
    if origin is not None and issubclass(origin, Mapping):
        return _object
    if is_dataclass(hint) and isinstance(hint, type):
        return functools.partial(_nested, hint, _readers(hint))
    raise TypeError(f"A record cannot have a field of type {hint}.")


def _optional(hint: Any) -> Reader:  # noqa: ANN401 – a type hint
    inner = [part for part in get_args(hint) if part is not type(None)]
    assert len(inner) + 1 == len(get_args(hint)) == 2, f"{hint} is not X | None"
    read = _reader(inner[0])
    return lambda value: None if value is None else read(value)


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"expected text, got {_shown(value)}")
    return value


def _integer(value: object) -> int:
    if type(value) is not int or not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        raise TypeError(f"expected a whole number, got {_shown(value)}")
    return value


def _number(value: object) -> float:
    # orjson writes NaN and infinities as null: they are refused here instead of being lost.
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
    return moment.astimezone(UTC)


def _one_of(allowed: tuple[object, ...], value: object) -> object:
    if value not in allowed:
        raise TypeError(f"expected one of {', '.join(map(str, allowed))}, got {_shown(value)}")
    return value


def _tuple_of(read: Reader, value: object) -> tuple[Any, ...]:
    if type(value) is not list:
        raise TypeError(f"expected a list, got {_shown(value)}")
    return tuple(read(part) for part in value)


def _object(value: object) -> Any:  # noqa: ANN401 – JSON has no better type
    if type(value) is not dict:
        raise TypeError(f"expected an object, got {_shown(value)}")
    return frozen(value)


def _nested(kind: type, readers: _Fields, value: object) -> object:
    if type(value) is not dict:
        raise TypeError(f"expected a {kind.__name__}, got {_shown(value)}")
    return kind(**_read_fields(readers, value))


def _shown(value: object) -> str:
    """Name a value by its kind alone: a record may hold what must not stand in a message."""
    return "nothing" if value is None else f"a {type(value).__name__}"


_SIMPLE: dict[Any, Reader] = {
    str: _text,
    int: _integer,
    float: _number,
    bool: _truth,
    datetime: _moment,
}
