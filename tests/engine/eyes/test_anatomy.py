"""The anatomy reader: on rendered eyes it never saw, on shapes with known answers, on bad input."""

from __future__ import annotations

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import InputError, ModelError
from engine.eyes.anatomy import AnatomyReader, EyeAnatomy
from engine.eyes.anatomy_cues import CUES, measure_cues
from engine.eyes.anatomy_shapes import (
    Shapes,
    circle_through,
    largest_opening,
    opening_ratio,
    shapes_of,
)
from engine.eyes.anatomy_view import BORDER, view_of
from engine.eyes.rendered import RenderedEye, render_eye, render_not_an_eye
from engine.eyes.rendered.truth import CONDITIONS
from engine.imaging.boxes import Box

SHAPE = (128, 144)
NO_MAPS = np.zeros((2, 64, 72), np.float32)


@pytest.fixture(scope="module")
def reader() -> AnatomyReader:
    """The reader that ships."""
    return AnatomyReader.open(threads=1)


def held_out(count: int, framing: str) -> list[RenderedEye]:
    """Rendered eyes of seeds that training never uses, all conditions in turn."""
    return [
        render_eye(
            np.random.default_rng((5, k)),
            condition=CONDITIONS[k % 4],
            framing=framing,  # type: ignore[arg-type]
        )
        for k in range(count)
    ]


def drawn_labels(*, openness: float = 0.4, lean_deg: float = 0.0) -> np.ndarray:
    """An almond of width 100 around (72, 64) with an iris of radius 18 and a pupil of 8."""
    y, x = np.mgrid[:128, :144] + 0.5
    lean = math.radians(lean_deg)
    dx, dy = x - 72, y - 64
    u, v = dx * math.cos(lean) + dy * math.sin(lean), dy * math.cos(lean) - dx * math.sin(lean)
    opening = np.abs(v) <= openness * 50 * np.clip(1 - (u / 50) ** 2, 0, 1)
    opening &= np.abs(u) < 50
    away = np.hypot(u - 5, v)
    labels = np.where(away < 8, 3, np.where(away < 18, 2, 1)) * opening
    return labels.astype(np.uint8)


