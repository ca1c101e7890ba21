"""Windows: which CT numbers become black and white."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import RequestError
from engine.spine.pictures import WINDOWS, Window, window_of, windows_json


@pytest.mark.parametrize(
    ("name", "black", "white"),
    [("bone", -500, 1300), ("soft-tissue", -160, 240), ("lung", -1350, 150)],
)
def test_presets_show_what_radiologists_expect(name: str, black: int, white: int) -> None:
    """A window of centre c and width w is black at c - w/2 and white at c + w/2, grey between."""
    window = window_of(name)
    grey = window.grey(np.array([black - 50, black, (black + white) / 2, white, white + 50]))
    assert grey.tolist() == [0, 0, 128, 255, 255]


def test_grey_follows_the_formula_of_dicom() -> None:
    """PS3.3 C.11.2.1.2.1: y = ((x - (c - 0.5)) / (w - 1) + 0.5) · 255, rounded."""
    values = np.arange(-200, 300, 7)
    expected = np.clip(((values - 39.5) / 399 + 0.5) * 255, 0, 255)
    assert np.abs(window_of("40,400").grey(values) - expected).max() <= 0.5 + 1e-3


def test_the_first_preset_is_bone() -> None:
    """Vertebrae are looked at in a bone window first; names can stand in an address."""
    assert WINDOWS[0].name == "bone"
    assert all(window.name.replace("-", "").isalpha() for window in WINDOWS)
    assert [sorted(one) for one in windows_json()] == [["centre", "name", "title", "width"]] * 5


@pytest.mark.parametrize("text", ["", "Bone", "bones", "1", "1,2,3", "a,b", "400;1800", "∞,x"])
def test_unknown_windows_are_refused(text: str) -> None:
    """Anything but a preset or two numbers is told with the presets there are."""
    with pytest.raises(RequestError, match=r"Expected a window \(bone, .*but got"):
        window_of(text)


@pytest.mark.parametrize("text", ["0,1", "0,0", "0,-5", "nan,400", "400,nan", "inf,400", "0,1e9"])
def test_impossible_windows_are_refused(text: str) -> None:
    """A window is at least 2 HU wide and made of finite numbers."""
    with pytest.raises(RequestError, match="A window has a centre within"):
        window_of(text)


def test_a_long_text_is_not_repeated_whole() -> None:
    """What a stranger sends comes back cut."""
    with pytest.raises(RequestError, match=r"x{40}'") as caught:
        window_of("x" * 5000)
    assert len(str(caught.value)) < 300


def test_a_window_of_numbers_keeps_them() -> None:
    """Centre and width come in this order."""
    assert window_of("-600,1500") == Window(name="own", title="Own", centre=-600, width=1500)
