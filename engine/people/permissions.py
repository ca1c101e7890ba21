"""Every action that somebody may be allowed to do, in one table; every page and route names one.

A name that is not in the table is a mistake of ours, not of the caller: it raises ``KeyError``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final

from engine.errors import NotAllowedError, NotSignedInError
from engine.people.actors import ROLES, Actor, Role

__all__ = ["ACTIONS", "Action", "allowed", "require"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What may be done, in words that finish the sentence "to …", and the roles that may."""

    name: str
    description: str
    roles: frozenset[Role]


_ALL: Final = ROLES
_ADMIN: Final[tuple[Role, ...]] = ("ADMIN",)
_UPLOADING: Final[tuple[Role, ...]] = ("ADMIN", "UPLOADER")
_MARKING: Final[tuple[Role, ...]] = ("ADMIN", "ANNOTATOR", "REVIEWER")
_REVIEWING: Final[tuple[Role, ...]] = ("ADMIN", "REVIEWER")

_TABLE: Final[tuple[tuple[str, str, tuple[Role, ...]], ...]] = (
    ("suite.open", "see the front page", _ALL),
    ("eyes.use", "use the eye check", _ALL),
    ("spine.use", "find vertebrae in a CT", _ALL),
    ("spine.models", "download models for vertebrae", _ADMIN),
    ("api.describe", "read the description of the API", _ALL),
    ("studio.open", "open the studio", _ALL),
    ("account.view", "see the own account", _ALL),
    ("account.password", "change the own password", _ALL),
    ("account.sign_out", "sign out", _ALL),
    ("activity.log", "log the own activity", _ALL),
    ("files.read", "open stored files", _ALL),
    ("files.add", "store files", _UPLOADING),
    ("files.collect", "remove files that no record uses", _ADMIN),
    ("datasets.view", "see datasets and pictures", _ALL),
    ("datasets.add", "bring pictures in", _UPLOADING),
    ("datasets.manage", "change and delete datasets", _ADMIN),
    ("sample_data.add", "add the sample data", _UPLOADING),
    ("masks.view", "see masks", _ALL),
    ("masks.draw", "draw masks", _MARKING),
    ("masks.review", "approve masks or send them back", _REVIEWING),
    ("cells.view", "see cells and cell types", _ALL),
    ("cells.detect", "look for cells in pictures", _ALL),
    ("cells.annotate", "mark cells", _MARKING),
    ("cells.types", "change the list of cell types", _ADMIN),
    ("patients.view", "see patients", _ALL),
    ("patients.manage", "add and change patients", _UPLOADING),
    ("patients.annotate", "write a patient's findings", _MARKING),
    ("samples.view", "see samples", _ALL),
    ("samples.add", "send samples", _UPLOADING),
    ("samples.cleanup", "reset samples that are stuck", _ADMIN),
    ("models.view", "see models", _ALL),
    ("models.train", "train models", _MARKING),
    ("models.manage", "promote, retire and delete models", _ADMIN),
    ("models.predict", "use a model on pictures", _ALL),
    ("jobs.view", "see jobs", _ALL),
    ("jobs.submit", "start jobs", _ALL),
    ("jobs.control", "cancel, retry and reset jobs", _ADMIN),
    ("jobs.control_own", "cancel and retry the own jobs", _ALL),
    ("jobs.intake", "take in messages of the outside queue", _ADMIN),
    ("monitoring.view", "see how the server is doing", _ADMIN),
    ("backups.view", "see backups", _ADMIN),
    ("backups.make", "make and check backups", _ADMIN),
    ("backups.restore", "put a backup back", _ADMIN),
    ("backups.delete", "delete backups", _ADMIN),
    ("users.view", "see the people of this server", _ADMIN),
    ("users.manage", "add people, change their roles, reset and disable them", _ADMIN),
    ("audit.view", "read the audit log", _ADMIN),
    ("settings.view", "see the settings", _ADMIN),
)

ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        name: Action(name=name, description=description, roles=frozenset(roles))
        for name, description, roles in _TABLE
    }
)


def allowed(actor: Actor, action: str) -> bool:
    """Say whether ``actor`` may do ``action``; somebody who has not signed in may do nothing."""
    return actor.role in ACTIONS[action].roles


def require(actor: Actor, action: str) -> None:
    """Return when ``actor`` may do ``action``.

    Raises
    ------
    NotSignedInError
        When nobody has signed in.
    NotAllowedError
        When the role does not include it; the message names the roles that do.
    """
    wanted = ACTIONS[action]
    if actor.role is None:
        raise NotSignedInError(f"You must be signed in to {wanted.description}; sign in first.")
    if actor.role not in wanted.roles:
        roles = " or ".join(role for role in ROLES if role in wanted.roles)
        raise NotAllowedError(
            f"To {wanted.description} takes the role {roles}, but you are {actor.role}; "
            "ask an administrator."
        )
