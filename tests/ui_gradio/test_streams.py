"""Open webcam streams."""

from __future__ import annotations

import pytest

from engine.errors import BusyError, RequestError
from ui_gradio.eyes.streams import Streams


def test_a_stream_is_known_by_its_name_alone() -> None:
    """Two visitors have two streams with names that nobody guesses."""
    streams = Streams(object)
    first, second = streams.start(), streams.start()
    assert first != second
    assert len(first) >= 32
    assert streams.get(first)[0] is not streams.get(second)[0]
    with pytest.raises(RequestError, match="leave 'session' empty"):
        streams.get("guess")


def test_a_stream_without_frames_is_forgotten() -> None:
    """A closed tab leaves nothing: after the idle time the stream is gone; use keeps it."""
    now = 0.0
    streams = Streams(object, idle_s=30, clock=lambda: now)
    used, idle = streams.start(), streams.start()
    now = 29.0
    streams.get(used)
    now = 31.0
    assert len(streams) == 1
    streams.get(used)
    with pytest.raises(RequestError, match="30 seconds without a frame"):
        streams.get(idle)


def test_streams_are_few() -> None:
    """One more camera than allowed is told to come back."""
    streams = Streams(object, most=1)
    name = streams.start()
    with pytest.raises(BusyError, match="1 cameras"):
        streams.start()
    streams.end(name)
    streams.start()
