"""Example CTs: drawn as announced, the same each time, and a wrong header is seen."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from engine.errors import RequestError
from engine.imaging.volume_files import read_volume
from engine.spine.examples import EXAMPLES, Example, draw_example, example_nifti, find_example
from engine.spine.phantoms import spine_phantom


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_as_large_as_announced(example: Example) -> None:
    """The page forecasts from the stated shape and spacing before anything is drawn."""
    coarse = Example(
        **{
            **{name: getattr(example, name) for name in Example.__slots__},
            "spacing_mm": (6.0, 6.0, 6.0),
        }
    )
    extent = np.multiply(draw_example(coarse).volume.shape, 6.0)
    assert extent == pytest.approx(np.multiply(example.shape, example.spacing_mm), abs=12.0)


def test_the_file_is_the_drawing() -> None:
    """As NIfTI it reads back as the same CT, the stated shape, the same each time."""
    example = find_example("lumbar")
    data = example_nifti(example)
    assert gzip.decompress(example_nifti(example)) == gzip.decompress(data)
    read = read_volume(data)
    drawn = draw_example(example)
    assert read.volume.shape == example.shape
    assert np.array_equal(read.volume.voxels, drawn.volume.voxels)
    assert np.allclose(read.volume.affine, drawn.volume.affine)


def test_the_upside_down_example_is_the_lumbar_one_reversed() -> None:
    """Only the order of slices differs: its header lies about head and feet."""
    drawn: list = []

    def phantom(*arguments: object, **fields: object) -> object:
        fields["spacing_mm"] = 6.0
        drawn.append(spine_phantom(*arguments, **fields))
        return drawn[-1]

    upright = draw_example(find_example("lumbar"), phantom=phantom).volume
    turned = draw_example(find_example("upside_down"), phantom=phantom).volume
    assert np.array_equal(turned.voxels, upright.voxels[:, :, ::-1])
    assert np.array_equal(turned.affine, upright.affine)


@pytest.mark.parametrize("name", ["", "../lumbar", "Lumbar", None, 3])
def test_an_unknown_example_is_refused(name: object) -> None:
    """The sentence lists those that there are."""
    with pytest.raises(RequestError, match="whole_spine, lumbar"):
        find_example(name)
