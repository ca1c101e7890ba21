"""The backups page: empty, filled, one backup, damage, forbidden roles, and what it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.backups.activity import Work
from engine.people.actors import SYSTEM, VISITOR, Role
from engine.store.records import BackupRecord, Dataset
from tests.ui_streamlit.studio import Studio, words


def press(page: AppTest, label: str) -> AppTest:
    """Press the only button with that label."""
    (button,) = [button for button in page.button if button.label == label]
    return button.click().run()


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def made(studio: Studio) -> BackupRecord:
    """Make a real backup of one dataset."""
    with studio.workbench.store.datasets.transaction() as datasets:
        datasets.put(Dataset(name="Slides of spring"))
    return studio.workbench.backups.make(actor=SYSTEM)


def waiting(studio: Studio) -> list[tuple[str, dict[str, object]]]:
    return [(job.task, dict(job.payload)) for job in studio.workbench.queue.all()]


def test_without_backups_it_says_what_happens(open_studio: Studio) -> None:
    """The empty state tells that the first one comes by itself and can be made now."""
    page = open_studio.open("backups")
    assert "No backup yet" in words(page)
    assert "Make a backup now" in labels(page)


def test_a_backup_is_listed_with_state_size_and_counts(open_studio: Studio) -> None:
    """A good backup has its state, reason, records and size, and the rule of keeping is told."""
    made(open_studio)
    seen = words(open_studio.open("backups"))
    assert "Good" in seen
    assert "Made by hand · 1 record, 0 files" in seen
    assert "7 days and 4 weeks are kept" in seen
    assert "the next is due in 23 h" in seen or "the next is due in 1 d" in seen


def test_the_page_of_one_backup_can_be_linked(open_studio: Studio) -> None:
    """The address of a backup shows its sum, what is in it and what may be done with it."""
    record = made(open_studio)
    page = open_studio.open("backups", backup=record.id)
    seen = words(page)
    assert record.sha256 in seen
    assert "every byte was read" in seen
    assert {"Check again", "Put it back …", "Delete …"} <= set(labels(page))
    assert f"/api/v1/backups/{record.id}/archive" in seen


def test_a_wrong_link_is_told(open_studio: Studio) -> None:
    """An id that is not there any more ends in words, not in an error."""
    assert "This backup is not here" in words(open_studio.open("backups", backup="01gone00"))


def test_make_now_starts_a_job(open_studio: Studio) -> None:
    """The button asks the queue for a backup and shows the job instead of itself."""
    page = press(open_studio.open("backups"), "Make a backup now")
    assert waiting(open_studio) == [("backup", {"reason": "by hand"})]
    assert "No worker is running" in words(page.run())
    (button,) = [button for button in page.button if button.label == "Make a backup now"]
    assert button.disabled


def test_checking_again_starts_a_job(open_studio: Studio) -> None:
    """The check of one backup is a job about that backup."""
    record = made(open_studio)
    press(open_studio.open("backups", backup=record.id), "Check again")
    assert waiting(open_studio) == [("verify_backup", {"backup": record.id})]


def test_putting_back_lists_what_will_be_lost_first(open_studio: Studio) -> None:
    """The question names what was made since; only the typed word starts the restore."""
    record = made(open_studio)
    with open_studio.workbench.store.datasets.transaction() as datasets:
        datasets.put(Dataset(name="Slides of autumn"))
    page = press(open_studio.open("backups", backup=record.id), "Put it back …")
    seen = words(page)
    assert "Datasets: 1 made since then go" in seen
    assert "The present state is backed up first" in seen
    (agree,) = [button for button in page.button if button.label == "Put it back"]
    assert agree.disabled
    page.text_input(key="studio_typed").set_value("RESTORE").run()
    press(page, "Put it back")
    assert waiting(open_studio) == [("restore", {"backup": record.id})]


def test_keeping_everything_changes_nothing(open_studio: Studio) -> None:
    """Who does not agree starts nothing."""
    record = made(open_studio)
    page = press(open_studio.open("backups", backup=record.id), "Put it back …")
    press(page, "Keep everything as it is")
    assert waiting(open_studio) == []


def test_the_only_good_backup_cannot_be_deleted(open_studio: Studio) -> None:
    """The sentence says why, and the backup stays; an older one can go."""
    record = made(open_studio)
    page = press(open_studio.open("backups", backup=record.id), "Delete …")
    page = press(page, "Delete it")
    assert "the only good backup" in words(page)
    made(open_studio)
    page = press(open_studio.open("backups", backup=record.id), "Delete …")
    press(page, "Delete it")
    assert record.id not in [row.id for row in open_studio.workbench.backups.list()]


def test_a_failed_backup_says_why(open_studio: Studio) -> None:
    """The history keeps the sentence of a backup that could not be made."""
    with open_studio.workbench.store.backups.transaction() as backups:
        backups.put(BackupRecord(state="bad", error="The disk is full; free some."))
    seen = words(open_studio.open("backups"))
    assert "The disk is full; free some." in seen
    assert "No good backup" in seen
    assert "Nothing was kept of it" in seen


def test_the_last_restore_is_told_with_the_way_back(open_studio: Studio) -> None:
    """After a restore the page names who did it and links the state before."""
    record = made(open_studio)
    done = open_studio.workbench.backups.restore(record.id, actor=VISITOR)
    seen = words(open_studio.open("backups"))
    assert "A backup was put back" in seen
    assert "by you" in seen
    assert done.kept_id in seen


def test_a_damaged_archive_is_a_sentence(open_studio: Studio) -> None:
    """A backup that cannot be read ends in words on the page of the backup, without a trace."""
    record = made(open_studio)
    archive = open_studio.workbench.backups.archive(record.id)
    archive.write_bytes(archive.read_bytes()[:-40])
    page = press(open_studio.open("backups", backup=record.id), "Put it back …")
    assert not page.exception
    assert "cut off or damaged" in words(page)


def test_damaged_records_of_backups_are_no_wall(open_studio: Studio) -> None:
    """When even the list of backups is damaged, the archives are found and can be put back."""
    record = made(open_studio)
    path: Path = open_studio.settings.home / "records" / "backups.json"
    path.write_bytes(b"torn")
    page = open_studio.open("backups", backup=record.id)
    assert not page.exception
    assert "Put it back …" in labels(page)


@pytest.mark.parametrize("role", ["UPLOADER", "ANNOTATOR", "REVIEWER"])
def test_other_roles_see_nothing_of_it(studio: Studio, role: Role) -> None:
    """Only administrators see backups: they hold everything."""
    record = made(studio)
    studio.sign_in(role)
    for page in (studio.open("backups"), studio.open("backups", backup=record.id)):
        assert "Not for your role" in words(page)
        assert record.id not in words(page)
        assert labels(page) == []


def test_signed_out_sees_nothing_of_it(studio: Studio) -> None:
    """Without a session the page offers the sign-in and nothing else."""
    made(studio)
    assert "You are signed out" in words(studio.open("backups"))


def test_an_administrator_works_with_it(studio: Studio) -> None:
    """With sign-in on, the administrator's own name stands on the job."""
    user = studio.sign_in("ADMIN")
    press(studio.open("backups"), "Make a backup now")
    (job,) = studio.workbench.queue.all()
    assert (job.task, job.created_by) == ("backup", user.id)


def test_open_pages_are_told_of_a_restore(studio: Studio) -> None:
    """Somebody at work on another page learns that records went back."""
    record = made(studio)
    studio.workbench.backups.restore(record.id)
    studio.sign_in("ANNOTATOR")
    page = studio.open("home")
    assert "A backup was put back" not in words(page)
    studio.workbench.backups.restore(record.id)
    studio.sign_in("ANNOTATOR", name="Ann Again")  # the restore took the account with it
    assert "What is on this page may be from before" in words(page.run())


def test_open_pages_see_a_restore_at_work(open_studio: Studio) -> None:
    """While a backup is put back, every page says so and how far it is."""
    with Work(open_studio.workbench.backups.folder, "restore"):
        assert "A backup is being restored: beginning (0%)" in words(open_studio.open("home"))
    assert "is being restored" not in words(open_studio.open("home"))
