"""Plans: choices with reasons, wishes that are heard or refused, memory that is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import MemoryShortError, RequestError
from engine.training.fingerprint import Fingerprint, fingerprint, sampled_fingerprint
from engine.training.machine import Machine, has_bf16_instructions
from engine.training.planning import Plan, Wishes, plan
from engine.training.preparing import prepare, read_prepared
from tests.engine.training.discs import disc_set

FOUND = Fingerprint(
    pictures=200,
    groups=50,
    median_height_px=512,
    median_width_px=640,
    largest_side_px=1024,
    megapixels=65.0,
    shares={"background": 0.8, "gland": 0.2},
    annotated_share=1.0,
    object_px={"gland": 60.0},
)
CLASSES = ("background", "gland")
ROOMY = Machine(cores=2, free_mb=12_000, has_bf16=True)


def planned(wishes: Wishes | None = None, machine: Machine = ROOMY, **about: object) -> Plan:
    """Return a plan for the usual dataset, with some of its figures changed."""
    return plan(replace(FOUND, **about), CLASSES, machine, wishes)  # type: ignore[arg-type]  # its fields


def test_every_choice_has_a_reason() -> None:
    """What a person may wonder about is said."""
    about = {reason.about for reason in planned().reasons}
    assert about == {
        *("Length", "Precision", "Network", "Patch", "Batch", "Memory", "Class weights"),
        *("Augmentation", "Learning rate"),
    }
    assert all(reason.because.endswith(".") for reason in planned().reasons)


def test_without_wishes_it_takes_a_quarter_of_an_hour() -> None:
    """The default is a budget of time."""
    assert (planned().minutes, planned().epochs) == (15.0, None)


def test_wishes_are_heard() -> None:
    """What somebody asked for is what is planned."""
    wishes = Wishes(
        epochs=7, learning_rate=0.01, batch_size=3, patch_px=128, variant="unet_resnet18"
    )
    made = planned(wishes)
    assert (made.epochs, made.minutes, made.learning_rate) == (7, None, 0.01)
    assert (made.batch_size, made.patch_px, made.variant) == (3, 128, "unet_resnet18")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"minutes": 0}, "'minutes' must be a number from 0.1"),
        ({"epochs": 0}, "'epochs' must be a whole number from 1"),
        ({"epochs": 2.5}, "'epochs' must be a whole number"),
        ({"batch_size": True}, "'batch_size' must be a whole number"),
        ({"learning_rate": "fast"}, "'learning_rate' must be a number"),
        ({"learning_rate": float("nan")}, "'learning_rate' must be a number"),
        ({"patch_px": 8}, "'patch_px' must be a whole number from 32"),
        ({"variant": "vgg"}, "There is no network 'vgg'"),
        ({"augmentation": "wild"}, "'augmentation' must be one of"),
        ({"class_weights": "some"}, "'class_weights' must be"),
        ({"pretrained": "yes"}, "'pretrained' must be true or false"),
        ({"colour": 3}, "A training takes minutes"),
        ([], "must be an object"),
    ],
)
def test_what_cannot_be_wished_for_is_refused(fields: object, message: str) -> None:
    """Each refusal names the field and what it takes."""
    with pytest.raises(RequestError, match=message):
        Wishes.from_json(fields)


def test_wishes_come_back_from_json() -> None:
    """What was left open stays open."""
    wishes = Wishes(minutes=2.0, seed=4)
    assert Wishes.from_json(wishes.to_json()) == wishes


def test_a_plan_comes_back_from_json() -> None:
    """A plan that was written is the plan that is read."""
    made = planned(Wishes(minutes=3.0))
    again = Plan.from_json(made.to_json())
    assert again.to_json() == made.to_json()


def test_small_pictures_get_small_patches() -> None:
    """A patch is not much larger than the typical picture."""
    assert planned(median_height_px=100, median_width_px=120).patch_px <= 125


def test_little_memory_makes_smaller_batches_and_says_so() -> None:
    """The plan fits, and its reason tells what was changed for it."""
    tight = replace(ROOMY, free_mb=1_300)
    made = planned(machine=tight)
    assert made.memory_mb <= 1_300
    assert (made.batch_size, made.patch_px) < (8, 256)
    told = next(one for one in made.reasons if one.about == "Memory")
    assert "made smaller" in told.because


def test_no_memory_is_refused_with_figures() -> None:
    """Where nothing fits, the sentence has what is needed and what is free."""
    with pytest.raises(MemoryShortError, match=r"about .* MB, but 300 MB are free"):
        planned(machine=replace(ROOMY, free_mb=300))


def test_a_wished_batch_is_not_made_smaller_behind_ones_back() -> None:
    """Who asked for more than fits is told, not corrected."""
    with pytest.raises(
        MemoryShortError, match="choose smaller patches or batches than 512 px and 64"
    ):
        planned(Wishes(batch_size=64, patch_px=512), machine=replace(ROOMY, free_mb=3_000))


def test_rare_classes_weigh_more() -> None:
    """One percent of the pixels: the square root of the balance, mean 1, and a reason."""
    made = planned(shares={"background": 0.99, "gland": 0.01})
    low, high = made.class_weights
    assert high / low == pytest.approx((0.99 / 0.01) ** 0.5, rel=0.01)
    assert (low + high) / 2 == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("wishes", "object_px", "widths", "because"),
    [
        ({"minutes": 2}, 60.0, (16, 32, 64, 96, 128), "since the training is short."),
        ({"epochs": 5}, 60.0, (16, 32, 64, 96, 128), "since the training is short."),
        ({"epochs": 40}, 20.0, (24, 48, 96, 128, 192), "The wider form, since there is time."),
        ({}, 20.0, (24, 48, 96, 128, 192), "The wider form, since there is time."),
        ({}, 60.0, (24, 48, 96, 128, 192, 256), "structures are 60 px across"),
    ],
)
def test_width_and_depth_follow_time_and_structures(
    wishes: dict[str, object], object_px: float, widths: tuple[int, ...], because: str
) -> None:
    """Time makes the network wider, large structures make it deeper, and the reason says which."""
    made = planned(Wishes.from_json(wishes), object_px={"gland": object_px})
    assert made.options["widths"] == widths
    assert because in next(one.because for one in made.reasons if one.about == "Network")


@pytest.mark.parametrize(("variant", "least"), [("unet", 64), ("unet_resnet18", 64)])
def test_a_patch_leaves_two_places_on_the_lowest_floor(variant: str, least: int) -> None:
    """One place alone has no spread that a normalisation could divide by."""
    assert planned(Wishes(patch_px=32, batch_size=1, variant=variant)).patch_px == least


def test_thin_structures_are_not_scaled_strongly() -> None:
    """Vessels of five pixels keep the milder changes, however few pictures there are."""
    assert planned(pictures=20, object_px={"gland": 5.0}).augmentation == "medium"
    assert planned(pictures=20).augmentation == "strong"


def test_without_bf16_it_is_exact() -> None:
    """The processor decides about the precision."""
    assert planned(machine=replace(ROOMY, has_bf16=False)).precision == "f32"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16 sse", True),
        ("Features\t: fp asimd bf16 sve", True),
        ("flags\t\t: fpu avx2 avx512f", False),
        ("nothing here", False),
    ],
)
def test_bf16_is_read_from_the_processors_flags(tmp_path: Path, text: str, expected: bool) -> None:
    """x86 and ARM list it by other names."""
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor : 0\n{text}\n")
    assert has_bf16_instructions(path) is expected
    assert has_bf16_instructions(tmp_path / "absent") is False


def test_a_fingerprint_counts_what_there_is(tmp_path: Path) -> None:
    """Twelve pictures of 64², discs of radius 8: 16 px wide, as they were drawn."""
    training_set = disc_set(12)
    for _ in prepare(training_set, tmp_path, _normalisation()):
        pass
    found = fingerprint(read_prepared(training_set, tmp_path))
    assert (found.pictures, found.groups, found.largest_side_px) == (12, 12, 64)
    assert found.annotated_share == 1.0
    assert sum(found.shares.values()) == pytest.approx(1.0, abs=1e-3)
    assert found.object_px["disc"] == pytest.approx(16, abs=4)
    assert not found.is_thin


def test_a_look_at_some_pictures_tells_of_all(tmp_path: Path) -> None:
    """Four of twelve are loaded; counts are of twelve."""
    found = sampled_fingerprint(disc_set(12), tmp_path, most=4)
    assert (found.pictures, found.groups) == (12, 12)
    assert found.megapixels == pytest.approx(12 * 64 * 64 / 1e6, abs=2e-3)
    assert len(list(tmp_path.glob("*/picture.npy"))) == 4


def _normalisation() -> object:
    from engine.segmentation.normalising import Normalisation

    return Normalisation()
