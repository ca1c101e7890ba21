"""The patients page through the frame, with the real engine behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from engine.catalogue.marking import CellMark
from engine.catalogue.patient_fields import PatientFields
from engine.catalogue.sample_pictures import SentPicture
from engine.errors import LightboxError
from engine.people.actors import Actor
from engine.store.records import Patient, Sample, User
from tests.engine.catalogue.clinic import picture
from tests.ui_streamlit.studio import Studio, words
from ui_streamlit.studio.patients.reports import made

BOX = CellMark(x=2, y=3, width=10, height=12, cell_type="RBC")
BOSS = Actor(id="boss", name="Boss", role="ADMIN")


def as_actor(user: User) -> Actor:
    return Actor(id=user.id, name=user.name, role=user.role)


def add(studio: Studio, actor: Actor = BOSS, number: str = "P-1") -> Patient:
    """Add a patient with a name and a contact."""
    fields = PatientFields(patient_id=number, name="Jane Roe", contact="+43 1", age=54)
    return studio.workbench.patients.add(actor, fields)


def send(studio: Studio, patient: Patient, actor: Actor = BOSS) -> Sample:
    sent = [SentPicture(name="slide.jpg", data=picture(exif=True))]
    return studio.workbench.patients.send(actor, patient.id, sent).samples[0]


def press(app: AppTest, label: str) -> AppTest:
    """Press the button of that name."""
    found = [button for button in app.button if button.label == label]
    assert found, [button.label for button in app.button]
    return found[0].click().run()


def test_an_empty_place_offers_the_first_patient(studio: Studio) -> None:
    """An uploader is shown the form, an annotator that nothing is assigned."""
    studio.sign_in("UPLOADER")
    app = studio.open("patients")
    assert "No patient yet" in words(app)
    assert "Add the patient" in [button.label for button in app.button]
    studio.sign_in("ANNOTATOR")
    other = studio.open("patients")
    assert "Nothing is assigned to you yet" in words(other)
    assert not other.button


def test_a_patient_is_added_and_shown_without_a_name(studio: Studio) -> None:
    """The form leads to the patient's own view; what cannot be used is said in a sentence."""
    studio.sign_in("UPLOADER")
    app = studio.open("patients")
    app.text_input(key="patients-add-name").input("Jane Roe")
    app = press(app, "Add the patient")
    assert "'patient\\_id' must be the clinic's number" in words(app)
    app.text_input(key="patients-add-number").input("P 7")
    app = press(app, "Add the patient")
    seen = words(app)
    assert "P 7" in seen
    assert "hidden" in seen
    assert "Jane" not in seen
    assert app.query_params["patient"]


def test_the_list_has_counts_states_and_a_search(studio: Studio) -> None:
    """Each row: number, age, samples, state, finding; words and state narrow it."""
    studio.sign_in("ADMIN")
    first = add(studio)
    add(studio, number="Q-2")
    send(studio, first)
    studio.workbench.patients.conclude(BOSS, first.id, adequacy="inadequate", diagnosis=["J84.1"])
    seen = words(studio.open("patients"))
    for text in ("P-1", "54 years", "1 sample, 1 picture", "Waits", "Inadequate", "J84.1"):
        assert text in seen
    assert "Jane" not in seen
    assert "2 patients" in seen
    found = words(studio.open("patients", find="q-2"))
    assert "P-1" not in found
    assert "Nobody matches" in words(studio.open("patients", find="nothing"))


def test_a_long_list_has_pages(studio: Studio) -> None:
    """Twenty to a page."""
    studio.sign_in("ADMIN")
    made = [replace(Patient(patient_id=f"N-{n:02}"), uploader_id="boss") for n in range(23)]
    with studio.workbench.store.patients.transaction() as patients:
        for patient in made:
            patients.put(patient)
    app = studio.open("patients")
    assert "23 patients" in words(app)
    assert len([link for link in app.get("page_link") if "**N" in link.proto.label]) == 20


def test_name_and_contact_are_shown_on_request_and_hidden_again(studio: Studio) -> None:
    """One press shows them and opens the form to change them; the log knows; saving hides them."""
    studio.sign_in("ADMIN")
    patient = add(studio)
    app = studio.open("patients", patient=patient.id)
    assert "Jane" not in words(app)
    app = press(app, "Show name and contact")
    assert "Jane Roe" in words(app)
    last = studio.workbench.audit.files[0].read_text().strip().rpartition("\n")[2]
    assert "Looked at a patient" in last
    app.number_input[0].set_value(55)
    app = press(app, "Save")
    assert "Jane" not in words(app)
    assert "55 years" in words(app)


def test_somebody_elses_patient_is_not_here(studio: Studio) -> None:
    """An uploader with the address of another's patient is told so, and learns nothing."""
    patient = add(studio)
    studio.sign_in("UPLOADER")
    seen = studio.open("patients", patient=patient.id)
    assert "This patient is not here" in words(seen)
    assert "P-1" not in words(seen)
    assert not seen.button


