"""A version's name depends on what it consists of, and on nothing else."""

from __future__ import annotations

import hashlib

from engine.datasets import manifest
from engine.datasets.manifest import FrozenPicture

A = FrozenPicture(name="a", sha256="1" * 64, mask_sha256="2" * 64, group="P1", split="train")
B = FrozenPicture(name="b", sha256="3" * 64)


def test_order_does_not_matter_content_does() -> None:
    """The same two pictures in another order: the same bytes; another split: others."""
    one = manifest.content([A, B], classes=("background", "gland"))
    assert one == manifest.content([B, A], classes=("background", "gland"))
    moved = FrozenPicture(name="b", sha256="3" * 64, split="test")
    assert one != manifest.content([A, moved], classes=("background", "gland"))
    assert manifest.name_of(one) == hashlib.sha256(one).hexdigest()


def test_the_form_is_pinned() -> None:
    """Names of versions must hold for ever: this text may not change."""
    assert manifest.content([B], classes=("x",)) == (
        b'{"classes":["x"],"format":"lightbox-dataset-1","pictures":[{"group":"","mask_sha256":"",'
        b'"name":"b","sha256":"' + b"3" * 64 + b'","split":""}]}'
    )
