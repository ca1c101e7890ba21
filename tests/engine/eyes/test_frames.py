"""The best frames are kept, the bad ones counted, and the coach does not flicker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from engine.errors import InputError
from engine.eyes import frames
from engine.eyes.crops import canonical_crop
from engine.eyes.frames import Coach, CoachWord, EyeFrame, FrameCollector
from engine.eyes.results import EyeQuality, QualityMeasure, Side

CROP = canonical_crop(np.zeros((100, 100, 3), np.uint8), ((20.0, 50.0), (80.0, 50.0)))


@dataclass
class Clock:
    """Seconds that the test moves on by itself."""

    now: float = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def failing(name: str, *, blocking: bool = True, value: float = 0.0) -> QualityMeasure:
    """Return a measure that is not passed: below 1, or above 9 when the value is 10."""
    return QualityMeasure(
        name=name, value=value, unit="", minimum=1, maximum=9, advice="x", blocking=blocking
    )


def quality(*measures: QualityMeasure, score: float = 0.5) -> EyeQuality:
    """Return a quality of those measures."""
    return EyeQuality(measures=measures, score=score)


def frame(side: Side, score: float, *, passes: bool = True) -> EyeFrame[float]:
    """Return a frame that carries its score."""
    measures = () if passes else (failing("sharpness"),)
    return EyeFrame(side=side, crop=CROP, quality=quality(*measures, score=score), extra=score)


def test_keeps_the_best_in_order() -> None:
    """Of 0.1 … 0.9 the best three are kept, the best first."""
    collector: FrameCollector[float] = FrameCollector(best=3)
    taken = [collector.offer(frame("left", score)) for score in (0.3, 0.9, 0.1, 0.7, 0.2, 0.5)]
    assert [each.extra for each in collector.best("left")] == [0.9, 0.7, 0.5]
    assert taken == [True, True, True, True, False, True]
    assert collector.passed("left") == 6
    assert collector.best("right") == ()


def test_bad_frames_are_counted_and_never_kept() -> None:
    """A frame that does not pass is rejected, however high its score."""
    collector: FrameCollector[float] = FrameCollector()
    assert not collector.offer(frame("right", 0.99, passes=False))
    assert collector.offer(frame("right", 0.2))
    assert [each.extra for each in collector.best("right")] == [0.2]
    assert (collector.rejected("right"), collector.rejected("left")) == (1, 0)


def test_complete_when_both_eyes_are() -> None:
    """Two frames for each eye, wanted 2: complete; progress goes 0, 1/4 … 1."""
    collector: FrameCollector[float] = FrameCollector(best=2, clock=Clock())
    progress = [collector.progress]
    for side in ("left", "left", "left", "right", "right"):
        assert not collector.is_complete
        collector.offer(frame(side, 0.5))
        progress.append(collector.progress)
    assert collector.is_complete
    assert progress == [0, 0.25, 0.5, 0.5, 0.75, 1.0]


def test_one_eye_is_waited_for_and_then_left_out() -> None:
    """A person with one eye is served after 8 seconds."""
    clock = Clock(100)
    collector: FrameCollector[float] = FrameCollector(best=1, clock=clock)
    collector.offer(frame("left", 0.5))
    clock.now = 107.9
    assert not collector.is_complete
    clock.now = 108
    assert collector.is_complete
    assert collector.progress == 1


def test_nothing_is_never_complete() -> None:
    """Waiting alone completes nothing."""
    clock = Clock()
    collector: FrameCollector[float] = FrameCollector(clock=clock)
    collector.offer(frame("left", 0.5, passes=False))
    clock.now = 1000
    assert not collector.is_complete
    assert collector.sides == ("left",)


def test_clear_forgets() -> None:
    """The next person starts from nothing."""
    collector: FrameCollector[float] = FrameCollector(best=1)
    collector.offer(frame("left", 0.5))
    collector.offer(frame("left", 0.5, passes=False))
    collector.clear()
    assert (collector.best("left"), collector.rejected("left"), collector.progress) == ((), 0, 0)


def test_at_least_one_frame() -> None:
    """Keeping none makes no sense."""
    with pytest.raises(InputError, match="best=0"):
        FrameCollector(best=0)


@pytest.mark.parametrize(
    ("measures", "word"),
    [
        (("size",), "closer"),
        (("framing",), "centre"),
        (("brightness",), "light"),
        (("sharpness",), "still"),
        (("openness",), "open"),
        (("glare",), "glare"),
        (("contrast",), "lens"),
        (("gaze",), "straight"),
        (("yaw",), "straight"),
        (("roll",), "level"),
        ((), "good"),
        (("texture",), "good"),
        (("sharpness", "brightness", "size"), "closer"),
        (("openness", "sharpness"), "still"),
    ],
)
def test_one_word_for_what_fails(measures: tuple[str, ...], word: CoachWord) -> None:
    """Each measure has its word, and the most important one wins."""
    assert frames.advice_word({"left": quality(*(failing(name) for name in measures))}) == word


def test_too_bright_is_another_word() -> None:
    """Brightness above its limit asks for less light."""
    assert frames.advice_word({"left": quality(failing("brightness", value=10))}) == "dim"


def test_no_face() -> None:
    """Without eyes in the frame the person is asked to look."""
    assert frames.advice_word({}) == "look"


def test_what_blocks_comes_first() -> None:
    """A blocking glare goes before a gaze that only lowers the score; both eyes count."""
    left = quality(failing("gaze", blocking=False))
    right = quality(failing("glare"))
    assert frames.advice_word({"left": left, "right": right}) == "glare"
    assert frames.advice_word({"left": left, "right": quality()}) == "straight"


def test_every_word_has_a_line() -> None:
    """Lines are short enough for a phone."""
    assert all(0 < len(line) <= 34 for line in frames.LINES.values())
    assert set(frames.LINES) == set(CoachWord.__args__)


class TestCoach:
    """Hysteresis, progress and the end."""

    def test_the_first_line_comes_at_once(self) -> None:
        """Nobody waits for the first word."""
        line = Coach(clock=Clock()).advise({}, FrameCollector())
        assert (line.word, line.text, line.progress) == ("look", "Look into the camera", 0)

    def test_a_flickering_frame_changes_nothing(self) -> None:
        """Single blurred frames among good ones do not reach the person."""
        clock = Clock()
        coach, collector = Coach(settle_s=0.6, clock=clock), FrameCollector(clock=clock)
        words = []
        for i in range(20):
            clock.now = i / 10
            measures = (failing("sharpness"),) if i % 4 == 3 else ()
            words.append(coach.advise({"left": quality(*measures)}, collector).word)
        assert set(words) == {"good"}

    def test_a_lasting_change_is_told(self) -> None:
        """What stays true for 0.6 s is said, not before."""
        clock = Clock()
        coach, collector = Coach(settle_s=0.6, clock=clock), FrameCollector(clock=clock)
        coach.advise({}, collector)
        said = []
        for i in range(1, 9):
            clock.now = i / 10
            said.append(coach.advise({"left": quality(failing("size"))}, collector).word)
        assert said == ["look"] * 6 + ["closer"] * 2

    def test_good_shows_the_progress(self) -> None:
        """The line counts the eye that has fewer frames."""
        collector: FrameCollector[float] = FrameCollector(best=5)
        for side in ("left", "left", "left", "right", "right"):
            collector.offer(frame(side, 0.5))
        line = Coach(clock=Clock()).advise({"left": quality()}, collector)
        assert line.text == "Good, hold on 2/5"
        assert line.progress == 0.5

    def test_the_end_comes_at_once(self) -> None:
        """When all is collected, the person need not wait."""
        clock = Clock()
        coach, collector = Coach(clock=clock), FrameCollector(best=1, clock=clock)
        coach.advise({}, collector)
        collector.offer(frame("left", 0.5))
        collector.offer(frame("right", 0.5))
        line = coach.advise({"left": quality()}, collector)
        assert (line.word, line.progress) == ("done", 1)


@pytest.mark.parametrize(
    ("brightness_percent", "word"),
    [(3.0, "light"), (12.0, "look"), (50.0, "look"), (92.0, "look"), (97.0, "dim"), (None, "look")],
)
def test_without_a_face_the_light_decides_what_is_asked(
    brightness_percent: float | None, word: str
) -> None:
    """In the dark no face can be found: light is asked for, not a look into the camera."""
    assert frames.advice_word({}, brightness_percent=brightness_percent) == word


def test_frames_are_collected_for_the_least_time() -> None:
    """Enough frames at once are not the best of many: the collector goes on for a while."""
    clock = Clock()
    collector: FrameCollector[float] = FrameCollector(best=1, least_s=1.5, clock=clock)
    collector.offer(frame("left", 0.9))
    collector.offer(frame("right", 0.9))
    clock.now += 1.4
    assert not collector.is_complete
    clock.now += 0.2
    assert collector.is_complete
