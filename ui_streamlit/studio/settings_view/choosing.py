"""Which settings are shown, and the group that each belongs to by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from engine.settings import Origin, SettingValue

__all__ = ["ORIGINS", "Filter", "chosen", "source"]

ORIGINS: Final[dict[Origin, str]] = {
    "environment": "Environment",
    "older name": "Older name",
    "program": "At the start",
    "default": "Default",
}
"""What each origin is called on the page."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """``words`` are looked for in name, value and meaning; ``only_set`` leaves defaults out."""

    words: str = ""
    only_set: bool = False


def chosen(values: Sequence[SettingValue], wanted: Filter) -> list[SettingValue]:
    """Return the settings that match, in their order."""
    words = wanted.words.casefold().split()
    return [
        value
        for value in values
        if not (wanted.only_set and value.origin == "default")
        and all(word in _text(value) for word in words)
    ]


def source(value: SettingValue) -> str:
    """Say where a value was set."""
    match value.origin:
        case "environment":
            return "set in the environment"
        case "older name":
            return f"set in the environment by the older name {value.variable}"
        case "program":
            return "set when the server was started, by its command line or its program"
        case "default":
            return "not set: the default"


def _text(value: SettingValue) -> str:
    doc = value.doc
    return " ".join((doc.name, *doc.aliases, value.value, doc.text)).casefold()