class TestReading:
    """The shipped network on pictures with known truth."""

    def test_overlap_on_held_out_eyes(self, reader: AnatomyReader) -> None:
        """Sclera, iris and pupil of usual framings overlap with the truth."""
        shared, either = np.zeros(4), np.zeros(4)
        for eye in held_out(40, "region"):
            read = reader.read([eye.picture])[0]
            guess = read.label_map(height=192, width=216)
            for label in range(4):
                shared[label] += ((guess == label) & (eye.labels == label)).sum()
                either[label] += ((guess == label) | (eye.labels == label)).sum()
        _, sclera, iris, pupil = shared / either
        assert sclera > 0.76
        assert iris > 0.66
        assert pupil > 0.58

    def test_corners_on_held_out_eyes(self, reader: AnatomyReader) -> None:
        """Half of the corners are within 4 percent of an eye width, nine tenths within 10."""
        errors = []
        for eye in held_out(40, "region"):
            if not eye.corners_inside:
                continue
            read = reader.read([eye.picture])[0]
            assert read.corners is not None
            pairs = zip(read.corners, eye.corners, strict=True)
            errors.append(np.mean([math.dist(a, b) for a, b in pairs]) / eye.eye_width_px)
        assert np.median(errors) < 0.04
        assert np.percentile(errors, 90) < 0.1

    def test_openness_and_gaze_on_held_out_eyes(self, reader: AnatomyReader) -> None:
        """Openness is right to 0.04 and gaze to 0.04 eye widths, in the median."""
        openness, gaze = [], []
        for eye in held_out(32, "canonical"):
            read = reader.read([eye.picture])[0]
            openness.append(abs(read.openness - eye.openness))
            if read.gaze_offset is not None:
                gaze.append(math.dist(read.gaze_offset, eye.gaze))
        assert np.median(openness) < 0.04
        assert np.median(gaze) < 0.04

    def test_confidence_tells_eyes_from_look_alikes(self, reader: AnatomyReader) -> None:
        """Of held-out eyes at least nine tenths are above 0.5, of look-alikes at most a tenth."""
        eyes = [reader.read([eye.picture])[0].eye_confidence for eye in held_out(40, "any")]
        others = [
            reader.read([render_not_an_eye(np.random.default_rng((6, k)))])[0].eye_confidence
            for k in range(60)
        ]
        assert np.mean(np.array(eyes) >= 0.5) >= 0.9
        assert np.mean(np.array(others) >= 0.5) <= 0.1

    def test_a_small_eye_is_looked_at_again(self, reader: AnatomyReader) -> None:
        """In a half face the answer comes from a view that shows less than the picture."""
        closer = 0
        for eye in held_out(8, "half_face"):
            read = reader.read([eye.picture])[0]
            closer += read.view.width < 216
        assert closer >= 6

    def test_enlarging_the_picture_enlarges_the_answer(self, reader: AnatomyReader) -> None:
        """Corners of pictures enlarged three times are three times as far from their origins."""
        moved = []
        for eye in held_out(8, "canonical"):
            large = cv2.resize(eye.picture, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
            small, big = reader.read([eye.picture, large])
            assert small.corners is not None
            assert big.corners is not None
            pairs = zip(small.corners, big.corners, strict=True)
            moved.append(max(math.dist((3 * a[0], 3 * a[1]), b) for a, b in pairs))
        assert np.median(moved) < 0.01 * 3 * 140

    def test_a_mirrored_picture_has_mirrored_corners(self, reader: AnatomyReader) -> None:
        """The left corner stays the left one in the picture, at the mirrored place."""
        eye = held_out(7, "canonical")[6]
        plain, mirrored = reader.read([eye.picture, np.ascontiguousarray(eye.picture[:, ::-1])])
        assert plain.corners is not None
        assert mirrored.corners is not None
        width = eye.picture.shape[1]
        back = [(width - x, y) for x, y in mirrored.corners][::-1]
        for a, b in zip(plain.corners, back, strict=True):
            assert math.dist(a, b) < 0.1 * eye.eye_width_px

    def test_a_batch_answers_like_single_calls(self, reader: AnatomyReader) -> None:
        """Pictures of different sizes in one call answer as one by one."""
        eyes = held_out(4, "any")
        pictures = [eye.picture for eye in eyes]
        pictures[1] = pictures[1][:100, :90].copy()
        together = reader.read(pictures)
        for picture, joint in zip(pictures, together, strict=True):
            alone = reader.read([picture])[0]
            assert alone.eye_confidence == pytest.approx(joint.eye_confidence, abs=0.03)
            assert np.mean(alone.labels == joint.labels) > 0.98

    def test_locating_leaves_out_the_cues(self, reader: AnatomyReader) -> None:
        """``locate`` gives the same corners as ``read`` and no cues."""
        picture = held_out(1, "canonical")[0].picture
        located, read = reader.locate([picture])[0], reader.read([picture])[0]
        assert located.corners == read.corners
        assert not located.cues
        assert read.cues

    def test_redness_rises_with_the_truth(self, reader: AnatomyReader) -> None:
        """Conjunctivitis measures redder than healthy eyes, in the median of 16 each."""

        def median_redness(condition: str) -> float:
            values = []
            for k in range(16):
                rng = np.random.default_rng((9, k))
                eye = render_eye(rng, condition=condition, framing="canonical")  # type: ignore[arg-type]
                cues = reader.read([eye.picture])[0].cues
                if "sclera_redness" in cues:
                    values.append(cues["sclera_redness"])
            return float(np.median(values))

        assert median_redness("Conjunctivitis") > median_redness("Healthy") + 0.05

    def test_cues_have_documented_names(self, reader: AnatomyReader) -> None:
        """No cue occurs that is not in the list, and all values are finite."""
        for eye in held_out(8, "canonical"):
            cues = reader.read([eye.picture])[0].cues
            assert set(cues) <= set(CUES)
            assert all(math.isfinite(value) for value in cues.values())

    def test_several_threads_share_a_reader(self, reader: AnatomyReader) -> None:
        """Answers do not depend on who else is asking."""
        pictures = [eye.picture for eye in held_out(6, "canonical")]
        alone = [reader.read([picture])[0].corners for picture in pictures]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda p: reader.read([p])[0].corners, pictures))
        assert together == alone


