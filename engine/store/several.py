"""Transactions that change several collections together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, final

from engine.store import intents
from engine.store.collections import Collection
from engine.store.disk import write_aside
from engine.store.locks import locked
from engine.store.snapshots import Snapshot
from engine.store.transactions import Transaction

__all__ = ["Several", "several"]

_Outcome = tuple[Collection[Any], Snapshot[Any]]


@final
class Several:
    """The transactions of several collections by name: ``t["patients"].put(…)``."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Mapping[str, Transaction[Any]]) -> None:
        self._transactions = transactions

    def __getitem__(self, name: str) -> Transaction[Any]:
        return self._transactions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._transactions)


@contextmanager
def several(
    collections: Mapping[str, Collection[Any]], *, over_damage: bool = False
) -> Iterator[Several]:
    """Hold the locks of all ``collections`` and write all changes when the block ends, or none.

    With ``over_damage``, a collection that cannot be read counts as empty, its file kept aside.
    Killed between two of the files, the rest is done by whoever opens one of them next.
    """
    folder = next(iter(collections.values())).folder
    with ExitStack() as locks:
        locks.enter_context(intents.alone(folder, ", ".join(collections)))
        locks.enter_context(locked(intents.joint_lock(folder)))
        intents.settle(folder)
        for name in sorted(collections):  # one order for all: nobody waits in a circle
            locks.enter_context(locked(collections[name].paths.lock))
        transactions = {
            name: Transaction(
                collection.replaceable() if over_damage else collection.read_locked(),
                collection.codec,
            )
            for name, collection in collections.items()
        }
        try:
            yield Several(transactions)
        finally:
            for transaction in transactions.values():
                transaction.close()
        outcomes = {name: part.outcome() for name, part in transactions.items()}
        changed = [(collections[n], new) for n, new in outcomes.items() if new is not None]
        if len(changed) == 1:
            changed[0][0].commit(changed[0][1])
        elif changed:
            _commit(changed)


def _commit(changed: list[_Outcome]) -> None:
    folder, digests = changed[0][0].folder, {}
    try:
        for collection, outcome in changed:
            parts = outcome.parts()
            write_aside(collection.paths.joint, parts)
            digests[collection.name] = hashlib.sha256(b"".join(parts)).hexdigest()
        intents.announce(folder, digests)
    except BaseException:
        for collection, _ in changed:
            with suppress(OSError):
                collection.paths.joint.unlink(missing_ok=True)
        raise
    intents.carry_out(folder, digests)
    for collection, outcome in changed:
        collection.remember(outcome)
