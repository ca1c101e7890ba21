"""The records themselves: what older services called their fields, and what a log may show."""

from __future__ import annotations

import dataclasses

import pytest

from engine.store import Store, now
from engine.store.records import (
    Activity,
    CellAnnotation,
    CellCoordinates,
    Dataset,
    Image,
    ModelRecord,
    OneTimeLink,
    Patient,
    PatientAnnotation,
    Record,
    Sample,
    Session,
    User,
)
from engine.store.store import KINDS

# As the older services named them; fields may be added, none renamed.
CONTRACT = {
    User: "id name email role hospital location created_at updated_at",
    Patient: "patient_id name age gender contact uploader_id",
    Sample: "job_id patient_id uploader_id original_filename s3_key inference_status",
    CellAnnotation: "id sample_id user_id cell_coordinates cell_type comments",
    CellCoordinates: "x y width height",
    PatientAnnotation: "id patient_id user_id adequacy diagnosis comments",
    Activity: "id user_id activity_type description metadata created_at",
    Dataset: "id name file_count status",
    ModelRecord: "id name dataset_id hyperparameters metrics trained_at status",
}


@pytest.mark.parametrize("kind", CONTRACT, ids=lambda kind: kind.__name__)
def test_fields_keep_the_names_of_the_older_services(kind: type) -> None:
    """A client of an older service finds its fields."""
    names = {field.name for field in dataclasses.fields(kind)}
    assert set(CONTRACT[kind].split()) <= names


def test_the_store_has_an_attribute_for_every_collection(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Names, kinds and attributes agree."""
    store = Store(tmp_path)
    assert store.names == tuple(KINDS)
    for name, kind in KINDS.items():
        assert getattr(store, name) is store[name]
        assert store[name].codec.kind is kind
        assert issubclass(kind, Record)


SECRET = "Jane-Doe-4711"  # stands for a name, an address, a hash
MOMENT = now()


@pytest.mark.parametrize(
    "record",
    [
        User(name=SECRET, email=SECRET, password_hash=SECRET, role="ADMIN"),
        OneTimeLink(token_hash=SECRET, purpose="first", expires_at=MOMENT),
        Session(user_id="u", token_hash=SECRET, expires_at=MOMENT),
        Patient(patient_id=SECRET, name=SECRET, contact=SECRET, comments=SECRET),
        Sample(patient_id="p", original_filename=SECRET, s3_key=SECRET),
        PatientAnnotation(patient_id="p", user_id="u", adequacy="adequate", comments=SECRET),
        Image(name=SECRET, sha256="0", media_type="image/png"),
        Patient(patient_id="p", extra={"born": SECRET}),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_log_line_shows_no_secret_and_no_person(record: object) -> None:
    """``repr`` of a record leaves out what tells who somebody is, and every hash of a secret."""
    assert SECRET not in repr(record)


def test_the_same_record_is_equal_and_hashable() -> None:
    """Records may be put in sets, also those with objects in them."""
    record = Dataset(name="d", details={"a": [1]})
    assert {record, dataclasses.replace(record)} == {record}
    assert hash(record) == hash(dataclasses.replace(record, details={}))
