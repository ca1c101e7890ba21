"""Kinds, marks, presets and pictures of cells, with real records, files and audit log."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.catalogue.cell_marks import Edit
from engine.catalogue.cell_types import DEFAULT_TYPES
from engine.catalogue.cells import Cells
from engine.errors import NotAllowedError, NotFoundError, PictureError, RequestError
from engine.imaging import pictures
from engine.jobs.context import JobContext
from engine.jobs.tasks.detect_cells import DETECT_CELLS
from engine.people.actors import VISITOR, Actor
from engine.settings import Settings
from engine.store.records import Image, Job, Patient, Sample, User
from engine.workbench import Workbench
from tests.engine.cells.smears import disc_smear, lymphocyte, red_cell

BOSS = Actor(id="boss", name="Boss", role="ADMIN")
UMA = Actor(id="uma", name="Uma", role="UPLOADER")
ANNA = Actor(id="anna", name="Anna", role="ANNOTATOR")
BEN = Actor(id="ben", name="Ben", role="ANNOTATOR")


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """An empty home."""
    return Workbench(Settings(home=tmp_path))


@pytest.fixture
def cells(bench: Workbench) -> Cells:
    """The cells of it."""
    return bench.cells


def smear() -> bytes:
    """Two lymphocytes at (120, 100) and (280, 200), and a red cell."""
    discs = [*lymphocyte(120, 100), *lymphocyte(280, 200), *red_cell(330, 60)]
    return pictures.encode_png(disc_smear(*discs))


def marked(cells: Cells, image: Image, *, at: float = 10, kind: str = "RBC") -> str:
    (found,) = cells.marks.edit(BOSS, image.id, [Edit(box=(at, at, 40, 40), cell_type=kind)])
    return found


# --- kinds -----------------------------------------------------------------------------------


def test_a_fresh_server_has_the_default_kinds(cells: Cells, bench: Workbench) -> None:
    """They come once; a second look adds none."""
    assert cells.types.names(ANNA) == tuple(row[0] for row in DEFAULT_TYPES)
    assert cells.types.names(ANNA) == Workbench(bench.settings).cells.types.names(BOSS)


def test_a_kind_is_added_renamed_coloured_and_retired(cells: Cells) -> None:
    """Marked cells follow the name; a retired kind is not offered and stays readable."""
    image = cells.pictures.add(UMA, smear(), "a.png")
    made = cells.types.add(BOSS, name="Mast cell", colour="#AABBCC", key="M")
    assert (made.colour, made.key) == ("#aabbcc", "m")
    marked(cells, image, kind="Mast cell")
    cells.types.change(BOSS, made.id, {"name": "Mastocyte"})
    assert [one.cell_type for one in cells.marks.of_image(BOSS, image.id)] == ["Mastocyte"]
    cells.types.change(BOSS, made.id, {"retired": True})
    assert "Mastocyte" not in cells.types.names(BOSS)
    assert "Mastocyte" in [one.name for one in cells.types.all(BOSS, retired=True)]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "rbc"},
        {"name": "  "},
        {"name": "x" * 61},
        {"name": "a\nb"},
        {"name": 7},
        {"name": "New", "colour": "red"},
        {"name": "New", "key": "r"},
        {"name": "New", "key": "w"},
        {"name": "New", "key": "ab"},
    ],
)
def test_a_kind_that_cannot_be_used_is_refused(cells: Cells, fields: dict[str, str]) -> None:
    """Names and keys occur once, colours are of one form; nothing is stored."""
    before = cells.types.all(BOSS)
    with pytest.raises(RequestError, match=r"must|already|key"):
        cells.types.add(BOSS, **fields)
    assert cells.types.all(BOSS) == before


def test_only_administrators_change_kinds(cells: Cells) -> None:
    """Others see the list."""
    for actor in (UMA, ANNA):
        with pytest.raises(NotAllowedError, match="ADMIN"):
            cells.types.add(actor, name="Mine")
    with pytest.raises(NotFoundError, match="no cell type"):
        cells.types.change(BOSS, "gone", {"name": "x"})
    with pytest.raises(RequestError, match="no field"):
        cells.types.change(BOSS, cells.types.all(BOSS)[0].id, {"id": "x"})


# --- marks -----------------------------------------------------------------------------------


def test_a_cell_is_added_moved_relabelled_and_removed(cells: Cells, bench: Workbench) -> None:
    """Each change is there at once and in the audit log by numbers, without comments."""
    image = cells.pictures.add(UMA, smear(), "a.png")
    name = marked(cells, image)
    edits = [Edit(id=name, box=(20, 30, 50, 60), cell_type="Platelet", comments="odd rim")]
    cells.marks.edit(ANNA, image.id, edits)
    (cell,) = cells.marks.of_image(ANNA, image.id)
    box = cell.cell_coordinates
    assert (box.x, box.y, box.width, box.height) == (20, 30, 50, 60)
    assert (cell.cell_type, cell.comments, cell.origin) == ("Platelet", "odd rim", "human")
    cells.marks.edit(ANNA, image.id, [Edit(id=name, gone=True)])
    assert cells.marks.of_image(ANNA, image.id) == ()
    said = [entry.text for entry in bench.audit.entries().entries]
    assert said[0] == "Cells: 0 added, 0 changed, 1 removed"
    assert not any("odd rim" in text for text in said)


def test_a_box_is_cut_at_the_border_and_refused_outside(cells: Cells) -> None:
    """What lies in the picture of 400×300 stays; nothing of it is an error."""
    image = cells.pictures.add(UMA, smear(), "a.png")
    edit = Edit(box=(-10, 290, 30, 30), cell_type="RBC")
    cells.marks.edit(ANNA, image.id, [edit])
    box = cells.marks.of_image(ANNA, image.id)[0].cell_coordinates
    assert (box.x, box.y, box.width, box.height) == (0, 290, 20, 10)
    for bad in ((500.0, 10.0, 9.0, 9.0), (10.0, 10.0, 0.5, 9.0), (float("nan"), 1.0, 9.0, 9.0)):
        with pytest.raises(RequestError, match="box"):
            cells.marks.edit(ANNA, image.id, [Edit(box=bad, cell_type="RBC")])


def test_several_changes_are_made_together_or_not_at_all(cells: Cells) -> None:
    """A bad one among them leaves everything as it was."""
    image = cells.pictures.add(UMA, smear(), "a.png")
    name = marked(cells, image)
    with pytest.raises(NotFoundError, match="removed in the meantime"):
        cells.marks.edit(BOSS, image.id, [Edit(id=name, gone=True), Edit(id="no", gone=True)])
    assert len(cells.marks.of_image(BOSS, image.id)) == 1


def test_pictures_of_samples_are_there_for_those_who_may_see_the_sample(
    cells: Cells, bench: Workbench
) -> None:
    """The uploader, whom it is assigned to, and administrators; for others it does not exist."""
    image = cells.pictures.add(UMA, smear(), "a.png")
    sample = Sample(patient_id="p", uploader_id=UMA.id, assigned_to=ANNA.id, image_ids=(image.id,))
    with bench.store.transaction("samples", "images") as records:
        records["samples"].put(sample)
        records["images"].put(
            Image(id=image.id, name="a.png", sha256=image.sha256, media_type="image/png",
                  width_px=400, height_px=300, sample_id=sample.id)
        )  # fmt: skip
    marked(cells, image)
    for actor in (BOSS, UMA, ANNA):
        assert len(cells.marks.of_image(actor, image.id)) == 1
        assert len(cells.marks.of_sample(actor, sample.id)) == 1
        assert cells.marks.images(actor) != ()
    assert cells.marks.images(BEN) == ()
    with pytest.raises(NotFoundError, match="no such picture"):
        cells.marks.edit(BEN, image.id, [Edit(box=(1, 1, 9, 9), cell_type="RBC")])
    with pytest.raises(NotFoundError, match="no sample"):
        cells.marks.of_sample(BEN, sample.id)


def test_a_detectors_cells_replace_only_untouched_ones(cells: Cells) -> None:
    """A person's cell stays, and what is found on it is left out."""
    image = cells.pictures.add(UMA, smear(), "a.png")
    found = [((90.0, 70.0, 60.0, 60.0), "RBC", 0.5), ((250.0, 170.0, 60.0, 60.0), "RBC", 0.6)]
    assert cells.marks.put_found(ANNA, image.id, found) == 2
    first = min(cells.marks.of_image(ANNA, image.id), key=lambda one: one.confidence)
    cells.marks.edit(ANNA, image.id, [Edit(id=first.id, cell_type="WBC-Other")])
    assert cells.marks.put_found(ANNA, image.id, found) == 1
    kinds = {one.cell_type: one.origin for one in cells.marks.of_image(ANNA, image.id)}
    assert kinds == {"WBC-Other": "edited", "RBC": "model"}