def test_pictures_are_sent_by_the_page(studio: Studio) -> None:
    """Two good ones and a text: two samples that wait, what was left out, and why one was not."""
    user = studio.sign_in("UPLOADER")
    patient = add(studio, as_actor(user))
    app = studio.open("patients", patient=patient.id)
    files = [
        ("a.jpg", picture(exif=True), "image/jpeg"),
        ("b.png", picture(), "image/png"),
        ("c.png", b"text", "image/png"),
    ]
    app.file_uploader[0].set_value(files).run()
    app = press(app, "Send 3 pictures")
    seen = words(app)
    assert "2 samples taken" in seen
    assert "GPSLatitude" in seen
    assert "Expected a picture" in seen
    assert "Jane" not in seen
    assert studio.workbench.queue.counts()["pending"] == 2


def test_a_sample_is_looked_at_assigned_and_deleted(studio: Studio) -> None:
    """Its boxed picture opens; it is given to an annotator; the question lists what goes."""
    anna = studio.sign_in("ANNOTATOR", name="Anna")
    user = studio.sign_in("UPLOADER")
    actor = as_actor(user)
    patient = add(studio, actor)
    sample = send(studio, patient, actor)
    studio.workbench.patients.mark(BOSS, sample.id, [BOX])
    app = studio.open("patients", patient=patient.id)
    assert "RBC 1" in words(app)
    app = press(app, "Look")
    assert "left out of the file: " in words(app)
    app = app.selectbox[0].select(anna.id).run()
    assert studio.workbench.patients.sample(actor, sample.id).assigned_to == anna.id
    app = press(app, "Delete")
    assert "1 marked cell" in words(app)
    app = press(app, "Delete the sample")
    assert "No sample yet" in words(app)


def test_a_patient_is_deleted_after_the_number_was_typed(studio: Studio) -> None:
    """The list of what goes first; without the number the button stays shut."""
    studio.sign_in("ADMIN")
    patient = add(studio)
    send(studio, patient)
    app = press(studio.open("patients", patient=patient.id), "Delete the patient")
    assert "1 patient record" in words(app)
    assert next(b for b in app.button if b.label == "Delete all of it").disabled
    app.text_input(key="studio_typed").input("P-1").run()
    app = press(app, "Delete all of it")
    assert "No patient yet" in words(app)
    assert len(studio.workbench.store.images.read()) == 0


def test_an_annotator_writes_a_finding(studio: Studio) -> None:
    """Adequacy, codes and comment of the one it is assigned to; a bad code is a sentence."""
    anna = studio.sign_in("ANNOTATOR", name="Anna")
    patient = add(studio)
    sample = send(studio, patient)
    studio.workbench.patients.assign(BOSS, [sample.id], anna.id)
    app = studio.open("patients", patient=patient.id)
    labels = {button.label for button in app.button}
    assert "Show name and contact" not in labels
    assert "Delete" not in labels
    app.radio[0].set_value("adequate")
    app.text_input(key=f"finding-{patient.id}-codes").input("two words")
    app = press(app, "Save the finding")
    assert "Each code of 'diagnosis'" in words(app)
    app.text_input(key=f"finding-{patient.id}-codes").input("j84.1, d86.0")
    app = press(app, "Save the finding")
    seen = words(app)
    for text in ("J84.1", "D86.0", "Adequate", "you, "):
        assert text in seen


def test_a_finding_without_an_answer_is_refused(studio: Studio) -> None:
    """Nothing is chosen by default: whoever saves without choosing is told."""
    studio.sign_in("ADMIN")
    patient = add(studio)
    app = press(studio.open("patients", patient=patient.id), "Save the finding")
    assert "'adequacy' must be adequate or inadequate" in words(app)


@pytest.mark.parametrize("state", ["failed", "completed", "pending"])
def test_a_sample_that_is_over_may_be_processed_again(studio: Studio, state: str) -> None:
    """Why it failed is said; a press puts it back into the queue, also one that lost its job."""
    studio.sign_in("ADMIN")
    patient = add(studio)
    sample = send(studio, patient)
    studio.workbench.queue.cancel(sample.job_id or "", BOSS)
    with studio.workbench.store.samples.transaction() as samples:
        held = samples[sample.id]
        samples.put(replace(held, inference_status=state, status_text="The model is missing."))
    app = studio.open("patients", patient=patient.id)
    assert ("The model is missing." in words(app)) == (state == "failed")
    press(app, "Process again")
    again = studio.workbench.patients.sample(BOSS, sample.id)
    assert (again.inference_status, again.job_id != sample.job_id) == ("pending", True)


def test_a_report_is_made_when_its_button_is_pressed(studio: Studio) -> None:
    """Both kinds are offered; who has lost the role in the meantime gets none."""
    user = studio.sign_in("UPLOADER")
    actor = as_actor(user)
    patient = add(studio, actor)
    app = studio.open("patients", patient=patient.id)
    labels = [one.proto.label for one in app.get("download_button")]
    assert labels == ["Report as PDF", "Report as HTML"]
    bench = studio.workbench
    assert made(bench, actor, patient.id, "pdf", with_name=False).startswith(b"%PDF-")
    with bench.store.users.transaction() as users:
        users.put(replace(user, disabled=True))
    with pytest.raises(LightboxError, match="sign"):
        made(bench, actor, patient.id, "pdf", with_name=False)
