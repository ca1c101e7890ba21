"""Patients, samples and findings: who sees what, what is hidden, what a deletion takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.catalogue.marking import CellMark
from engine.catalogue.patient_fields import PatientFields
from engine.catalogue.sample_pictures import SentPicture
from engine.errors import NotAllowedError, NotFoundError, NotSignedInError, RequestError
from engine.imaging import pictures
from engine.people.actors import NOBODY, Actor
from engine.store.records import Mask
from tests.engine.catalogue.clinic import (
    ADMIN,
    ANNA,
    BEN,
    RITA,
    UDO,
    UMA,
    Clinic,
    open_clinic,
    picture,
)

BOX = CellMark(x=2, y=3, width=10, height=12, cell_type="RBC", comments="round")


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return open_clinic(tmp_path / "home")


def everything(clinic: Clinic) -> str:
    """What the audit log says, all of it."""
    return "".join(path.read_text() for path in clinic.audit.files if path.suffix == ".jsonl")


def test_name_and_contact_are_hidden_until_somebody_asks_and_that_is_written_down(
    clinic: Clinic,
) -> None:
    """Lists and records have neither; revealing them leaves a line without them in the log."""
    patient = clinic.patient()
    assert (patient.name, patient.contact, patient.age) == ("", "", 54)
    row = clinic.patients.list(UMA).rows[0]
    assert (row.patient.name, row.patient.contact) == ("", "")
    shown = clinic.patients.reveal(UMA, patient.id)
    assert (shown.name, shown.contact) == ("Jane Roe", "+43 1 234")
    assert "Looked at a patient's name" in everything(clinic)
    assert "Jane" not in everything(clinic)
    assert "P-1" not in everything(clinic)


@pytest.mark.parametrize("actor", [UDO, ANNA, RITA])
def test_what_is_somebody_elses_is_not_there(clinic: Clinic, actor: Actor) -> None:
    """Another uploader, an annotator without a task: no list, record, picture, deletion."""
    patient = clinic.patient()
    sample = clinic.sample(patient)
    assert clinic.patients.list(actor).count == 0
    assert clinic.patients.samples(actor).count == 0
    assert clinic.patients.pictures(actor, sample) == ()
    assert clinic.patients.cells(actor, sample) == ()
    for ask in (clinic.patients.get, clinic.patients.sample):
        name = patient.id if ask == clinic.patients.get else sample.id
        with pytest.raises(NotFoundError, match="for you"):
            ask(actor, name)
    with pytest.raises((NotFoundError, NotAllowedError), match=r"for you|takes the role"):
        clinic.patients.what_goes(actor, patient.id)
    with pytest.raises((NotFoundError, NotAllowedError), match=r"for you|takes the role"):
        clinic.patients.reveal(actor, patient.id)


def test_an_annotator_sees_what_is_assigned_and_never_the_name(clinic: Clinic) -> None:
    """One of two samples assigned: the patient is there with it; not for the other."""
    patient = clinic.patient()
    first, _ = clinic.sample(patient), clinic.sample(patient)
    assert clinic.patients.assign(UMA, [first.id], ANNA.id) == 1
    row = clinic.patients.list(ANNA).rows[0]
    assert (row.patient.id, row.sample_count, row.patient.name) == (patient.id, 1, "")
    assert [one.id for one in clinic.patients.samples(ANNA).rows] == [first.id]
    assert clinic.patients.list(BEN).count == 0
    with pytest.raises(NotAllowedError, match="ADMIN or UPLOADER"):
        clinic.patients.reveal(ANNA, patient.id)
    assert clinic.patients.list(ADMIN).rows[0].sample_count == 2


@pytest.mark.parametrize(
    ("actor", "act"),
    [
        (ANNA, lambda c: c.patients.add(ANNA, PatientFields(patient_id="1"))),
        (UMA, lambda c: c.patients.mark(UMA, "s", [BOX])),
        (UMA, lambda c: c.patients.conclude(UMA, "p", adequacy="adequate")),
        (RITA, lambda c: c.patients.send(RITA, "p", [])),
        (ANNA, lambda c: c.patients.assign(ANNA, [], None)),
        (ANNA, lambda c: c.patients.process(ANNA, [])),
    ],
)
def test_each_act_takes_its_role(
    clinic: Clinic, actor: Actor, act: Callable[[Clinic], object]
) -> None:
    """Annotators add and send nothing; uploaders judge nothing."""
    with pytest.raises(NotAllowedError, match=f"but you are {actor.role}"):
        act(clinic)
    with pytest.raises(NotSignedInError, match="signed in"):
        clinic.patients.list(NOBODY)


def test_search_state_and_pages(clinic: Clinic) -> None:
    """By number; by name for those alone who may see it; by state; in pages, newest first."""
    made = [clinic.patient(f"P-{n}") for n in range(5)]
    clinic.sample(made[2])
    listed = clinic.patients.list(UMA, page=2, size=2)
    assert [row.patient.patient_id for row in listed.rows] == ["P-2", "P-1"]
    assert (listed.count, listed.pages) == (5, 3)
    assert clinic.patients.list(UMA, page=9).rows == ()
    assert clinic.patients.list(UMA, words="p-3").count == 1
    assert clinic.patients.list(UMA, words="jane").count == 5
    clinic.patients.assign(UMA, [clinic.patients.samples(UMA).rows[0].id], ANNA.id)
    assert clinic.patients.list(ANNA, words="jane").count == 0
    assert [r.patient.id for r in clinic.patients.list(UMA, state="pending").rows] == [made[2].id]
    assert clinic.patients.list(UMA, state="empty").count == 4


def test_a_number_is_one_patients_for_each_uploader(clinic: Clinic) -> None:
    """The same number again is refused, added or changed; another uploader may have it."""
    clinic.patient("P-1")
    other = clinic.patient("P-2")
    with pytest.raises(RequestError, match="another patient of yours"):
        clinic.patient("P-1")
    with pytest.raises(RequestError, match="another patient of yours"):
        clinic.patients.change(UMA, other.id, PatientFields(patient_id="P-1"))
    assert clinic.patient("P-1", UDO).patient_id == "P-1"
    changed = clinic.patients.change(UMA, other.id, PatientFields(patient_id="P-2", age=3))
    assert changed.age == 3
    assert clinic.patients.reveal(UMA, other.id).name == ""


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"patient_id": ""}, "patient_id"),
        ({"patient_id": "a\nb"}, "patient_id"),
        ({"patient_id": "x" * 65}, "patient_id"),
        ({"patient_id": "1", "age": 200}, "age"),
        ({"patient_id": "1", "age": -1}, "age"),
        ({"patient_id": "1", "name": "n" * 201}, "name"),
        ({"patient_id": "1", "contact": "\x00"}, "contact"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(
    clinic: Clinic, fields: dict[str, object], word: str
) -> None:
    """The sentence names the field."""
    with pytest.raises(RequestError, match=f"'{word}'"):
        clinic.patients.add(UMA, PatientFields(**fields))


def test_pictures_become_samples_without_identity_and_with_a_job(clinic: Clinic) -> None:
    """One sample each; what was left out is listed by name; the pixels are the same, upright."""
    patient = clinic.patient()
    sent = [
        SentPicture(name="C:\\scans\\a.jpg", data=picture(exif=True)),
        SentPicture(name="b.png", data=picture(value=90)),
        SentPicture(name="c.txt", data=b"no picture"),
    ]
    taken = clinic.patients.send(UMA, patient.id, sent)
    assert [one.original_filename for one in taken.samples] == ["a.jpg", "b.png"]
    assert [one.name for one in taken.refused] == ["c.txt"]
    assert "Expected a picture" in taken.refused[0].why
    (name, removed) = taken.removed[0]
    assert name == "a.jpg"
    assert {"Artist", "GPSLatitude", "comment"} <= set(removed)
    image = clinic.patients.pictures(UMA, taken.samples[0])[0]
    stored = clinic.files.read(image.sha256)
    assert b"Jane" not in stored
    assert b"Exif" not in stored
    assert (pictures.decode(stored) == pictures.decode(sent[0].data)).all()
    assert (image.width_px, image.height_px, image.group) == (40, 30, patient.id)
    sample = clinic.patients.sample(UMA, taken.samples[0].job_id or "")
    assert sample.id == taken.samples[0].id
    job = clinic.queue.get(sample.job_id or "")
    assert (job.task, job.state, job.created_by) == ("detect_cells", "pending", UMA.id)
    assert sample.inference_status == "pending"


def test_many_pictures_may_be_one_sample(clinic: Clinic) -> None:
    """Together they are one sample in the order in which they came."""
    patient = clinic.patient()
    sent = [SentPicture(name=f"{n}.png", data=picture(value=n)) for n in range(3)]
    (sample,) = clinic.patients.send(UMA, patient.id, sent, together=True).samples
    shown = clinic.patients.pictures(UMA, sample)
    assert [image.name for image in shown] == ["0.png", "1.png", "2.png"]
    assert clinic.patients.list(UMA).rows[0].picture_count == 3


def test_an_upload_without_a_picture_leaves_nothing(clinic: Clinic) -> None:
    """The first reason is told; there is no sample and no job."""
    patient = clinic.patient()
    with pytest.raises(RequestError, match=r"No picture could be taken\. Expected a picture"):
        clinic.patients.send(UMA, patient.id, [SentPicture(name="a", data=b"text")])
    with pytest.raises(RequestError, match="Expected 1 to 200"):
        clinic.patients.send(UMA, patient.id, [])
    assert clinic.patients.samples(UMA).count == 0
    assert clinic.queue.all() == ()


def test_processing_again_starts_no_second_job_beside_one_that_waits(clinic: Clinic) -> None:
    """A sample whose job waits is left alone; one whose job is over is started anew."""
    sample = clinic.sample(clinic.patient())
    assert clinic.patients.process(UMA, [sample.id]) == ()
    clinic.queue.cancel(sample.job_id or "", UMA)
    (again,) = clinic.patients.process(UMA, [sample.id])
    assert again.job_id != sample.job_id
    assert clinic.queue.get(again.job_id or "").state == "pending"


def test_samples_go_to_people_who_mark(clinic: Clinic) -> None:
    """An uploader is none; taking a sample back is possible."""
    sample = clinic.sample(clinic.patient())
    with pytest.raises(RequestError, match="annotator or reviewer"):
        clinic.patients.assign(UMA, [sample.id], UDO.id)
    assert [user.id for user in clinic.patients.annotators(UMA)] == ["anna", "ben", "rita"]
    clinic.patients.assign(UMA, [sample.id], BEN.id)
    clinic.patients.assign(UMA, [sample.id], None)
    assert clinic.patients.samples(BEN).count == 0


def test_marks_are_kept_with_who_made_them(clinic: Clinic) -> None:
    """Box, kind, comment; the older spelling of a kind is read; only an assigned sample."""
    sample = clinic.sample(clinic.patient())
    with pytest.raises(NotFoundError, match="for you"):
        clinic.patients.mark(ANNA, sample.id, [BOX])
    clinic.patients.assign(UMA, [sample.id], ANNA.id)
    marks = [BOX, replace(BOX, cell_type="WBC-Others", x=20)]
    stored = clinic.patients.mark(ANNA, sample.id, marks)
    assert [cell.cell_type for cell in stored] == ["RBC", "WBC-Other"]
    assert {(cell.user_id, cell.origin) for cell in stored} == {("anna", "human")}
    assert [cell.comments for cell in clinic.patients.cells(UMA, sample)] == ["round", "round"]


@pytest.mark.parametrize(
    "change",
    [
        {"x": 35.0},
        {"y": -1.0},
        {"width": 0.0},
        {"height": float("nan")},
        {"x": float("inf")},
        {"cell_type": " "},
        {"cell_type": "x" * 61},
        {"comments": "x" * 2001},
        {"image_id": "other"},
    ],
)
def test_one_bad_mark_keeps_all_out(clinic: Clinic, change: dict[str, object]) -> None:
    """A box outside of 40×30 pixels, a nameless kind, another picture: nothing is written."""
    sample = clinic.sample(clinic.patient())
    with pytest.raises(RequestError, match="must be"):
        clinic.patients.mark(ADMIN, sample.id, [BOX, replace(BOX, **change)])
    assert clinic.patients.cells(ADMIN, sample) == ()


def test_a_finding_is_each_persons_own_and_the_last_one_counts(clinic: Clinic) -> None:
    """Written again it is changed, not doubled; another person's stands beside it."""
    patient = clinic.patient()
    sample = clinic.sample(patient)
    for who in (ANNA, RITA):
        clinic.patients.assign(UMA, [sample.id], who.id)
        clinic.patients.conclude(who, patient.id, adequacy="inadequate")
    clinic.patients.conclude(
        RITA, "P-1", adequacy="adequate", diagnosis=["j84.1", "J84.1 "], comments="fibrosis"
    )
    found = clinic.patients.findings(UMA, patient)
    assert [(one.user_id, one.adequacy, one.diagnosis) for one in found] == [
        ("rita", "adequate", ("J84.1",)),
        ("anna", "inadequate", ()),
    ]
    finding = clinic.patients.list(UMA).rows[0].finding
    assert finding is not None
    assert finding.comments == "fibrosis"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"adequacy": "fine"}, "'adequacy'"),
        ({"adequacy": "adequate", "diagnosis": ["two words"]}, "'diagnosis'"),
        ({"adequacy": "adequate", "diagnosis": ["A1"] * 41}, "'diagnosis'"),
        ({"adequacy": "adequate", "comments": "x" * 4001}, "'comments'"),
    ],
)
def test_a_finding_that_cannot_be_used_is_refused(
    clinic: Clinic, given: dict[str, object], word: str
) -> None:
    """The sentence names the field, and nothing is written."""
    patient = clinic.patient()
    with pytest.raises(RequestError, match=word):
        clinic.patients.conclude(ADMIN, patient.id, **given)
    assert clinic.patients.findings(ADMIN, patient) == ()


