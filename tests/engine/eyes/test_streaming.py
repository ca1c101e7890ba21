"""A webcam stream: followed, coached, collected, judged."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from engine.eyes.screening import EyeScreener
from engine.eyes.streaming import StreamStep
from engine.settings import Settings

Picture = NDArray[np.uint8]


def frame(number: int, *, mirrored: bool = False) -> Picture:
    """The astronaut's face at 640×480, moving slowly."""
    shift = 6 * np.sin(number / 3)
    matrix = np.array([[3.0, 0, -300 + shift], [0, 3.0, -90 + shift / 2]])
    moved = cv2.warpAffine(data.astronaut(), matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(moved[:, ::-1]) if mirrored else moved


@pytest.fixture(scope="module")
def screener() -> EyeScreener:
    return EyeScreener(Settings())


class Clock:
    """Ten frames a second."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


def watch(screener: EyeScreener, count: int) -> tuple[list[StreamStep], object]:
    clock = Clock()
    stream = screener.new_stream(clock=clock)
    steps = []
    for number in range(count):
        clock.now_s += 0.1
        steps.append(stream.offer(frame(number)))
        if steps[-1].done:
            break
    return steps, stream.result()


def test_good_frames_are_collected_until_done(screener: EyeScreener) -> None:
    """Progress grows to five frames of each eye; then the result is due and uses all five."""
    steps, result = watch(screener, 40)
    counts = [step.progress["left"] for step in steps]
    assert counts == sorted(counts)
    assert steps[-1].done
    assert dict(steps[-1].progress) == {"left": 5, "right": 5}
    assert len(steps) == 16, "fifteen tenths of a second after the first good frame"
    assert not any(step.done for step in steps[:-1])
    for finding in (result.left, result.right):
        assert finding is not None
        assert finding.frames_used == 5


def test_boxes_follow_the_eyes(screener: EyeScreener) -> None:
    """The eye boxes move with the face from frame to frame, within a few pixels."""
    stream = screener.new_stream()
    seen = [stream.offer(frame(number)) for number in range(8)]
    for side in ("left", "right"):
        moved = [step.eyes[side].centre[0] - seen[0].eyes[side].centre[0] for step in seen]
        truth = [6 * np.sin(number / 3) for number in range(8)]
        assert np.abs(np.subtract(moved, truth)).max() < 6


def test_an_empty_room_is_asked_to_look_into_the_camera(screener: EyeScreener) -> None:
    """Without a face nothing is collected and the result says that no eye was found."""
    stream = screener.new_stream()
    room = np.full((480, 640, 3), 90, np.uint8)
    step = stream.offer(room)
    assert step.coach == "Look into the camera"
    assert (step.face, dict(step.eyes), step.done) == (None, {}, False)
    result = stream.result()
    assert (result.scene, result.left, result.right) == ("nothing", None, None)


def test_a_dark_room_is_asked_for_light(screener: EyeScreener) -> None:
    """The face is followed into the dark; once it stays dark the coach asks for light."""
    clock = Clock()
    stream = screener.new_stream(clock=clock)
    stream.offer(frame(0))
    dark = (frame(0) * 0.12).astype(np.uint8)
    before = stream.offer(dark).progress
    for _ in range(8):
        clock.now_s += 0.1
        step = stream.offer(dark)
    assert step.coach == "More light from the front"
    assert dict(step.progress) == dict(before)


def test_frames_that_fail_are_counted_in_the_result(screener: EyeScreener) -> None:
    """Blurred frames are rejected, counted, and never kept."""
    stream = screener.new_stream()
    stream.offer(frame(0))
    for number in range(1, 4):
        stream.offer(cv2.GaussianBlur(frame(number), (0, 0), 9))
    result = stream.result()
    assert result.left is not None
    assert (result.left.frames_used, result.left.frames_rejected) == (1, 3)


def test_only_poor_frames_end_in_a_retake(screener: EyeScreener) -> None:
    """When nothing passed, the answer is to try again, with advice and without scores."""
    stream = screener.new_stream()
    for number in range(3):
        stream.offer(cv2.GaussianBlur(frame(number), (0, 0), 9))
    result = stream.result()
    assert result.left is not None
    assert (result.left.decision, dict(result.left.scores)) == ("retake", {})
    assert (result.left.frames_used, result.left.frames_rejected) == (0, 3)
    assert result.left.reasons


def test_a_mirrored_stream_keeps_the_persons_sides(screener: EyeScreener) -> None:
    """Mirrored pixels, announced as such: the person's left eye is on the image's left."""
    stream = screener.new_stream(mirrored=True)
    step = stream.offer(frame(0, mirrored=True))
    assert step.eyes["left"].centre[0] < step.eyes["right"].centre[0]


def test_two_streams_know_nothing_of_each_other(screener: EyeScreener) -> None:
    """Frames offered to one visitor's stream leave another's empty."""
    mine, other = screener.new_stream(), screener.new_stream()
    for number in range(3):
        mine.offer(frame(number))
    step = other.offer(np.full((480, 640, 3), 90, np.uint8))
    assert dict(step.progress) == {"left": 0, "right": 0}
    assert other.result().left is None


def test_a_stream_keeps_crops_and_no_frame(screener: EyeScreener) -> None:
    """What a stream holds between frames is far smaller than a frame."""
    stream = screener.new_stream()
    for number in range(6):
        stream.offer(frame(number))
    held = _arrays(stream, set())
    assert held
    assert max(array.nbytes for array in held) <= 320 * 240 * 1
    assert not any(array.shape[:2] == (480, 640) for array in held)


def _arrays(thing: object, seen: set[int]) -> list[np.ndarray]:
    """Every array reachable from a stream, leaving out the shared models."""
    if id(thing) in seen or isinstance(thing, EyeScreener) or type(thing).__name__ == "Eyes":
        return []
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return [thing]
    parts: list[object] = []
    if isinstance(thing, dict):
        parts = list(thing.values())
    elif isinstance(thing, list | tuple | set):
        parts = list(thing)
    elif hasattr(thing, "__dict__"):
        parts = list(vars(thing).values())
    names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    parts += [getattr(thing, name) for name in names if hasattr(thing, name)]
    return [array for part in parts for array in _arrays(part, seen)]
