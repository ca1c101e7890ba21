"""``lightbox people`` and ``lightbox audit``, as somebody at the machine uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli import main
from engine.people.audit import open_audit
from engine.settings import Settings
from engine.store import Store


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home that the commands find in their environment."""
    monkeypatch.setenv("LIGHTBOX_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_people_are_added_listed_and_reset(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each prints what was done, and a link where a password is to be set."""
    assert main(["people", "list"]) == 0
    assert "Nobody has an account yet." in capsys.readouterr().out
    assert main(["people", "add", "ann@x.example", "--name", "Ann", "--role", "ANNONATOR"]) == 0
    first = capsys.readouterr().out
    assert "Ann: ANNOTATOR, active" in first
    assert "http://localhost:7860/first/" in first
    assert main(["people", "reset", "ANN@x.example", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["link"].startswith("http://localhost:7860/first/")
    assert main(["people", "role", document["id"], "REVIEWER"]) == 0
    assert main(["people", "disable", document["id"]]) == 0
    capsys.readouterr()
    assert main(["people", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["people"]
    assert (row["role"], row["state"]) == ("REVIEWER", "disabled")
    assert {user.role for user in Store(home / "records").users.read()} == {"REVIEWER"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["people", "reset", "nobody@x.example"], "no account with this e-mail or id"),
        (["people", "add", "a", "--name", "A", "--role", "ADMIN"], "'email' must be an address"),
        (["people", "add", "a@x.example", "--name", "A", "--role", "ROOT"], "'role' must be one"),
        (["audit", "verify", "--expect", "7"], "COUNT:HASH"),
        (["audit", "export", "--out", "/proc/none/x"], "cannot be written"),
    ],
)
def test_bad_input_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    """Exit code 2 and one sentence."""
    assert main(["people", "add", "b@x.example", "--name", "B", "--role", "REVIEWER"]) == 0
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err


def test_audit_verify_tells_a_sound_log_from_a_changed_one(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 with the end to note, 1 with the line that was changed."""
    assert main(["people", "add", "ann@x.example", "--name", "Ann", "--role", "ADMIN"]) == 0
    capsys.readouterr()
    assert main(["audit", "verify"]) == 0
    text = capsys.readouterr().out
    assert "All is in order: 1 line follows" in text
    head = text.split("note elsewhere: ")[1].strip()
    assert main(["audit", "verify", "--expect", head]) == 0
    capsys.readouterr()
    path = open_audit(Settings(home=home)).folder / "000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"ADMIN", b"ADMIM", 1))
    assert main(["audit", "verify", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["first_bad"]) == (False, 1)


def test_the_log_can_be_taken_out(home: Path, tmp_path: Path) -> None:
    """As a table or as JSON lines; the e-mail is not in it."""
    assert main(["people", "add", "ann@x.example", "--name", "Ann", "--role", "ADMIN"]) == 0
    out = tmp_path / "log.jsonl"
    assert main(["audit", "export", "--kind", "jsonl", "--out", str(out)]) == 0
    document = json.loads(out.read_text())
    assert (document["actor_name"], document["text"]) == ("Command line", "Added as ADMIN")
    assert "@" not in out.read_text()
