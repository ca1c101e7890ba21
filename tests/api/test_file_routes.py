"""Stored files over HTTP."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from engine.catalogue.second_readings import SECOND_OF
from engine.people.actors import SYSTEM, Role
from engine.people.audit.filters import Filters
from engine.store.records import Image, Job, Mask, ResultRef, Sample
from tests.api.house import House, build_house

DATA = b"<script>alert(1)</script>" * 100_000


def put(house: House, *records: Image | Mask | Sample | Job) -> None:
    """Store records, each in its collection."""
    store = house.workbench.store
    collections = {
        "Image": store.images,
        "Mask": store.masks,
        "Sample": store.samples,
        "Job": store.jobs,
    }
    for record in records:
        with collections[type(record).__name__].transaction() as changes:
            changes.put(record)


def stored(house: House, text: str) -> str:
    """Put a file and return its hash."""
    return house.workbench.files.put(text.encode(), media_type="image/png").sha256


def status(house: House, role: Role, sha256: str) -> int:
    """Ask for a file as somebody of this role; return the status of the answer."""
    return house.client().get(f"/files/{sha256}", headers=house.token(role)).status_code


def test_a_file_comes_whole_and_as_a_download(house: House) -> None:
    """The bytes, their length, a name to save under; never shown as a page."""
    ref = house.workbench.files.put(DATA, media_type="image/png")
    put(house, Image(name="a.png", sha256=ref.sha256, media_type="image/png"))
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


@pytest.mark.parametrize(
    ("role", "expected"), [("ADMIN", 200), ("UPLOADER", 404), ("ANNOTATOR", 404), ("REVIEWER", 404)]
)
def test_a_file_that_no_record_names_is_for_administrators(
    house: House, role: Role, expected: int
) -> None:
    """Knowing a hash opens nothing; that the file exists is not told either."""
    assert status(house, role, stored(house, "of nobody")) == expected


@pytest.mark.parametrize("role", ["ADMIN", "UPLOADER", "ANNOTATOR", "REVIEWER"])
def test_what_datasets_and_jobs_name_is_for_all_who_see_them(house: House, role: Role) -> None:
    """Picture, thumbnail, mask, and the file that a job made."""
    names = [stored(house, f"{role} {part}") for part in ("picture", "small", "mask", "export")]
    image = Image(name="a", sha256=names[0], media_type="image/png", thumbnail_sha256=names[1])
    mask = Mask(image_id=image.id, sha256=names[2])
    made = ResultRef(kind="file", ref=names[3], title="export.zip")
    put(house, image, mask, Job(task="export_dataset", state="completed", results=(made,)))
    assert [status(house, role, name) for name in names] == [200] * 4


@pytest.mark.parametrize(
    ("role", "theirs", "others"),
    [
        ("ADMIN", 200, 200),
        ("UPLOADER", 200, 404),
        ("ANNOTATOR", 200, 404),
        ("REVIEWER", 200, 404),
    ],
)
def test_a_sample_s_files_are_for_those_who_see_the_sample(
    house: House, role: Role, theirs: int, others: int
) -> None:
    """Uploaders open what they sent, annotators and reviewers what is assigned to them."""
    person = house.people[role].id
    found = []
    for owner in (person, "somebody-else"):
        picture, mask = (stored(house, f"{role} {owner} {part}") for part in ("picture", "mask"))
        sample = Sample(
            patient_id="p", original_filename="a.png", uploader_id=owner, assigned_to=owner
        )
        image = Image(name="a", sha256=picture, media_type="image/png", sample_id=sample.id)
        put(house, sample, image, Mask(image_id=image.id, sha256=mask))
        found.append({status(house, role, name) for name in (picture, mask)})
    assert found == [{theirs}, {others}]


def test_a_second_reader_does_not_open_the_first_mask(house: House) -> None:
    """Neither the mask nor the thumbnail with its outline, until they have sent their own."""
    picture, small, first = (stored(house, f"blind {part}") for part in ("a", "b", "c"))
    reader = house.people["ANNOTATOR"].id
    image = Image(name="a", sha256=picture, media_type="image/png", thumbnail_sha256=small)
    own = Image(
        name="a",
        sha256=picture,
        media_type="image/png",
        assigned_to=reader,
        details={SECOND_OF: image.id},
    )
    named = replace(image, details={"second_reading": own.id})
    put(house, named, own, Mask(image_id=image.id, sha256=first, state="submitted"))
    assert [status(house, "ANNOTATOR", name) for name in (picture, small, first)] == [200, 404, 404]
    assert status(house, "REVIEWER", first) == 200


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