class TestBadInput:
    """Pictures without an eye, and things that are no pictures."""

    @pytest.mark.parametrize(
        "picture",
        [
            np.zeros((1, 1, 3), np.uint8),
            np.full((2, 300, 3), 200, np.uint8),
            np.zeros((200, 200, 3), np.uint8),
            np.full((200, 200, 3), 127, np.uint8),
            np.full((120, 160, 3), 255, np.uint8),
            np.zeros((2400, 3200, 3), np.uint8),
        ],
        ids=["one pixel", "a line", "black", "grey", "white", "huge"],
    )
    def test_empty_pictures_have_no_eye(self, reader: AnatomyReader, picture: np.ndarray) -> None:
        """Nothing to see gives low confidence and a whole, well-formed answer."""
        read = reader.read([picture])[0]
        assert isinstance(read, EyeAnatomy)
        assert read.eye_confidence < 0.3
        assert read.label_map(height=picture.shape[0], width=picture.shape[1]).max() <= 3

    def test_noise_has_no_eye(self, reader: AnatomyReader) -> None:
        """Pure noise is not an eye."""
        noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
        assert reader.read([noise])[0].eye_confidence < 0.3

    def test_no_pictures_no_answers(self, reader: AnatomyReader) -> None:
        """An empty list gives an empty list."""
        assert reader.read([]) == []

    @pytest.mark.parametrize(
        "picture",
        [
            np.zeros((20, 20), np.uint8),
            np.zeros((20, 20, 4), np.uint8),
            np.zeros((20, 20, 3), np.float32),
            np.zeros((0, 20, 3), np.uint8),
        ],
        ids=["grey", "four channels", "float", "no rows"],
    )
    def test_other_arrays_are_refused(self, reader: AnatomyReader, picture: np.ndarray) -> None:
        """The error says what was expected and what came."""
        with pytest.raises(InputError, match=r"\(H, W, 3\) uint8 RGB, but got"):
            reader.read([picture])

    def test_a_folder_without_card_is_refused(self, tmp_path: Path) -> None:
        """A folder that is no model gives an error that names the card."""
        with pytest.raises(ModelError, match=r"card\.json"):
            AnatomyReader.open(tmp_path)


class TestShapes:
    """Geometry from labels that were drawn by hand."""

    @pytest.mark.parametrize("openness", [0.15, 0.3, 0.5])
    @pytest.mark.parametrize("lean_deg", [-25.0, 0.0, 15.0])
    def test_openness_of_an_almond(self, openness: float, lean_deg: float) -> None:
        """Height over width of a drawn almond, level or leaning."""
        labels = drawn_labels(openness=openness, lean_deg=lean_deg)
        way = np.array([math.cos(math.radians(lean_deg)), math.sin(math.radians(lean_deg))])
        left, right = (tuple(np.array([72, 64]) + sign * 50 * way) for sign in (-1, 1))
        ratio, middle = opening_ratio(labels > 0, (left, right))
        assert ratio == pytest.approx(openness, abs=0.03)
        assert middle == pytest.approx(0.0, abs=0.02)

    def test_circles_behind_lids(self) -> None:
        """Iris and pupil are found though the lids hide the iris above and below."""
        shapes = shapes_of(drawn_labels(openness=0.3), NO_MAPS)
        assert shapes is not None
        assert shapes.iris is not None
        assert shapes.pupil is not None
        assert (shapes.iris.x, shapes.iris.y) == pytest.approx((77, 64), abs=1)
        assert shapes.iris.radius == pytest.approx(18, abs=1.5)
        assert shapes.pupil.radius == pytest.approx(8, abs=1.2)

    def test_gaze_follows_the_iris(self) -> None:
        """The drawn iris lies 5 pixels right of the middle of 100: 0.05 widths."""
        shapes = shapes_of(drawn_labels(), NO_MAPS)
        assert shapes is not None
        assert shapes.gaze == pytest.approx((0.05, 0.0), abs=0.02)

    def test_corners_come_from_the_maps(self) -> None:
        """A clear peak near the opening's end is the corner, to the sub-pixel."""
        maps = NO_MAPS.copy()
        maps[0, 32, 10:12] = 0.9  # middle at half-size column 10.5, row 32
        shapes = shapes_of(drawn_labels(), maps)
        assert shapes is not None
        assert shapes.seen == (True, False)
        assert shapes.corners[0] == pytest.approx((22.0, 65.0), abs=0.01)
        assert shapes.corners[1][0] == pytest.approx(122, abs=3)

    def test_a_cut_opening_has_reckoned_corners(self) -> None:
        """Where the picture cuts the eye, the corner lies outside, as the iris's size tells."""
        labels = np.roll(drawn_labels(), -45, axis=1)
        labels[:, 100:] = 0
        shapes = shapes_of(labels, NO_MAPS)
        assert shapes is not None
        assert shapes.seen == (False, False)
        assert shapes.corners[0][0] < 0

    def test_an_iris_that_fills_the_view(self) -> None:
        """With nothing but iris and pupil there is an opening, a circle and corners outside."""
        labels = np.full(SHAPE, 2, np.uint8)
        y, x = np.mgrid[:128, :144]
        labels[np.hypot(x - 72, y - 64) < 30] = 3
        shapes = shapes_of(labels, NO_MAPS)
        assert shapes is not None
        assert shapes.pupil is not None
        assert shapes.pupil.radius == pytest.approx(30, abs=1.5)
        assert shapes.corners[0][0] < 0
        assert shapes.corners[1][0] > 144

    def test_the_main_eye_is_the_large_central_one(self) -> None:
        """A small second opening far away is not joined to the main one."""
        labels = drawn_labels()
        labels[5:9, 2:10] = 1
        opening = largest_opening(labels)
        assert opening is not None
        assert not opening[5:9, 2:10].any()
        assert opening[64, 60]

    def test_parts_across_a_lash_are_joined(self) -> None:
        """A gap right through the eye, as a hair makes it, does not halve the opening."""
        labels = drawn_labels()
        labels[:, 90:93] = 0
        opening = largest_opening(labels)
        assert opening is not None
        assert opening[64, 40]
        assert opening[64, 100]

    @pytest.mark.parametrize("count", [0, 5])
    def test_specks_are_no_eye(self, count: int) -> None:
        """Fewer than a dozen pixels are nothing."""
        labels = np.zeros(SHAPE, np.uint8)
        labels[10, :count] = 1
        assert shapes_of(labels, NO_MAPS) is None

    def test_a_circle_despite_outliers(self) -> None:
        """Ten percent of stray points move a fitted circle by less than a pixel."""
        rng = np.random.default_rng(0)
        turn = np.linspace(0, 2 * np.pi, 90)
        points = np.stack([40 + 20 * np.cos(turn), 30 + 20 * np.sin(turn)], axis=-1)
        points[::10] += rng.normal(0, 6, points[::10].shape)
        circle = circle_through(points)
        assert (circle.x, circle.y, circle.radius) == pytest.approx((40, 30, 20), abs=1)


