"""Records as JSON and back.

The stored form of a record is one JSON object with its fields by name, without its id (that is the
key) and without ``extra``, whose content lies beside the fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar, cast, final

import orjson

from engine.store.documents import frozen
from engine.store.readers import read_fields, readers_of
from engine.store.records import Record

__all__ = ["Codec", "codec_of"]

R = TypeVar("R", bound=Record)

_WITHOUT: Final = frozenset({"id", "extra"})


@final
class Codec(Generic[R]):
    """Writes and reads records of one kind."""

    def __init__(self, kind: type[R]) -> None:
        self.kind = kind
        self._readers = readers_of(kind, leaving_out=_WITHOUT)
        self._names = frozenset(reader.name for reader in self._readers)

    def encode(self, record: R) -> bytes:
        """Return the stored form of a record. NaN and infinities become ``null``, as JSON has none.

        Raises
        ------
        TypeError
            When the record is of another kind, or a field holds what JSON cannot; that is a fault
            of the program. Whether each field has its type is seen by decoding.
        """
        if type(record) is not self.kind:
            raise TypeError(f"Expected a {self.kind.__name__}, got a {type(record).__name__}.")
        values = {reader.name: getattr(record, reader.name) for reader in self._readers}
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
        values = read_fields(self._readers, stored)
        if len(stored) > len(values):
            unknown = {key: value for key, value in stored.items() if key not in self._names}
            values["extra"] = frozen(unknown)
        return self.kind(id=name, **values)


def codec_of(kind: type[R]) -> Codec[R]:
    """Return the codec of a kind of record, the same one each time."""
    codec = _made.get(kind)
    if codec is None:
        codec = _made[kind] = Codec(kind)
    return cast("Codec[R]", codec)


_made: dict[type[Record], Codec[Any]] = {}


def _plain(value: object) -> object:
    """Tell orjson what to write for what it does not know: any mapping is an object."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"A record cannot hold a {type(value).__name__}.")