# --- pictures, exports, presets ----------------------------------------------------------------


def test_a_picture_brought_in_has_no_notes_of_its_file(cells: Cells, bench: Workbench) -> None:
    """It is stored as a PNG of its pixels with a small copy; the pixels are the same."""
    image = cells.pictures.add(UMA, smear(), "../dir/a\x00b.png")
    assert image.name == "ab.png"
    assert (image.width_px, image.height_px) == (400, 300)
    assert bench.files.exists(image.thumbnail_sha256 or "")
    np.testing.assert_array_equal(cells.pictures.pixels(ANNA, image.id), pictures.decode(smear()))
    with pytest.raises(PictureError, match="picture"):
        cells.pictures.add(UMA, b"text", "a.txt")
    with pytest.raises(NotAllowedError, match="UPLOADER"):
        cells.pictures.add(ANNA, smear(), "a.png")


def test_exports_hold_the_cells_and_the_pixels_size(cells: Cells) -> None:
    """All four kinds are made from the records; names follow the picture's."""
    image = cells.pictures.add(UMA, smear(), "slide 7.png")
    marked(cells, image)
    cells.pictures.set_pixel_size(ANNA, image.id, 0.2)
    data = cells.pictures.export(ANNA, image.id, "coco")
    assert cells.pictures.file_name(image, "coco") == "slide 7_cells.json"
    assert json.loads(data)["annotations"][0]["bbox"] == [10, 10, 40, 40]
    assert b",8.000" in cells.pictures.export(ANNA, image.id, "csv")
    assert json.loads(cells.pictures.export(ANNA, image.id, "geojson"))["features"]
    assert b"8.00" in cells.pictures.export(ANNA, image.id, "report")
    with pytest.raises(RequestError, match="edge of a pixel"):
        cells.pictures.set_pixel_size(ANNA, image.id, -1)


