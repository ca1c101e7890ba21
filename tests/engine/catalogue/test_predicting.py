"""Models that are asked about pictures; the model is one whose answers are known by arithmetic."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image as PillowImage

from engine.annotation.raster import Box
from engine.catalogue.deletion import delete, what_goes
from engine.catalogue.predicting import FORMS, views
from engine.catalogue.predicting.mapping import map_classes
from engine.catalogue.proposing import accept, propose_by_model
from engine.errors import (
    MemoryShortError,
    ModelError,
    NotAllowedError,
    NotFoundError,
    NotSignedInError,
    PictureError,
    RequestError,
    TooLargeError,
)
from engine.imaging import pictures
from engine.memory_guard import MemoryGuard, MemoryState
from engine.people.actors import NOBODY, Actor
from engine.store.files.references import in_records
from engine.store.records import Image, Prediction, Sample
from tests.engine.catalogue.predicting_house import ANN, BOSS, ULI, House, open_house
from tests.engine.segmentation.threshold_model import (
    dark_squares,
    true_mask,
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """One dataset of two classes, and a model of the same two."""
    with open_house(tmp_path) as opened:
        yield opened


# --- one picture ---------------------------------------------------------------------------------


def test_the_answer_about_a_stored_picture_is_exact_and_kept(house: House) -> None:
    """Two dark squares of 20×20: mask, area, share, objects and mm² by hand; read again alike."""
    picture = dark_squares(120, 160, squares=2)
    image = house.put(picture, pixel_size_um=0.5)
    made = house.predicting.predict(ANN, "", image.id)
    found = house.predicting.answer(ANN, made.id)
    assert (found.mask == true_mask(picture)).all()
    background, nucleus = made.measures["classes"]
    assert background["area_px"] == 120 * 160 - 800
    assert (nucleus["area_px"], nucleus["objects"]) == (800, 2)
    assert nucleus["share"] == pytest.approx(800 / 19200, abs=1e-6)
    assert nucleus["area_mm2"] == pytest.approx(800 * 0.25 / 1e6)
    assert found.probabilities is not None
    assert (found.probabilities.argmax(axis=0) == found.mask).all()
    assert made.doubt == pytest.approx(float(found.uncertainty.mean()) / 255)
    assert (made.model_id, made.image_sha256, made.created_by) == (
        house.model,
        image.sha256,
        "ann",
    )


def test_asking_again_takes_the_place_of_the_earlier_answer(house: House, tmp_path: Path) -> None:
    """One answer of each model about each picture; another model's stays."""
    image = house.put(dark_squares())
    three = house.bring(tmp_path / "three", classes=("background", "unhealthy", "healthy"))
    first = house.predicting.predict(ANN, house.model, image.id)
    other = house.predicting.predict(ANN, three, image.id)
    second = house.predicting.predict(ANN, house.model, image.id)
    kept = {one.id for one in house.bench.store.predictions.read()}
    assert kept == {other.id, second.id}
    assert first.id not in kept
    latest = house.predicting.latest(ANN, house.model, image.id)
    assert latest is not None
    assert latest.id == second.id


def test_a_picture_that_is_only_looked_at_is_kept_nowhere(house: House) -> None:
    """The answer is right; no record, no file and nothing in the work folder is left of it."""
    picture = dark_squares()
    before = {file.sha256 for file in house.bench.files.list()}  # the model's own
    looked = house.predicting.look(ULI, "", pictures.encode_png(picture), name="a/b/visit.png")
    assert looked.name == "visit.png"
    assert (looked.found.mask == true_mask(picture)).all()
    assert len(house.bench.store.predictions.read()) == 0
    assert {file.sha256 for file in house.bench.files.list()} == before


def test_what_was_looked_at_is_saved_with_its_picture(house: House) -> None:
    """The picture goes into the dataset and the answer with it, without asking again."""
    picture = dark_squares()
    looked = house.predicting.look(BOSS, "", pictures.encode_png(picture))
    (image,) = house.bench.images.add(BOSS, [("x.png", looked.data)], dataset_id=house.dataset.id)
    made = house.predicting.save(BOSS, looked, image)
    assert (house.predicting.answer(BOSS, made.id).mask == true_mask(picture)).all()
    other = house.put(dark_squares(50, 60))
    with pytest.raises(RequestError, match="another picture"):
        house.predicting.save(BOSS, looked, other)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (7, 5)])
