"""``lightbox people``: who has an account; the way back in for whoever runs the machine."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from engine.cli.command import Command, Document, print_json
from engine.errors import NotFoundError
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.people.accounts import Accounts
    from engine.store.records import User

__all__ = ["PEOPLE"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    shown = steps.add_parser("list", help="show all accounts")
    add = steps.add_parser("add", help="make an account and print the link that sets its password")
    add.add_argument("email", metavar="EMAIL")
    add.add_argument("--name", required=True)
    add.add_argument("--role", required=True, help="ADMIN, UPLOADER, ANNOTATOR or REVIEWER")
    reset = steps.add_parser("reset", help="print a link that sets a new password; also unlocks")
    reset.add_argument("person", metavar="EMAIL_OR_ID")
    role = steps.add_parser("role", help="give somebody another role")
    role.add_argument("person", metavar="EMAIL_OR_ID")
    role.add_argument("role", metavar="ROLE")
    enable = steps.add_parser("enable", help="let somebody in, or in again")
    enable.add_argument("person", metavar="EMAIL_OR_ID")
    disable = steps.add_parser("disable", help="keep somebody out")
    disable.add_argument("person", metavar="EMAIL_OR_ID")
    for step in (shown, add, reset, role, enable, disable):
        step.add_argument("--json", action="store_true", help="print one JSON document")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from dataclasses import replace

    from engine.people.accounts import Accounts
    from engine.people.actors import SYSTEM
    from engine.people.audit import open_audit
    from engine.people.profiles import Profile
    from engine.store import Store

    accounts = Accounts(Store(settings.home / "records"), settings, open_audit(settings))
    actor = replace(SYSTEM, name="Command line")
    if options.step == "list":
        return _list(accounts.all(), as_json=options.json)
    if options.step == "add":
        profile = Profile(name=options.name, email=options.email)
        user, token = accounts.add(actor, profile, role=options.role)
        return _tell(user, as_json=options.json, link=_link(settings, token))
    user = _wanted(accounts, options.person)
    if options.step == "reset":
        token = accounts.reset_password(actor, user.id)
        return _tell(user, as_json=options.json, link=_link(settings, token))
    if options.step == "role":
        user = accounts.set_role(actor, user.id, options.role)
    elif options.step == "enable":
        user = accounts.enable(actor, user.id)
    else:
        user = accounts.disable(actor, user.id)
    return _tell(user, as_json=options.json)


def _wanted(accounts: Accounts, person: str) -> User:
    from engine.people.profiles import email_key

    for user in accounts.all():
        if person == user.id or email_key(person) == user.email:
            return user
    raise NotFoundError(
        "There is no account with this e-mail or id; 'lightbox people list' shows them all."
    )


def _link(settings: Settings, token: str) -> str:
    shown = settings.host if settings.host not in ("127.0.0.1", "0.0.0.0", "::") else "localhost"  # noqa: S104 – compared
    return f"http://{shown}:{settings.port}{settings.root_path}/first/{token}"


def _document(user: User) -> Document:
    seen = user.last_sign_in_at
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "state": "disabled" if user.disabled else "waiting" if user.waiting else "active",
        "last_sign_in_at": seen.isoformat(timespec="seconds") if seen else None,
    }


def _list(users: tuple[User, ...], *, as_json: bool) -> int:
    if as_json:
        print_json({"people": [_document(user) for user in users]})
        return 0
    for user in users:
        row = _document(user)
        seen = row["last_sign_in_at"] or "never signed in"
        print(
            f"{row['id']}  {row['role']:9}  {row['state']:8}  {row['email']}  {row['name']}  {seen}"
        )
    if not users:
        print("Nobody has an account yet.")
    return 0


def _tell(user: User, *, as_json: bool, link: str = "") -> int:
    document = _document(user)
    if as_json:
        print_json({**document, **({"link": link} if link else {})})
        return 0
    print(f"{document['name']}: {document['role']}, {document['state']}")
    if link:
        print(f"Link that sets the password, once, within 24 hours: {link}")
    return 0


PEOPLE = Command(
    name="people",
    help="see accounts, add people, reset passwords",
    add_options=_add_options,
    run=_run,
)
