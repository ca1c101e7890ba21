"""Who may do what."""

from __future__ import annotations

import re

import pytest

from engine.errors import NotAllowedError, NotSignedInError
from engine.people.actors import NOBODY, ROLES, SYSTEM, VISITOR, Actor, Role
from engine.people.permissions import ACTIONS, allowed, require

# Written out by hand: what each role must not reach, whatever the table says.
CLOSED: dict[Role, set[str]] = {
    "ADMIN": set(),
    "UPLOADER": {"masks.draw", "masks.review", "cells.annotate", "patients.annotate"},
    "ANNOTATOR": {"masks.review", "samples.add", "files.add", "datasets.add"},
    "REVIEWER": {"samples.add", "files.add", "datasets.add"},
}
FOR_ADMINISTRATORS = {
    *("audit.view", "backups.view", "backups.make", "backups.restore", "backups.delete"),
    *("users.view", "users.manage", "settings.view", "monitoring.view", "jobs.control"),
    *("jobs.intake", "samples.cleanup", "files.collect", "models.manage", "datasets.manage"),
    *("cells.types", "spine.models"),
}


def actor(role: Role | None) -> Actor:
    return Actor(id="one", name="One", role=role)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_each_action_has_a_name_a_description_and_an_administrator(name: str) -> None:
    """Names are area.verb, descriptions finish "to …", and an administrator may do everything."""
    action = ACTIONS[name]
    assert action.name == name
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", name)
    assert action.description
    assert action.description[0].islower()
    assert not action.description.endswith(".")
    assert "ADMIN" in action.roles


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_what_is_closed_stays_closed(role: Role, name: str) -> None:
    """A role reaches neither what is for administrators nor the work of another role."""
    closed = CLOSED[role] | (FOR_ADMINISTRATORS if role != "ADMIN" else set())
    assert not (allowed(actor(role), name) and name in closed)
    if name not in closed and role == "ADMIN":
        require(actor(role), name)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_somebody_who_is_not_signed_in_may_do_nothing(name: str) -> None:
    """Without sign-in every action is refused, and the sentence says to sign in."""
    assert not allowed(NOBODY, name)
    with pytest.raises(NotSignedInError, match="sign in first"):
        require(NOBODY, name)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_visitor_and_server_may_do_everything(name: str) -> None:
    """On a server without sign-in nothing is closed."""
    assert allowed(VISITOR, name)
    assert allowed(SYSTEM, name)


def test_a_refusal_names_the_roles_that_may_and_the_own_one() -> None:
    """The sentence says what was wanted, who may, who asks, and whom to turn to."""
    with pytest.raises(
        NotAllowedError,
        match=r"To put a backup back takes the role ADMIN, but you are REVIEWER; ask an admin",
    ):
        require(actor("REVIEWER"), "backups.restore")


def test_an_unknown_action_is_our_mistake() -> None:
    """A misspelt name never counts as allowed."""
    with pytest.raises(KeyError, match=re.escape("backup.make")):
        allowed(VISITOR, "backup.make")


def test_the_table_cannot_be_changed() -> None:
    """No page can register an action for itself."""
    with pytest.raises(TypeError, match="item assignment"):
        ACTIONS["users.manage"] = ACTIONS["studio.open"]  # type: ignore[index]