class TestCues:
    """Measurements on pictures of known colours."""

    def painted(self, **colours: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, Shapes]:
        """Paint the almond in plain colours; return pixels, labels and shapes."""
        labels = drawn_labels()
        table = {"skin": (200, 150, 130), "sclera": (220, 210, 205), "iris": (90, 60, 40)}
        table |= {"pupil": (12, 12, 12)} | colours
        pixels = np.zeros((*SHAPE, 3), np.uint8)
        for label, name in enumerate(("skin", "sclera", "iris", "pupil")):
            pixels[labels == label] = table[name]
        shapes = shapes_of(labels, NO_MAPS)
        assert shapes is not None
        return pixels, labels, shapes

    def test_redness_by_hand(self) -> None:
        """A sclera of (200, 120, 120) has (200 - 120) / (200 + 120) = 0.25."""
        cues = measure_cues(*self.painted(sclera=(200, 120, 120)))
        assert cues["sclera_redness"] == pytest.approx(0.25, abs=1e-6)

    def test_skin_coloured_sclera_is_as_red_as_skin(self) -> None:
        """The comparison with skin is 0 when both have one colour."""
        cues = measure_cues(*self.painted(sclera=(200, 150, 130)))
        assert cues["sclera_a_to_skin"] == pytest.approx(0.0, abs=1e-4)

    def test_black_and_milky_pupils(self) -> None:
        """A black pupil is far darker than the sclera; a milky one nearly as bright."""
        clear = measure_cues(*self.painted())
        milky = measure_cues(*self.painted(pupil=(190, 195, 200)))
        assert clear["pupil_brightness"] < 0.1
        assert clear["pupil_to_iris"] < 0
        assert milky["pupil_brightness"] > 0.85
        assert milky["pupil_to_iris"] > 40

    def test_a_reflection_does_not_brighten_a_pupil(self) -> None:
        """A white spot over a third of a black pupil leaves its brightness unchanged."""
        pixels, labels, shapes = self.painted()
        plain = measure_cues(pixels, labels, shapes)
        cv2.circle(pixels, (74, 61), 4, (255, 255, 255), -1)
        spotted = measure_cues(pixels, labels, shapes)
        assert spotted["glare_share"] > 0
        assert spotted["pupil_brightness"] == pytest.approx(plain["pupil_brightness"], abs=0.01)
        assert spotted["pupil_texture"] == pytest.approx(0.0, abs=1.0)

    def test_vessels_count_by_area(self) -> None:
        """Red stripes on a white sclera are vessels; a plain one has none."""
        pixels, labels, shapes = self.painted()
        assert measure_cues(pixels, labels, shapes)["vessel_share"] == 0.0
        stripes = (labels == 1) & (np.arange(144)[None, :] % 8 < 2)
        pixels[stripes] = (190, 60, 60)
        assert 0.1 < measure_cues(pixels, labels, shapes)["vessel_share"] < 0.4

    def test_a_red_lump_makes_the_lids_uneven(self) -> None:
        """One red place beside the opening raises the asymmetry; even lids have none."""
        pixels, labels, shapes = self.painted()
        assert measure_cues(pixels, labels, shapes)["lid_asymmetry"] == pytest.approx(0, abs=1e-4)
        lump = np.hypot(*(np.mgrid[:128, :144] - np.array([92, 60])[:, None, None])) < 14
        pixels[lump & (labels == 0)] = (210, 70, 70)
        assert measure_cues(pixels, labels, shapes)["lid_asymmetry"] > 15

    def test_pupil_over_iris(self) -> None:
        """Radii 8 and 18 give 0.44."""
        cues = measure_cues(*self.painted())
        assert cues["pupil_iris_ratio"] == pytest.approx(8 / 18, abs=0.05)

    def test_what_is_not_shown_is_not_measured(self) -> None:
        """An iris close-up has no redness of the sclera, not a redness of 0."""
        labels = np.full(SHAPE, 2, np.uint8)
        labels[50:80, 60:90] = 3
        shapes = shapes_of(labels, NO_MAPS)
        assert shapes is not None
        cues = measure_cues(np.full((*SHAPE, 3), 80, np.uint8), labels, shapes)
        assert "sclera_redness" not in cues
        assert "pupil_brightness" not in cues
        assert "pupil_iris_ratio" in cues


