"""A record with a field of every type that a record may have, and collections of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, final

from hypothesis import strategies as st

from engine.store import Collection
from engine.store.documents import EMPTY
from engine.store.records import Record
from engine.store.schemas import ORIGINAL, Schema

__all__ = ["Part", "Thing", "after_kill", "documents", "steps_until_done", "thing_in", "things"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A nested value."""

    kind: str
    weight: float = 1.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Thing(Record):
    """Every type of field once."""

    title: str
    count: int = 0
    weight: float = 0.0
    done: bool = False
    kind: Literal["small", "large"] = "small"
    at: datetime = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    maybe: str | None = None
    when: datetime | None = None
    tags: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    main: Part | None = None
    details: Mapping[str, Any] = field(default=EMPTY, hash=False)


def thing_in(folder: Path, schema: Schema = ORIGINAL) -> Collection[Thing]:
    """Return the collection of things in a folder, opened anew as another program would."""
    return Collection(folder, "things", Thing, schema=schema)


texts = st.text(max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
moments = st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)
)
parts = st.builds(Part, kind=texts, weight=finite)
leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | texts


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Return JSON objects a few levels deep."""
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    )
    return st.dictionaries(texts, values, max_size=3)


def things() -> st.SearchStrategy[Thing]:
    """Return things with any values."""
    return st.builds(
        Thing,
        id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,30}", fullmatch=True),
        created_at=moments,
        title=texts,
        count=st.integers(-(2**63), 2**63 - 1),
        weight=finite,
        done=st.booleans(),
        kind=st.sampled_from(["small", "large"]),
        at=moments,
        maybe=st.none() | texts,
        when=st.none() | moments,
        tags=st.lists(texts, max_size=3).map(tuple),
        parts=st.lists(parts, max_size=2).map(tuple),
        main=st.none() | parts,
        details=documents(),
    )


# What changes something on the disk: before each of them a program may be killed.
_STEPS = ("open", "writev", "fsync", "link", "rename", "replace", "unlink", "close")


def after_kill(work: Callable[[], object], *, step: int) -> bool:
    """Run ``work`` in a forked process that is killed before its n-th step on the disk.

    The n-th write is cut in half first, as a killed program may leave it. Returns whether it was
    killed; ``False`` when the work was done before it came to that step.
    """
    child = os.fork()
    if child == 0:
        try:
            with _deadly(step):
                work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def steps_until_done(work: Callable[[], object], prepare: Callable[[], object]) -> Iterator[int]:
    """Kill ``work`` before its first step, its second, and so on; give each number killed at."""
    step = 0
    prepare()
    while after_kill(work, step=step):
        yield step
        step += 1
        prepare()


@contextmanager
def _deadly(step: int) -> Iterator[None]:
    left = [step]

    def watched(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def call(*given: Any, **named: Any) -> Any:
            if left[0] == 0:
                if name == "writev":
                    whole = b"".join(given[1])
                    os.write(given[0], whole[: len(whole) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return original(*given, **named)

        return call

    originals = {name: getattr(os, name) for name in _STEPS}
    for name in _STEPS:
        setattr(os, name, watched(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(os, name, original)
