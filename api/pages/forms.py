"""Forms as HTML: a label for each field, help and faults that a screen reader reads with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, final

__all__ = ["Field", "fault", "form", "note"]

# Errors name a field as programs know it; people see its label.
_FIELD: Final = re.compile(r"^'(\w+)'")
_NAMES: Final = {
    "email": "The e-mail",
    "hospital": "The hospital",
    "location": "The location",
    "name": "The name",
    "password": "The password",
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One line to fill in; ``autocomplete`` is HTML's word, for password managers and phones."""

    name: str
    label: str
    autocomplete: str
    kind: str = "text"
    value: str = ""
    hint: str = ""
    is_required: bool = True
    has_focus: bool = False
    is_wrong: bool = False
    min_length: int = 0

    @property
    def html(self) -> str:
        """The label, the input and its hint."""
        marks = [
            f'id="{self.name}" name="{self.name}" type="{self.kind}"',
            f'autocomplete="{self.autocomplete}"',
        ]
        if self.value and self.kind != "password":
            marks.append(f'value="{escape(self.value)}"')
        if self.min_length:
            marks.append(f'minlength="{self.min_length}"')
        if self.is_required:
            marks.append("required")
        if self.has_focus:
            marks.append("autofocus")
        described = [f"{self.name}-hint"] if self.hint else []
        if self.is_wrong:
            marks.append('aria-invalid="true"')
            described.append("fault")
        if described:
            marks.append(f'aria-describedby="{" ".join(described)}"')
        optional = "" if self.is_required else ' <span class="soft">(optional)</span>'
        hint = f'<p class="hint" id="{self.name}-hint">{escape(self.hint)}</p>' if self.hint else ""
        return (
            f'<div class="field"><label for="{self.name}">{escape(self.label)}{optional}</label>'
            f"<input {' '.join(marks)}>{hint}</div>"
        )


def form(fields: Sequence[Field], *, button: str, extra: str = "") -> str:
    """Return a form that is sent to the page's own address; ``extra`` is HTML above the button."""
    inside = "\n".join(field.html for field in fields)
    return (
        f'<form method="post">\n{inside}\n{extra}<button type="submit">{escape(button)}</button>\n'
        "</form>"
    )


def fault(message: str) -> str:
    """Return what went wrong, read out at once; nothing for an empty message."""
    if not message:
        return ""
    shown = _FIELD.sub(lambda found: _NAMES.get(found[1], found[0]), message)
    return f'<p class="fault" id="fault" role="alert">{escape(shown)}</p>\n'


def note(message: str) -> str:
    """Return a quiet message; nothing for an empty one."""
    return f'<p class="note" role="status">{escape(message)}</p>\n' if message else ""
