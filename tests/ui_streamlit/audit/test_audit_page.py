"""The audit page through the frame, with the real log behind it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest

from engine.errors import NotAllowedError, NotSignedInError
from engine.people.actors import SYSTEM, Actor
from engine.people.audit import Filters
from tests.ui_streamlit.studio import Studio, words
from ui_streamlit.studio.audit.listing import exported

ANN = Actor(id="ann", name="Ann Maurer", role="ANNOTATOR", address="192.0.2.7")


def fill(studio: Studio, lines: int = 30) -> None:
    """Write lines of two people about several records."""
    log = studio.workbench.audit
    for number in range(1, lines + 1):
        actor = ANN if number % 3 else SYSTEM
        log.write(
            actor, "jobs.control", record=f"jobs/{number}", text=f"Cancelled the job {number}"
        )


def numbers(app: object) -> list[int]:
    """Return the numbers of the lines on the page, as shown."""
    labels = [link.proto.label for link in app.get("page_link")]  # type: ignore[attr-defined]
    return [int(label) for label in labels if label.isdigit()]


def test_an_empty_log_says_what_will_be_here(open_studio: Studio) -> None:
    """Nothing is an answer too."""
    app = open_studio.open("audit")
    assert "Nothing has been logged yet" in words(app)
    assert not app.exception


def test_lines_are_shown_newest_first_in_pages(studio: Studio) -> None:
    """Twenty-five to a page, under their day."""
    studio.sign_in("ADMIN")
    fill(studio)
    app = studio.open("audit")
    assert numbers(app) == list(range(30, 5, -1))
    seen = words(app)
    assert "30 lines" in seen
    assert "Ann Maurer" in seen
    assert "Newest part is whole" in seen


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"find": "the job 3"}, [30, 3]),
        ({"find": "jobs/7"}, [7]),
        ({"find": "maurer"}, None),
        ({"area": "jobs"}, None),
        ({"since": str(date.today() + timedelta(days=400))}, []),
        ({"until": str(date.today() - timedelta(days=400))}, []),
    ],
)
def test_the_address_carries_the_filters(
    studio: Studio, query: dict[str, str], expected: list[int] | None
) -> None:
    """A link to some lines can be passed on."""
    studio.sign_in("ADMIN")
    fill(studio)
    app = studio.open("audit", **query)
    if expected is None:
        assert len(numbers(app)) >= 20
    else:
        assert numbers(app) == expected
    assert ("No line matches" in words(app)) == (expected == [])


def test_what_one_person_did_has_a_link(studio: Studio) -> None:
    """By the id, as the users page links it."""
    user = studio.sign_in("ADMIN", name="Boss")
    fill(studio, 6)
    actor = Actor(id=user.id, name=user.name, role="ADMIN")
    studio.workbench.audit.write(actor, "users.manage", text="Did it")
    app = studio.open("audit", who=user.id)
    assert numbers(app) == [7]
    assert numbers(studio.open("audit", who="system")) == [6, 3]
    assert "No line matches" in words(studio.open("audit", who="somebody-else"))


def test_a_link_opens_one_line(studio: Studio) -> None:
    """With everything that it says, and a link to its record."""
    studio.sign_in("ADMIN")
    fill(studio)
    app = studio.open("audit", entry="7")
    seen = words(app)
    for text in ("Cancelled the job 7", "192.0.2.7", "jobs.control", "All lines", "Open jobs/7"):
        assert text in seen
    assert studio.workbench.audit.entry(7).hash in seen  # type: ignore[union-attr]


def test_people_are_called_by_their_names(studio: Studio) -> None:
    """A line about somebody names them; a line about who did it does not say it twice."""
    user = studio.sign_in("ADMIN", name="Boss")
    boss = Actor(id=user.id, name="Boss", role="ADMIN")
    studio.workbench.audit.write(boss, "account.sign_in", record=f"users/{user.id}", text="Came")
    studio.workbench.audit.write(SYSTEM, "users.manage", record=f"users/{user.id}", text="Made")
    seen = words(studio.open("audit"))
    assert "<strong>Boss</strong> Came</span>" in seen
    assert "Made · Boss</span>" in seen


@pytest.mark.parametrize("entry", ["31", "0", "-1", "x", "9" * 5000, "²"])
def test_a_wrong_link_says_so(studio: Studio, entry: str) -> None:
    """A number that there is not, or no number."""
    studio.sign_in("ADMIN")
    fill(studio)
    app = studio.open("audit", entry=entry)
    assert "This line is not here" in words(app)
    assert not app.exception


def test_the_whole_log_is_checked_on_demand(studio: Studio) -> None:
    """The sentence of the check, and the end to note."""
    studio.sign_in("ADMIN")
    fill(studio)
    app = studio.open("audit")
    app.button(key="audit-check").click().run()
    assert "All is in order: 30 lines" in app.success[0].value.replace("\\", "")
    assert app.code[0].value.startswith("30:")


def test_a_damaged_log_is_told_without_being_asked(studio: Studio) -> None:
    """The first look at the page says which line; the lines stay readable."""
    studio.sign_in("ADMIN")
    fill(studio)
    path = studio.workbench.audit.folder / "000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"the job 7", b"the job 8", 1))
    app = studio.open("audit")
    assert "Damaged" in words(app)
    assert "Line 7" in app.error[0].value
    assert 8 in numbers(app)


def test_the_log_is_taken_away_as_filtered(studio: Studio) -> None:
    """What the button hands out has the lines that fit, and the taking is logged."""
    user = studio.sign_in("ADMIN", name="Boss")
    fill(studio)
    app = studio.open("audit")
    assert {button.label for button in app.get("download_button")} == {
        *("Table (CSV)", "JSON lines")
    }
    actor = Actor(id=user.id, name=user.name, role="ADMIN")
    content = exported(studio.workbench, actor, Filters(record="jobs/7"), "jsonl")
    assert [json.loads(line)["number"] for line in content.splitlines()] == [7]
    last = studio.workbench.audit.entries().entries[0]
    assert (last.actor_id, last.text) == (user.id, "Took the log away as jsonl")


def test_a_download_prepared_earlier_is_refused_now(studio: Studio) -> None:
    """Another role, or disabled: who may is asked when the button is pressed."""
    user = studio.sign_in("ADMIN", name="Boss")
    fill(studio, 3)
    other = studio.sign_in("ADMIN", name="Other")
    with studio.workbench.store.users.transaction() as users:
        users.put(replace(other, password_hash="x"))
    take = partial(
        exported,
        studio.workbench,
        Actor(id=user.id, name=user.name, role="ADMIN"),
        Filters(),
        "csv",
    )
    assert take()
    studio.workbench.accounts.set_role(SYSTEM, user.id, "REVIEWER")
    with pytest.raises(NotAllowedError, match="takes the role ADMIN"):
        take()
    studio.workbench.accounts.disable(SYSTEM, user.id)
    with pytest.raises(NotSignedInError, match="sign in"):
        take()


def test_texts_are_never_markup(studio: Studio) -> None:
    """A line may hold anything; it is shown, not obeyed."""
    studio.sign_in("ADMIN")
    studio.workbench.audit.write(
        Actor(id="x", name="<img src=x onerror=alert(1)>", role="ADMIN"),
        "users.manage",
        record="<script>",
        text="**b** <script>alert(1)</script> [a](http://x)",
    )
    for app in (studio.open("audit"), studio.open("audit", entry="1")):
        assert not app.exception
        html = "".join(str(part.proto.body) for part in app.get("html"))
        assert "<script>" not in html
        assert "<img" not in html
        assert not [part for part in (*app.subheader, *app.markdown) if "**b**" in part.value]