def test_presets_are_saved_by_name_and_belong_to_somebody(cells: Cells) -> None:
    """The same name again replaces one's own; others' are refused; values are checked."""
    one = cells.presets.save(ANNA, name="Pale", backend="opencv", parameters={"split": 0.5})
    again = cells.presets.save(ANNA, name="pale", backend="opencv", parameters={"split": 0.4})
    assert (again.id, again.parameters["split"]) == (one.id, 0.4)
    assert again.parameters["roundness"] == 0.72
    with pytest.raises(NotAllowedError, match="somebody else"):
        cells.presets.save(BEN, name="Pale", backend="opencv", parameters={})
    with pytest.raises(RequestError, match="split"):
        cells.presets.save(ANNA, name="Odd", backend="opencv", parameters={"split": 7})
    assert [p.name for p in cells.presets.all(BEN, "opencv")] == ["pale"]
    assert cells.presets.all(BEN, "network") == ()
    cells.presets.remove(BOSS, one.id)
    with pytest.raises(NotFoundError, match="gone"):
        cells.presets.remove(BOSS, one.id)


# --- the job -----------------------------------------------------------------------------------


def sampled(bench: Workbench) -> Sample:
    """A sample of Uma's with two pictures."""
    patient = Patient(patient_id="7")
    images = [bench.cells.pictures.add(UMA, smear(), f"{n}.png") for n in range(2)]
    sample = Sample(
        patient_id=patient.id, uploader_id=UMA.id, image_ids=tuple(one.id for one in images)
    )
    with bench.store.transaction("patients", "samples", "users", "images") as records:
        records["patients"].put(patient)
        records["samples"].put(sample)
        for actor in (UMA, BEN):
            records["users"].put(
                User(id=actor.id, name=actor.name, email=f"{actor.id}@x.example", role=actor.role)
            )
    return sample


