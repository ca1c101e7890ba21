"""Who acts, and how roles are spelt."""

from __future__ import annotations

import pytest

from engine.errors import RequestError
from engine.people.actors import NOBODY, SYSTEM, VISITOR, role_of


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("ADMIN", "ADMIN"),
        (" annotator ", "ANNOTATOR"),
        ("ANNONATOR", "ANNOTATOR"),
        ("annonator", "ANNOTATOR"),
        ("Reviewer", "REVIEWER"),
        ("uploader", "UPLOADER"),
    ],
)
def test_roles_are_read_in_any_case_and_in_the_older_spelling(text: str, role: str) -> None:
    """The older service wrote ANNONATOR; its clients are understood."""
    assert role_of(text) == role


@pytest.mark.parametrize("text", ["", "ROOT", "ADMIN,REVIEWER", "x" * 10_000])
def test_another_role_is_refused_with_the_choices(text: str) -> None:
    """The sentence names the roles that there are and not more than a piece of what came."""
    with pytest.raises(RequestError, match="ADMIN, UPLOADER, ANNOTATOR, REVIEWER") as caught:
        role_of(text)
    assert len(str(caught.value)) < 200


def test_only_nobody_has_not_signed_in() -> None:
    """A visitor of an open server and the server itself act; somebody without sign-in does not."""
    assert VISITOR.is_signed_in
    assert SYSTEM.is_signed_in
    assert not NOBODY.is_signed_in