def test_a_deletion_takes_what_was_listed_and_nothing_else(clinic: Clinic) -> None:
    """Patient, samples, pictures, cells, masks, findings of this one; all of the other stays."""
    patient, other = clinic.patient("P-1"), clinic.patient("P-2")
    for one in (patient, other):
        sample = clinic.sample(one)
        clinic.patients.mark(ADMIN, sample.id, [BOX, BOX])
        clinic.patients.conclude(ADMIN, one.id, adequacy="adequate")
        with clinic.store.masks.transaction() as masks:
            masks.put(Mask(image_id=sample.image_ids[0], sha256="0" * 64))
        clinic.queue.cancel(sample.job_id or "", UMA)
    agreed = clinic.patients.what_goes(UMA, patient.id)
    assert agreed.lines() == (
        *("1 patient record", "1 sample", "1 picture", "2 marked cells", "1 finding", "1 mask"),
    )
    clinic.patients.delete(UMA, patient.id, agreed)
    left = clinic.store.read()
    names = ("patients", "samples", "images", "masks", "patient_annotations")
    assert [len(left[name]) for name in names] == [1] * 5
    assert len(left["cell_annotations"]) == 2
    assert [row.patient.id for row in clinic.patients.list(ADMIN).rows] == [other.id]
    assert "Deleted 1 patient record, 1 sample" in everything(clinic)