def working(bench: Workbench, actor: Actor, **payload: object) -> JobContext:
    job = Job(
        task="detect_cells", payload=DETECT_CELLS.check(payload), created_by=actor.id, attempts=1
    )
    with bench.store.jobs.transaction() as jobs:
        jobs.put(job)
    return JobContext(job, bench.settings, store=bench.store)


def test_the_job_finds_the_cells_of_a_sample_and_completes_it(bench: Workbench) -> None:
    """Two lymphocytes in each of two pictures; a second run doubles nothing."""
    from engine.catalogue.cell_detection import run

    sample = sampled(bench)
    for _ in range(2):
        context = working(bench, UMA, sample=sample.id, backend="opencv")
        assert "4 cells in 2 pictures" in run(context)
    found = [one for name in sample.image_ids for one in bench.cells.marks.of_image(BOSS, name)]
    assert {(one.cell_type, one.origin, one.user_id) for one in found} == {
        ("WBC-Lymphocyte", "model", UMA.id)
    }
    assert len(found) == 4
    held = bench.store.samples.read()[sample.id]
    assert (held.inference_status, held.job_id) == ("completed", context.job.id)
    assert [ref.kind for ref in context.results] == ["image", "image", "sample"]


def test_a_picture_that_is_gone_fails_the_sample_and_writes_nothing(bench: Workbench) -> None:
    """All cells or none; the reason stands on the sample."""
    from engine.catalogue.cell_detection import run

    sample = sampled(bench)
    bench.files.remove(bench.store.images.read()[sample.image_ids[1]].sha256)
    with pytest.raises(NotFoundError, match="file"):
        run(working(bench, UMA, sample_id=sample.id, backend="opencv"))
    held = bench.store.samples.read()[sample.id]
    assert held.inference_status == "failed"
    assert "file" in held.status_text
    assert bench.cells.marks.of_image(BOSS, sample.image_ids[0]) == ()


def test_nobody_looks_into_somebody_elses_sample(bench: Workbench) -> None:
    """The job of another person ends as if there were no such sample, which stays as it was."""
    from engine.catalogue.cell_detection import run

    sample = sampled(bench)
    with pytest.raises(NotFoundError, match="no such sample"):
        run(working(bench, BEN, sample_id=sample.id, backend="opencv"))
    assert bench.store.samples.read()[sample.id].inference_status == "pending"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"sample_id": "a", "image_id": "b"},
        {"sample_id": 7},
        {"image_id": "a", "backend": "yolo"},
        {"image_id": "a", "backend": ["opencv"]},
        {"image_id": "a", "parameters": {"split": 0.5}},
        {"image_id": "a", "size": 1},
    ],
)
def test_a_payload_that_cannot_be_used_is_refused(payload: dict[str, object]) -> None:
    """Before anything is queued, with the name of what is wrong."""
    with pytest.raises(RequestError, match=r"'|Expected"):
        DETECT_CELLS.check(payload)


def test_the_visitor_of_an_open_server_may_do_all_of_it(bench: Workbench) -> None:
    """Without sign-in nothing is refused."""
    image = bench.cells.pictures.add(VISITOR, smear(), "a.png")
    found = bench.cells.pictures.detect(
        VISITOR, bench.cells.pictures.pixels(VISITOR, image.id), "opencv"
    )
    assert found.counts() == {"WBC-Lymphocyte": 2}
