"""Stored files over HTTP."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from engine.people.actors import SYSTEM
from engine.people.audit.filters import Filters
from tests.api.house import House, build_house

DATA = b"<script>alert(1)</script>" * 100_000


def test_a_file_comes_whole_and_as_a_download(house: House) -> None:
    """The bytes, their length, a name to save under; never shown as a page."""
    ref = house.workbench.files.put(DATA, media_type="image/png")
    answer = house.client().get(f"/files/{ref.sha256}?name=a.png", headers=house.token("REVIEWER"))
    assert hashlib.sha256(answer.content).hexdigest() == ref.sha256
    assert answer.headers["content-length"] == str(len(DATA))
    assert answer.headers["content-disposition"] == 'attachment; filename="a.png"'
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ('a"\r\nX-Evil: 1', "a_X-Evil_ 1"),
        ("", None),
        ("...", None),
        ("ü.png", "_.png"),
    ],
)
def test_a_name_to_save_under_is_made_harmless(house: House, wanted: str, name: str | None) -> None:
    """No folder, no quote, no line end, no other header."""
    ref = house.workbench.files.put(b"x", media_type="text/plain")
    answer = house.client().get(
        f"/files/{ref.sha256}", params={"name": wanted}, headers=house.token("ADMIN")
    )
    shown = answer.headers["content-disposition"]
    assert shown == f'attachment; filename="{name or ref.sha256[:16]}"'
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize("name", ["0" * 64, "x", "../users.json", "A" * 64, "0" * 63, "%00"])
def test_a_file_that_is_not_there_is_404(house: House, name: str) -> None:
    """Only a SHA-256 names a file."""
    answer = house.client().get(f"/files/{name}", headers=house.token("ADMIN"))
    assert answer.status_code == 404
    assert str(house.settings.home) not in answer.text


def test_nobody_gets_a_file_without_signing_in(house: House) -> None:
    """Knowing the hash is not enough."""
    ref = house.workbench.files.put(b"secret", media_type="text/plain")
    answer = house.client().get(f"/files/{ref.sha256}")
    assert (answer.status_code, b"secret" in answer.content) == (401, False)


def test_an_archive_is_for_administrators_and_leaves_a_trace(tmp_path: Path) -> None:
    """Everything is in it, so who takes it is written down."""
    house = build_house(tmp_path)
    made = house.workbench.backups.make("by hand", actor=SYSTEM)
    address = f"/api/v1/backups/{made.id}/archive"
    assert house.client().get(address, headers=house.token("UPLOADER")).status_code == 403
    answer = house.client().get(address, headers=house.token("ADMIN"))
    assert answer.content == house.workbench.backups.archive(made.id).read_bytes()
    filters = Filters(action="backups.restore", record=f"backups/{made.id}")
    assert house.workbench.audit.entries(filters).total == 1
    missing = house.client().get("/api/v1/backups/no-such/archive", headers=house.token("ADMIN"))
    assert missing.status_code == 404