def test_a_deletion_is_refused_when_more_would_go_than_was_listed(clinic: Clinic) -> None:
    """A sample that came after the list was shown keeps everything where it is."""
    patient = clinic.patient()
    agreed = clinic.patients.what_goes(UMA, patient.id)
    clinic.sample(patient)
    with pytest.raises(RequestError, match="look at what goes now"):
        clinic.patients.delete(UMA, patient.id, agreed)
    assert clinic.patients.list(UMA).rows[0].sample_count == 1


def test_a_deletion_waits_for_a_job_at_work(clinic: Clinic) -> None:
    """Nothing is taken away under a job; one that only waits hinders nothing."""
    patient = clinic.patient()
    clinic.sample(patient)
    job = clinic.queue.claim("worker")
    assert job is not None
    agreed = clinic.patients.what_goes(UMA, patient.id)
    with pytest.raises(RequestError, match="A job is at work"):
        clinic.patients.delete(UMA, patient.id, agreed)
    assert clinic.patients.list(UMA).count == 1


def test_a_sample_goes_alone(clinic: Clinic) -> None:
    """Its picture and cells go with it; patient, finding and the other sample stay."""
    patient = clinic.patient()
    gone, stays = clinic.sample(patient), clinic.sample(patient)
    clinic.patients.mark(ADMIN, gone.id, [BOX])
    agreed = clinic.patients.what_goes_with_sample(UMA, gone.id)
    assert agreed.lines() == ("1 sample", "1 picture", "1 marked cell")
    clinic.patients.delete_sample(UMA, gone.id, agreed)
    assert [one.id for one in clinic.patients.samples(UMA).rows] == [stays.id]


def test_nobody_deletes_samples_that_somebody_else_sent(clinic: Clinic) -> None:
    """An uploader whose patient has an administrator's sample is sent to the administrator."""
    patient = clinic.patient()
    clinic.sample(patient, ADMIN)
    with pytest.raises(NotAllowedError, match="ask an administrator"):
        clinic.patients.what_goes(UMA, patient.id)
    assert clinic.patients.what_goes(ADMIN, patient.id).count("samples") == 1