class TestView:
    """The one way in which the network sees a picture."""

    def test_points_map_back(self) -> None:
        """A mark in the picture is found in the view and mapped back to its place."""
        picture = np.zeros((300, 200, 3), np.uint8)
        picture[100:104, 60:64] = 255
        view = view_of(picture, Box(20, 60, 90, 80))
        row, column = np.unravel_index(view.pixels[..., 0].argmax(), SHAPE)
        x, y = view.to_picture(column + 0.5, row + 0.5)
        assert 59 < x < 65
        assert 99 < y < 105

    def test_the_shape_is_kept(self) -> None:
        """A wide picture is shown whole between grey bars, not stretched."""
        view = view_of(np.full((50, 200, 3), 255, np.uint8))
        assert view.pixels.shape == (*SHAPE, 3)
        assert view.scale == pytest.approx(144 / 200)
        assert (view.pixels[0] == BORDER).all()
        assert (view.pixels[64] == 255).all()

    @pytest.mark.parametrize("box", [Box(-500, -500, 20, 20), Box(5, 5, 0, 0)])
    def test_boxes_outside_or_empty(self, box: Box) -> None:
        """A box beside the picture shows grey; an empty one a single pixel's surroundings."""
        view = view_of(np.zeros((10, 10, 3), np.uint8), box)
        assert view.pixels.shape == (*SHAPE, 3)


class TestShipping:
    """What is in the repository."""

    def test_the_card_states_the_facts(self, reader: AnatomyReader) -> None:
        """Licence, limits and figures on rendered eyes are there; no photograph was trained on."""
        card = reader.card
        assert card.licence == "MIT"
        assert card.limits
        assert "rendered" in card.metrics
        assert "no photograph was trained on" in card.split

    def test_the_files_are_small(self) -> None:
        """The folder has at most 3 MB."""
        from engine.shipped import shipped

        folder = shipped("models", "eye_anatomy")
        assert sum(path.stat().st_size for path in folder.iterdir()) < 3_000_000

    def test_reading_needs_no_torch(self) -> None:
        """Opening the reader and reading a picture loads neither torch nor the recipe."""
        code = (
            "import sys, numpy as np; from engine.eyes.anatomy import AnatomyReader; "
            "AnatomyReader.open(threads=1).read([np.zeros((9, 9, 3), np.uint8)]); "
            "print([n for n in ('torch', 'engine.eyes.anatomy_recipe') if n in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"
