"""``lightbox store``: check that every record can be read, and put back what was good."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from engine.cli.command import OUR_FAULT, Command, Document, print_json
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.store import Damage, Recovery, Store

__all__ = ["STORE"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    check = steps.add_parser("check", help="read every record; exit code 1 if one cannot be read")
    check.add_argument("--json", action="store_true", help="print one JSON document")
    recover = steps.add_parser(
        "recover", help="put the last good version of a damaged collection back"
    )
    recover.add_argument("names", nargs="+", metavar="COLLECTION", help="such as jobs or patients")
    recover.add_argument("--json", action="store_true", help="print one JSON document")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from engine.store import Store

    # Looking must change nothing: no migration here.
    store = Store(settings.home / "records", for_restore=True)
    if options.step == "recover":
        return _recover(store, options.names, as_json=options.json)
    return _check(store, as_json=options.json)


def _check(store: Store, *, as_json: bool) -> int:
    damages = {damage.name: damage for damage in store.damage()}
    if as_json:
        documents = [_checked(store, name, damages.get(name)) for name in store.names]
        print_json({"healthy": not damages, "collections": documents})
    else:
        for name in store.names:
            print(_told(store, name, damages.get(name)))
    return OUR_FAULT if damages else 0


def _checked(store: Store, name: str, damage: Damage | None) -> Document:
    if damage is not None:
        good = damage.good_version or None
        return {"name": name, "ok": False, "problem": damage.text, "good_version": good}
    snapshot = store[name].read()
    return {"name": name, "ok": True, "version": snapshot.version, "count": len(snapshot)}


def _told(store: Store, name: str, damage: Damage | None) -> str:
    if damage is not None:
        return f"FAIL  {name}: {damage.text}"
    snapshot = store[name].read()
    return f"ok    {name}: {len(snapshot):,} records, version {snapshot.version}"


def _recover(store: Store, names: list[str], *, as_json: bool) -> int:
    done = [store.recover(name) for name in names]
    if as_json:
        print_json({"recovered": [_recovered(recovery) for recovery in done]})
    else:
        for recovery in done:
            aside = recovery.damaged_path
            print(
                f"{recovery.name}: version {recovery.version} of "
                f"{recovery.written_at:%Y-%m-%d %H:%M:%S} UTC with {recovery.count:,} records is "
                f"back; " + (f"the damaged file is {aside}" if aside else "the file was gone")
            )
    return 0


def _recovered(recovery: Recovery) -> Document:
    aside = recovery.damaged_path
    return {
        **dataclasses.asdict(recovery),
        "written_at": recovery.written_at.isoformat(),
        "damaged_path": None if aside is None else str(aside),
    }


STORE = Command(
    name="store",
    help="check the records, and put a damaged collection's last good version back",
    add_options=_add_options,
    run=_run,
)
