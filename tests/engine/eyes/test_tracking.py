"""A tracker follows known motion, loses what is gone, and searches seldom."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from skimage import data

from engine.errors import InputError
from engine.eyes import tracking
from engine.eyes.faces import Face
from engine.imaging.boxes import Box

MIDDLE = (224.0, 113.0)
SIDE = 105.0


@dataclass
class Clock:
    """Seconds that the test moves on by itself."""

    now: float = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@dataclass
class Truth:
    """A finder that knows where the face is; counts its searches."""

    faces: list[Face] = field(default_factory=list)
    searches: int = 0
    name: str = "truth"

    def find(self, picture: np.ndarray) -> list[Face]:
        """Return the given faces."""
        del picture
        self.searches += 1
        return self.faces


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """Return scikit-image's astronaut."""
    return data.astronaut()


def seen(
    portrait: np.ndarray,
    *,
    x: float,
    y: float,
    scale: float = 1.4,
    roll: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """Return a 640×480 frame with the face's middle at (x, y), and a little camera noise."""
    matrix = cv2.getRotationMatrix2D(MIDDLE, -roll, scale)
    matrix[:, 2] += [x - MIDDLE[0], y - MIDDLE[1]]
    frame = cv2.warpAffine(portrait, matrix, (640, 480), borderMode=cv2.BORDER_REFLECT)
    noise = np.random.default_rng(seed).normal(0, 3, frame.shape)
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


def started(portrait: np.ndarray, clock: Clock) -> tuple[tracking.FaceTracker, Truth]:
    """Return a tracker that has found the face at (300, 200)."""
    side = SIDE * 1.4
    box = Box(300 - side / 2, 200 - side / 2, side, side)
    truth = Truth([Face(box=box, source="haar", confidence=0.9)])
    tracker = tracking.FaceTracker(truth, nearby=Truth(), check_every_s=1e9, clock=clock)
    assert tracker.update(seen(portrait, x=300, y=200)) == truth.faces[0]
    return tracker, truth


def test_follows_translation(portrait: np.ndarray) -> None:
    """Along 60 px in steps of 6 the box stays within 3 px of the truth, with one search."""
    tracker, truth = started(portrait, Clock())
    for i in range(1, 11):
        face = tracker.update(seen(portrait, x=300 + 6 * i, y=200 - 3 * i, seed=i))
        assert face is not None
        assert face.box.centre == pytest.approx((300 + 6 * i, 200 - 3 * i), abs=3)
        assert face.source == "tracker"
        assert tracker.step == "followed"
    assert truth.searches == 1


def test_follows_scale(portrait: np.ndarray) -> None:
    """A person coming closer by 40 percent in 15 frames is followed to 4 percent."""
    tracker, _ = started(portrait, Clock())
    for i in range(1, 16):
        scale = 1.4 * (1 + 0.4 * i / 15)
        face = tracker.update(seen(portrait, x=300, y=200, scale=scale, seed=i))
    assert face is not None
    assert face.box.width == pytest.approx(SIDE * scale, rel=0.04)


def test_follows_tilt(portrait: np.ndarray) -> None:
    """A head tilting by 24° is followed to 2°."""
    tracker, _ = started(portrait, Clock())
    for i in range(1, 13):
        face = tracker.update(seen(portrait, x=300, y=200, roll=2 * i, seed=i))
    assert face is not None
    assert face.roll_deg == pytest.approx(24, abs=2)


def test_mirrored_streams_are_followed_as_well(portrait: np.ndarray) -> None:
    """A mirrored stream moves the other way, and so does the box."""
    side = SIDE * 1.4
    box = Box(640 - 300 - side / 2, 200 - side / 2, side, side)
    truth = Truth([Face(box=box, source="haar", confidence=0.9)])
    tracker = tracking.FaceTracker(truth, check_every_s=1e9)
    for i in range(8):
        frame = np.ascontiguousarray(seen(portrait, x=300 + 6 * i, y=200, seed=i)[:, ::-1])
        face = tracker.update(frame)
    assert face is not None
    assert face.box.centre == pytest.approx((640 - 300 - 42, 200), abs=3)


def test_is_lost_when_the_face_is_gone_and_recovers(portrait: np.ndarray) -> None:
    """An empty room gives nothing and is searched; the returning face is found."""
    tracker, truth = started(portrait, Clock())
    faces, truth.faces = truth.faces, []
    room = cv2.resize(data.coffee(), (640, 480))
    assert tracker.update(room) is None
    assert tracker.step == "nothing"
    assert tracker.update(np.full((480, 640, 3), 90, np.uint8)) is None
    truth.faces = faces
    assert tracker.update(seen(portrait, x=300, y=200)) == faces[0]
    assert tracker.step == "found"
    assert truth.searches == 4


def test_a_covered_face_is_lost(portrait: np.ndarray) -> None:
    """A grey card held before the face is not followed as a face."""
    tracker, truth = started(portrait, Clock())
    truth.faces = []
    covered = seen(portrait, x=300, y=200)
    covered[100:310, 200:400] = 120
    assert tracker.update(covered) is None


def test_a_jump_is_searched_for(portrait: np.ndarray) -> None:
    """A face that is suddenly elsewhere is found by a search of the frame."""
    tracker, truth = started(portrait, Clock())
    box = Box(450, 250, SIDE * 1.4, SIDE * 1.4)
    truth.faces = [Face(box=box, source="hog", confidence=0.9)]
    face = tracker.update(seen(portrait, x=450 + SIDE * 0.7, y=250 + SIDE * 0.7))
    assert face is not None
    assert face.box == box


def test_checks_after_a_second(portrait: np.ndarray) -> None:
    """The surroundings are searched once per second, not in each frame."""
    clock, nearby = Clock(), Truth()
    side = SIDE * 1.4
    box = Box(300 - side / 2, 200 - side / 2, side, side)
    truth = Truth([Face(box=box, source="haar", confidence=0.9)])
    nearby.faces = [Face(box=Box(24, 24, 48, 48), source="haar", confidence=0.9)]
    tracker = tracking.FaceTracker(truth, nearby=nearby, clock=clock)
    for i in range(31):
        clock.now = i / 10
        tracker.update(seen(portrait, x=300, y=200, seed=i))
    assert truth.searches == 1
    assert 2 <= nearby.searches <= 3


def test_three_failed_checks_end_the_track(portrait: np.ndarray) -> None:
    """What no finder calls a face any more is given up after the third check."""
    clock, nearby = Clock(), Truth()
    tracker, truth = started(portrait, clock)
    tracker = tracking.FaceTracker(truth, nearby=nearby, clock=clock)
    steps = []
    for i in range(5):
        clock.now = 1.5 * i
        tracker.update(seen(portrait, x=300, y=200))
        steps.append(tracker.step)
    assert steps == ["found", "followed", "followed", "found", "followed"]


def test_a_check_moves_a_drifted_box(portrait: np.ndarray) -> None:
    """A check that sees the face elsewhere in the surroundings corrects the box."""
    clock = Clock()
    tracker, truth = started(portrait, clock)
    # In the 96 px patch of twice the face: 20 px to the right = 20 / 48 of the face's side.
    nearby = Truth([Face(box=Box(44, 24, 48, 48), source="haar", confidence=0.9)])
    tracker = tracking.FaceTracker(truth, nearby=nearby, clock=clock)
    tracker.update(seen(portrait, x=300, y=200))
    clock.now = 2
    face = tracker.update(seen(portrait, x=300, y=200))
    assert face is not None
    assert face.box.centre == pytest.approx((300 + SIDE * 1.4 * 20 / 48, 200), abs=2)


def test_another_size_starts_anew(portrait: np.ndarray) -> None:
    """A changed camera size means a search, not a wild guess."""
    tracker, truth = started(portrait, Clock())
    tracker.update(cv2.resize(seen(portrait, x=300, y=200), (320, 240)))
    assert truth.searches == 2


def test_what_is_not_accepted_is_no_face(portrait: np.ndarray) -> None:
    """A face without eyes is passed over for the next one."""
    false = Face(box=Box(0, 0, 200, 200), source="haar", confidence=0.9)
    true = Face(box=Box(230, 130, 140, 140), source="haar", confidence=0.9)
    tracker = tracking.FaceTracker(Truth([false, true]), accept=lambda _, face: face is not false)
    assert tracker.update(seen(portrait, x=300, y=200)) == true


def test_two_trackers_do_not_know_each_other(portrait: np.ndarray) -> None:
    """Each visitor's tracker follows that visitor's stream only."""
    first, second = started(portrait, Clock())[0], started(portrait, Clock())[0]
    for i in range(1, 6):
        left = first.update(seen(portrait, x=300 - 6 * i, y=200, seed=i))
        right = second.update(seen(portrait, x=300 + 6 * i, y=200, seed=i))
    assert left is not None
    assert right is not None
    assert right.box.x - left.box.x == pytest.approx(60, abs=5)


def test_reset_forgets(portrait: np.ndarray) -> None:
    """After a reset the next frame is searched."""
    tracker, truth = started(portrait, Clock())
    tracker.reset()
    tracker.update(seen(portrait, x=300, y=200))
    assert truth.searches == 2


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 300, 3), (40, 40)])
def test_tiny_and_empty_frames(shape: tuple[int, ...]) -> None:
    """Frames without room for a face give nothing, twice."""
    tracker = tracking.open_tracker()
    assert tracker.update(np.zeros(shape, np.uint8)) is None
    assert tracker.update(np.zeros(shape, np.uint8)) is None


def test_no_picture_is_refused() -> None:
    """An empty array is an error of the caller."""
    with pytest.raises(InputError, match="needs the shape"):
        tracking.open_tracker().update(np.zeros((0, 0, 3), np.uint8))


def test_the_real_chain_in_a_stream(portrait: np.ndarray) -> None:
    """With the shipped finders: 45 frames of known motion at 15 per second, one full search."""
    clock = Clock()
    tracker = tracking.open_tracker(clock=clock)
    for i in range(45):
        clock.now = i / 15
        x, y = 320 + 90 * np.sin(i / 15), 230 + 50 * np.cos(i / 11)
        roll, scale = 18 * np.sin(i / 20), 1.75 + 0.4 * np.sin(i / 12)
        face = tracker.update(seen(portrait, x=x, y=y, roll=roll, scale=scale, seed=i))
        assert face is not None
        assert np.hypot(face.box.centre[0] - x, face.box.centre[1] - y) < 0.08 * face.box.width
        assert face.roll_deg == pytest.approx(roll, abs=4)
    assert tracker.searches == 1
