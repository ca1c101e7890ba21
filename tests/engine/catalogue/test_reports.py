"""A patient's report: what is in it, what is not, on a page and on paper."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from engine.catalogue.marking import CellMark
from engine.catalogue.patient_fields import PatientFields
from engine.catalogue.sample_pictures import SentPicture
from engine.errors import NotAllowedError, NotFoundError
from engine.people.actors import Actor
from engine.store.records import Patient, Sample
from tests.engine.catalogue.clinic import ADMIN, ANNA, UDO, UMA, Clinic, open_clinic, picture


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return open_clinic(tmp_path / "home")


def a_case(clinic: Clinic, pictures: int = 1) -> tuple[Patient, Sample]:
    """A patient with 3 RBC and 1 WBC marked by Anna, and her finding."""
    patient = clinic.patient()
    sent = [
        SentPicture(name=f"slide <{n}>.png", data=picture(value=100 + n, width=160, height=120))
        for n in range(pictures)
    ]
    sample = clinic.patients.send(UMA, patient.id, sent, together=True).samples[0]
    clinic.patients.assign(UMA, [sample.id], ANNA.id)
    kinds = ["RBC", "RBC", "RBC", "WBC-Other"]
    image_id = sample.image_ids[0]
    marks = [
        CellMark(x=30 * n, y=40, width=20, height=20, cell_type=kind, image_id=image_id)
        for n, kind in enumerate(kinds)
    ]
    clinic.patients.mark(ANNA, sample.id, marks)
    clinic.patients.conclude(
        ANNA, patient.id, adequacy="adequate", diagnosis=["J84.1"], comments="a < b & c\nsecond"
    )
    return patient, sample


def page(clinic: Clinic, actor: Actor, patient: Patient, **options: bool) -> str:
    return clinic.patients.report(actor, patient.id, kind="html", **options).decode()


def paper(clinic: Clinic, actor: Actor, patient: Patient) -> PdfReader:
    return PdfReader(io.BytesIO(clinic.patients.report(actor, patient.id, kind="pdf")))


def test_the_page_has_counts_with_intervals_who_and_when(clinic: Clinic) -> None:
    """3 of 4: 75 %, Wilson 30.1 to 95.4 % (by hand: z = 1.96, centre 0.627, half width 0.326)."""
    patient, _ = a_case(clinic)
    text = page(clinic, UMA, patient)
    assert "75.0 % (30.1 to 95.4 %)" in text
    assert "4 cells, 4 marked or changed by a person." in text
    assert re.search(r"Count \d+ more for ±5 %", text)
    assert re.search(r"Marked by Anna, last \d+ \w+ 20\d\d, \d\d:\d\d UTC", text)
    assert re.search(r"Sent .* UTC by Uma", text)
    assert "J84.1" in text
    assert text.count("data:image/jpeg;base64,") == 1


def test_the_page_is_closed_and_nothing_in_it_is_markup(clinic: Clinic) -> None:
    """No script, no address, names and comments escaped."""
    patient, _ = a_case(clinic)
    text = page(clinic, UMA, patient)
    assert "default-src 'none'" in text
    assert "<script" not in text
    assert "http://" not in text
    assert "https://" not in text
    assert "slide &lt;0&gt;.png" in text
    assert "a &lt; b &amp; c" in text


def test_a_name_stands_in_it_only_when_asked_for_by_one_who_may(clinic: Clinic) -> None:
    """Hidden by default; with it for the uploader, not for the annotator."""
    patient, _ = a_case(clinic)
    assert "Jane" not in page(clinic, UMA, patient)
    assert "Jane Roe" in page(clinic, UMA, patient, with_name=True)
    with pytest.raises(NotAllowedError, match="takes the role"):
        page(clinic, ANNA, patient, with_name=True)
    with pytest.raises(NotFoundError, match="for you"):
        page(clinic, UDO, patient)


def test_a_report_has_only_what_its_reader_sees(clinic: Clinic) -> None:
    """The annotator's has the one assigned sample, the administrator's both."""
    patient, _ = a_case(clinic)
    clinic.sample(patient)
    assert page(clinic, ANNA, patient).count("<figure>") == 1
    assert page(clinic, ADMIN, patient).count("<figure>") == 2


def test_the_paper_says_the_same(clinic: Clinic) -> None:
    """Text that can be searched; the picture is there; the title is the patient's number."""
    patient, _ = a_case(clinic)
    read = paper(clinic, UMA, patient)
    text = "\n".join(one.extract_text() for one in read.pages)
    for wanted in ("Patient P-1", "75.0 % (30.1 to 95.4 %)", "Anna", "J84.1", "a < b & c", "Uma"):
        assert wanted in text
    assert "Jane" not in text
    assert len(read.pages[0].images) == 1
    assert read.metadata is not None
    assert read.metadata.title == "Patient P-1"


def test_many_pictures_and_long_comments_go_over_to_further_pages(clinic: Clinic) -> None:
    """43 pictures: 40 are shown and the rest is said; a comment of 4,000 letters fits."""
    patient, _ = a_case(clinic, pictures=43)
    clinic.patients.conclude(ADMIN, patient.id, adequacy="inadequate", comments="word " * 790)
    read = paper(clinic, ADMIN, patient)
    text = "\n".join(one.extract_text() for one in read.pages)
    assert sum(len(one.images) for one in read.pages) == 40
    assert "3 more pictures are not shown." in text
    assert text.count("word") == 790


def test_a_patient_without_anything_has_a_report_too(clinic: Clinic) -> None:
    """Nothing found is said; letters that the font lacks do no harm."""
    fields = PatientFields(patient_id="P-5", gender="жінка", comments="ł ő\nnew line")
    patient = clinic.patients.add(UMA, fields)
    assert "There is no sample." in page(clinic, UMA, patient)
    assert "No cell was marked." in page(clinic, UMA, patient)
    text = paper(clinic, UMA, patient).pages[0].extract_text()
    assert "None yet." in text
    assert "new line" in text