def test_pictures_of_any_size_are_answered(house: House, shape: tuple[int, int]) -> None:
    """Down to a single pixel."""
    image = house.put(np.full((*shape, 3), 30, np.uint8))
    made = house.predicting.predict(ANN, "", image.id)
    assert (house.predicting.answer(ANN, made.id).mask == 1).all()
    assert views.over(house.predicting.seen(ANN, made.id), opacity=0.4)[:2] == b"\xff\xd8"


def test_a_large_picture_is_read_in_parts_and_keeps_no_probabilities(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the limits the answer goes through files, and its npz is refused with a sentence."""
    from engine.catalogue.predicting import answers, predictions

    monkeypatch.setattr(answers, "_MOST_KEPT_BYTES", 1000)
    monkeypatch.setattr(predictions, "AT_ONCE_PX", 1000)
    picture = dark_squares(200, 300, squares=3)
    image = house.put(picture)
    made = house.predicting.predict(ANN, "", image.id)
    assert (house.predicting.answer(ANN, made.id).mask == true_mask(picture)).all()
    assert made.probabilities_sha256 is None
    with pytest.raises(RequestError, match="not kept"):
        house.predicting.export(ANN, made.id, "probabilities")
    with pytest.raises(RequestError, match="not kept"):
        views.probability(house.predicting.seen(ANN, made.id), 1)
    with pytest.raises(TooLargeError, match="Bring it into a dataset"):
        house.predicting.look(ANN, "", pictures.encode_png(picture))


def test_what_cannot_be_looked_at_is_told(house: House) -> None:
    """No picture, a file that is gone, one of another size, no such picture, no such model."""
    with pytest.raises(PictureError):
        house.predicting.look(ANN, "", b"no picture")
    image = house.put(dark_squares())
    with house.bench.store.images.transaction() as images:
        images.put(Image(**{**_fields(image), "id": "odd", "width_px": 99}))
        images.put(Image(**{**_fields(image), "id": "gone", "sha256": "0" * 64}))
    with pytest.raises(PictureError, match="import the picture again"):
        house.predicting.predict(ANN, "", "odd")
    with pytest.raises(NotFoundError):
        house.predicting.predict(ANN, "", "gone")
    with pytest.raises(NotFoundError, match="no picture"):
        house.predicting.predict(ANN, "", "nowhere")
    with pytest.raises(NotFoundError, match="no model"):
        house.predicting.predict(ANN, "other", image.id)
    assert len(house.bench.store.predictions.read()) == 0


def test_models_that_cannot_be_used_are_told(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model for something else, one of which a file was damaged, and none at all."""
    image = house.put(dark_squares())
    eyes = house.bring(tmp_path / "eyes", task="eyes")
    with pytest.raises(RequestError, match="does not divide"):
        house.predicting.predict(ANN, eyes, image.id)
    damaged = house.bench.models.folder(BOSS, house.model) / "model.bin"
    damaged.chmod(0o600)
    damaged.write_bytes(b"\0" * damaged.stat().st_size)
    with pytest.raises(ModelError, match="altered"):
        house.predicting.predict(ANN, house.model, image.id)
    monkeypatch.setattr("engine.catalogue.models.registry.shipped_models", lambda: ())
    house.bench.models.retire(BOSS, house.model, reason="Damaged.")
    with pytest.raises(NotFoundError, match="No model is in use"):
        house.predicting.predict(ANN, "", image.id)
    assert house.predicting.models(ANN) == ()


def test_nobody_signed_in_may_ask_nothing(house: House) -> None:
    """Every way in asks for permission first."""
    image = house.put(dark_squares())
    for ask in (
        lambda: house.predicting.models(NOBODY),
        lambda: house.predicting.predict(NOBODY, "", image.id),
        lambda: house.predicting.look(NOBODY, "", b""),
        lambda: house.predicting.start(NOBODY, "", image_ids=[image.id]),
        lambda: house.predicting.results(NOBODY),
    ):
        with pytest.raises(NotSignedInError):
            ask()


def test_stopping_leaves_everything_as_it_was(house: House) -> None:
    """What is raised where progress is told comes out, and the next question is answered."""
    image = house.put(dark_squares(200, 300))

    def stop(done: float, text: str) -> None:
        if done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        house.predicting.predict(ANN, "", image.id, tell=stop)
    assert len(house.bench.store.predictions.read()) == 0
    assert house.predicting.predict(ANN, "", image.id).status == "completed"


def test_too_little_memory_is_told_before_anything_is_opened(house: House) -> None:
    """The guard's figures are in the sentence."""
    image = house.put(dark_squares())
    little = MemoryState(
        available_mb=550, total_mb=1000, limit_mb=None, swap_free_mb=0, source="machine"
    )
    house.predicting._segmenters.guard = MemoryGuard(500, read=lambda: little)
    with pytest.raises(MemoryShortError, match="550 MB"):
        house.predicting.predict(ANN, "", image.id)


def test_questions_at_once_wait_for_their_turn(house: House) -> None:
    """Four threads, four pictures, four right answers."""
    images = [house.put(dark_squares(squares=number), f"{number}.png") for number in range(4)]
    threads = [
        Thread(target=house.predicting.predict, args=(ANN, "", image.id)) for image in images
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = {
        one.image_id: one.measures["classes"][1]["objects"]
        for one in house.bench.store.predictions.read()
    }
    assert counts == {image.id: number for number, image in enumerate(images)}


# --- who sees what -------------------------------------------------------------------------------


def test_answers_about_samples_are_seen_by_who_sees_the_sample(house: House) -> None:
    """Another uploader finds neither the picture nor the answer, and it is in no list."""
    sample = Sample(id="s", patient_id="p", uploader_id="uli", original_filename="x")
    with house.bench.store.samples.transaction() as samples:
        samples.put(sample)
    image = house.put(dark_squares(), dataset_id=None, sample_id="s")
    made = house.predicting.predict(ULI, "", image.id)
    other = Actor(id="udo", name="Udo", role="UPLOADER")
    assert house.predicting.results(ULI).count == 1
    assert house.predicting.results(other).count == 0
    with pytest.raises(NotFoundError):
        house.predicting.get(other, made.id)
    with pytest.raises(NotFoundError):
        house.predicting.predict(other, "", image.id)


def test_an_answer_is_forgotten_by_its_maker_or_who_manages_models(house: House) -> None:
    """Somebody else may not; the picture stays."""
    image = house.put(dark_squares())
    made = house.predicting.predict(ANN, "", image.id)
    with pytest.raises(NotAllowedError):
        house.predicting.remove(ULI, made.id)
    house.predicting.remove(ANN, made.id)
    with pytest.raises(NotFoundError):
        house.predicting.get(ANN, made.id)
    again = house.predicting.predict(ANN, "", image.id)
    house.predicting.remove(BOSS, again.id)
    assert house.bench.store.images.read().get(image.id) is not None


def test_answers_go_with_their_dataset_and_are_listed_before(house: House) -> None:
    """The list of what goes counts them; afterwards no record names their files."""
    image = house.put(dark_squares())
    made = house.predicting.predict(ANN, "", image.id)
    (goes,) = house.bench.datasets.what_goes(BOSS, house.dataset.id).predictions
    assert goes.id == made.id
    names = {made.mask_sha256, made.uncertainty_sha256, made.probabilities_sha256}
    assert names <= in_records(house.bench.records_folder)
    house.bench.datasets.delete(BOSS, house.dataset.id)
    assert len(house.bench.store.predictions.read()) == 0


def test_answers_go_with_their_sample_and_are_listed_before(house: House) -> None:
    """The confirmation counts them, and what was agreed to is what goes."""
    with house.bench.store.samples.transaction() as samples:
        samples.put(Sample(id="s", patient_id="p", uploader_id="uli", original_filename="x"))
    image = house.put(dark_squares(), dataset_id=None, sample_id="s")
    house.predicting.predict(ULI, "", image.id)
    goes = what_goes(house.bench.store, sample_id="s")
    assert "1 model's answer" in goes.lines()
    delete(house.bench.store, goes, sample_id="s")
    assert len(house.bench.store.predictions.read()) == 0


# --- lists ---------------------------------------------------------------------------------------


def test_results_are_listed_by_doubt_in_pages(house: House) -> None:
    """Failed ones first, then the most doubtful; filters by dataset, model and picture."""
    images = [house.put(dark_squares(), f"{number}.png") for number in range(5)]
    with house.bench.store.predictions.transaction() as predictions:
        for number, image in enumerate(images[:4]):
            predictions.put(
                Prediction(id=f"p{number}", model_id="binary", image_id=image.id, doubt=number / 10)
            )
        predictions.put(
            Prediction(
                id="bad", model_id="other", image_id=images[4].id, status="failed", error="x"
            )
        )
        predictions.put(Prediction(id="orphan", model_id="binary", image_id="gone"))
    rows = house.predicting.results(ANN, size=3)
    assert [one.id for one in rows.rows] == ["bad", "p3", "p2"]
    assert (rows.count, rows.pages) == (5, 2)
    assert [one.id for one in house.predicting.results(ANN, page=2, size=3).rows] == ["p1", "p0"]
    assert house.predicting.results(ANN, model_id="other").count == 1
    assert house.predicting.results(ANN, image_id=images[2].id).rows[0].id == "p2"
    assert house.predicting.results(ANN, dataset_id="another").count == 0


# --- files ---------------------------------------------------------------------------------------


def test_every_form_of_an_answer_reads_back(house: House) -> None:
    """Mask, areas, objects, outlines, COCO, NIfTI and probabilities say the same two squares."""
    import nibabel as nib

    picture = dark_squares()
    made = house.predicting.predict(ANN, "", house.put(picture, "slide 1.png").id)
    files = {form: house.predicting.export(ANN, made.id, form) for form in FORMS}
    mask = np.asarray(PillowImage.open(io.BytesIO(files["mask"].data)))
    assert (mask == true_mask(picture)).all()
    assert files["mask"].name == "slide 1_mask.png"
    assert files["classes"].data.decode().splitlines()[2].split(",")[3] == "800"
    assert len(files["objects"].data.decode().splitlines()) == 3
    assert len(json.loads(files["geojson"].data)["features"]) == 2
    assert len(json.loads(files["coco"].data)["annotations"]) == 2
    volume = nib.Nifti1Image.from_bytes(__import__("gzip").decompress(files["nifti"].data))
    assert (mask == np.asarray(volume.dataobj)[..., 0].T).all()
    chances = np.load(io.BytesIO(files["probabilities"].data))["probabilities"]
    assert (chances.argmax(axis=0) == mask).all()
    shown = np.asarray(PillowImage.open(io.BytesIO(files["overlay"].data)))
    differs = (shown != picture).any(axis=2)
    assert (differs == (mask == 1)).all()


def test_an_overlay_in_bands_is_that_of_the_whole(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contours run across the seams as if there were none."""
    from engine.catalogue.predicting import forms

    made = house.predicting.predict(ANN, "", house.put(dark_squares()).id)
    whole = house.predicting.export(ANN, made.id, "overlay").data
    monkeypatch.setattr(forms, "_BAND_ROWS", 7)
    assert house.predicting.export(ANN, made.id, "overlay").data == whole


def test_the_view_shows_only_what_is_asked_for(house: House) -> None:
    """Without opacity, contours or classes it is the picture; a hidden class leaves no trace."""
    made = house.predicting.predict(ANN, "", house.put(dark_squares(700, 700)).id)
    seen = house.predicting.seen(ANN, made.id)
    assert seen.picture.shape == (700, 700, 3)
    plain = views.plain(seen)
    assert views.over(seen, opacity=0, contours=False) == plain
    assert views.over(seen, opacity=0.9, shown=()) == plain
    assert views.over(seen, opacity=0.9) != plain
    small = pictures.decode(house.predicting.thumbnail(ANN, made))
    assert max(small.shape) <= 320


# --- compared with people ------------------------------------------------------------------------


def test_dice_against_a_persons_mask_leaves_out_what_nobody_looked_at(house: House) -> None:
    """Half of one square drawn: 2·200/(200+800) = 0.4; without the other square 2·200/600."""
    picture = dark_squares(squares=2)
    image = house.put(picture)
    made = house.predicting.predict(ANN, "", image.id)
    assert house.predicting.compare(ANN, made.id) is None
    truth = np.zeros((120, 160), np.uint8)
    truth[10:20, 10:30] = 1
    house.put_mask(image, truth)
    (row,) = house.predicting.compare(ANN, made.id).rows
    assert (row.name, row.person_px, row.model_px) == ("Nucleus", 200, 800)
    assert row.dice == pytest.approx(0.4)
    assert row.iou == pytest.approx(200 / 800)
    truth[:, 45:] = 255
    with house.bench.store.masks.transaction() as changes:
        for old in changes.where(image_id=image.id):
            changes.remove(old.id)
    house.put_mask(image, truth)
    found = house.predicting.compare(ANN, made.id)
    assert found.rows[0].dice == pytest.approx(2 * 200 / (200 + 400))
    assert found.looked_px == 120 * 45
    seen = house.predicting.seen(ANN, made.id)
    assert views.differences(seen, found.truth, found.predicted)[:2] == b"\xff\xd8"


def test_a_blinded_second_reader_gets_no_comparison(house: House) -> None:
    """Dice with the first mask would tell what it says; the answer itself may be seen."""
    image = house.put(dark_squares())
    house.put_mask(image, true_mask(dark_squares()))
    made = house.predicting.predict(ANN, "", image.id)
    with house.bench.store.images.transaction() as images:
        reader = Image(**{**_fields(image), "id": "second", "assigned_to": "ann"})
        images.put(reader)
        images.put(Image(**{**_fields(image), "details": {"second_reading": "second"}}))
    with pytest.raises(NotAllowedError, match="second time"):
        house.predicting.compare(ANN, made.id)
    assert house.predicting.answer(ANN, made.id).mask.any()


def test_classes_are_matched_by_name_and_refused_without_any() -> None:
    """Order and capitals do not matter; a lone kind of thing may be chosen; else a sentence."""
    assert map_classes(("background", "B", "a"), ("background", "A", "b", "c")).values == (0, 2, 1)
    alone = map_classes(("background", "nucleus"), ("background", "unhealthy", "healthy"), state=2)
    assert alone.values == (0, 2)
    assert "“nucleus” is marked as “healthy”" in alone.sentence
    part = map_classes(("background", "a", "z"), ("background", "a", "b"))
    assert part.values == (0, 1, 255)
    assert "“z”" in part.sentence
    assert part.apply(np.array([[0, 1, 2]], np.uint8)).tolist() == [[0, 1, 255]]
    for state in (None, 0, 9):
        with pytest.raises(RequestError, match="“nucleus”, but this picture has “a”, “b”"):
            map_classes(("background", "nucleus"), ("background", "a", "b"), state=state)
    with pytest.raises(RequestError, match="trained on these classes"):
        map_classes(("background", "x", "y"), ("background", "a", "b"), state=1)


# --- as a proposal for a mask --------------------------------------------------------------------


def test_a_models_proposal_becomes_strokes_and_a_mask_that_names_the_model(house: House) -> None:
    """What is accepted is the model's to the pixel; the revision says which model it came from."""
    picture = dark_squares()
    image = house.put(picture)
    annotation = house.bench.annotation
    annotation.take(image.id, ANN, "t", is_open=lambda _: True)
    box = Box(left=5, top=5, right=100, bottom=60)
    proposed = propose_by_model(annotation, house.predicting, image.id, ANN, box, state=1)
    assert proposed.proposal.origin == "model"
    assert proposed.proposal.source == "threshold 1"
    assert proposed.proposal.uncertainty is not None
    assert accept(annotation, proposed, ANN, tab="t", state=1) == 1
    drawn = annotation.mask(image.id, ANN)
    assert (drawn[box.part] == 1).sum() == 800
    assert ((drawn == 1) == (true_mask(picture) == 1)).all()
    saved = annotation.save(image.id, ANN, tab="t")
    assert (saved.model_id, saved.origin) == (house.model, "edited")
    # The whole picture was answered once, and another part needs no second question.
    (kept,) = house.bench.store.predictions.read()
    other = Box(left=0, top=0, right=20, bottom=20)
    propose_by_model(annotation, house.predicting, image.id, ANN, other, state=1)
    assert [one.id for one in house.bench.store.predictions.read()] == [kept.id]


def test_masks_by_hand_name_no_model(house: House) -> None:
    """Only what was taken over from a model does."""
    image = house.put(dark_squares())
    annotation = house.bench.annotation
    annotation.take(image.id, ANN, "t", is_open=lambda _: True)
    assert annotation.save(image.id, ANN, tab="t").model_id is None


def test_of_a_large_picture_the_part_alone_is_asked_about(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part is right where it lies, and no answer about the whole is kept."""
    from engine.catalogue.predicting import predictions

    monkeypatch.setattr(predictions, "AT_ONCE_PX", 1000)
    picture = dark_squares()
    image = house.put(picture)
    box = Box(left=45, top=4, right=85, bottom=36)
    found = house.predicting.part(ANN, "", image.id, box)
    assert (found.mask == true_mask(picture)[box.part]).all()
    assert len(house.bench.store.predictions.read()) == 0


def _fields(image: Image) -> dict[str, object]:
    return {name: getattr(image, name) for name in image.__dataclass_fields__}
