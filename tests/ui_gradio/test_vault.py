"""Uploads in flight."""

from __future__ import annotations

import pytest

from engine.errors import BusyError, RequestError, TooLargeError
from ui_gradio.vault import PREFIX, Vault


def test_an_upload_is_read_once() -> None:
    """The name gives the bytes, and then nothing any more."""
    vault = Vault(max_total_bytes=10)
    name = vault.put(b"face")
    assert vault.take(name) == b"face"
    with pytest.raises(RequestError, match="works once"):
        vault.take(name)


def test_names_do_not_follow_from_the_content() -> None:
    """The same bytes get two names, too long to guess."""
    vault = Vault(max_total_bytes=10)
    first, second = vault.put(b"face"), vault.put(b"face")
    assert first != second
    assert len(first.removeprefix(PREFIX)) >= 32


def test_an_upload_that_nobody_takes_is_forgotten() -> None:
    """After its time the bytes are gone from memory."""
    now = 0.0
    vault = Vault(max_total_bytes=10, life_s=60, clock=lambda: now)
    name = vault.put(b"face")
    now = 60.0
    assert len(vault) == 0
    with pytest.raises(RequestError, match="upload the file again"):
        vault.take(name)


def test_all_uploads_together_are_bounded() -> None:
    """The one that does not fit has to wait; one that never fits is too large."""
    vault = Vault(max_total_bytes=10)
    vault.put(b"123456")
    with pytest.raises(BusyError, match="Too many uploads"):
        vault.put(b"123456")
    with pytest.raises(TooLargeError, match="11 bytes but at most 10"):
        vault.put(b"12345678901")
