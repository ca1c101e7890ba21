"""What people write about a patient, checked before it is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

from engine.errors import RequestError

__all__ = ["Adequacy", "PatientFields", "adequacy_of", "checked", "codes_of"]

Adequacy = Literal["adequate", "inadequate"]

_NUMBER: Final = re.compile(r"[\w][\w .:/@+-]{0,63}")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/+-]{0,31}")
_LONGEST: Final = {"name": 200, "gender": 40, "contact": 300, "comments": 4000}
_MOST_CODES: Final = 40
_OLDEST: Final = 130


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PatientFields:
    """A patient as a form has it; ``patient_id`` is the clinic's own number, age in years."""

    patient_id: str
    name: str = ""
    age: int | None = None
    gender: str = ""
    contact: str = ""
    comments: str = ""


def checked(fields: PatientFields) -> PatientFields:
    """Return the fields without blanks around them.

    Raises
    ------
    RequestError
        When one cannot be used; the message names the field and not what it holds.
    """
    number = fields.patient_id.strip()
    if _NUMBER.fullmatch(number) is None:
        raise RequestError(
            "'patient_id' must be the clinic's number of the patient: 1 to 64 letters, digits, "
            "blanks or . : / @ + -, beginning with a letter or digit."
        )
    if fields.age is not None and not 0 <= fields.age <= _OLDEST:
        raise RequestError(f"'age' must be in years from 0 to {_OLDEST}, but is {fields.age}.")
    texts = {name: getattr(fields, name).strip() for name in _LONGEST}
    for name, text in texts.items():
        if len(text) > _LONGEST[name]:
            raise RequestError(
                f"'{name}' has {len(text)} characters; at most {_LONGEST[name]} are taken."
            )
        if "\x00" in text:
            raise RequestError(f"'{name}' has a character that is no text; leave it out.")
    return PatientFields(patient_id=number, age=fields.age, **texts)


def adequacy_of(text: str) -> Adequacy:
    """Return the word for whether there was enough to see.

    Raises
    ------
    RequestError
        When it is another.
    """
    if text == "adequate":
        return "adequate"
    if text == "inadequate":
        return "inadequate"
    raise RequestError(f"'adequacy' must be adequate or inadequate, but is {text[:40]!r}.")


def codes_of(codes: Sequence[str]) -> tuple[str, ...]:
    """Return diagnosis codes in upper case, each once, in the order given.

    >>> codes_of([" j84.1", "D86.0", "J84.1"])
    ('J84.1', 'D86.0')

    Raises
    ------
    RequestError
        When there are too many, or one is no code.
    """
    if len(codes) > _MOST_CODES:
        raise RequestError(f"'diagnosis' has {len(codes)} codes; at most {_MOST_CODES} are taken.")
    clean = [code.strip().upper() for code in codes if code.strip()]
    for code in clean:
        if _CODE.fullmatch(code) is None:
            raise RequestError(
                "Each code of 'diagnosis' must be 1 to 32 letters, digits or . : / + -, such as "
                f"J84.1, but one is {code[:40]!r}; sentences belong into the comments."
            )
    return tuple(dict.fromkeys(clean))
