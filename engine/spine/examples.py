"""Example CTs for the page and for callers: phantoms, drawn when somebody asks for one.

They are drawings. What a detector makes of them says that the program works, not how good it is.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from engine.errors import RequestError
from engine.imaging.volume_files.results import ReadVolume, SeriesNote
from engine.imaging.volumes import Volume

if TYPE_CHECKING:
    from engine.spine.phantoms import SpinePhantom, Traits

__all__ = ["EXAMPLES", "Example", "draw_example", "example_nifti", "find_example"]

SPACING_MM = 2.0
FOV_MM = (380.0, 300.0)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An example by name, with words for the page, and its size once drawn.

    ``levels`` is what is in view, ``seed`` the patient.
    """

    name: str
    title: str
    text: str
    levels: tuple[str, str]
    seed: int
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float] = (SPACING_MM, SPACING_MM, SPACING_MM)


EXAMPLES: tuple[Example, ...] = (
    Example(
        name="whole_spine",
        title="Whole spine",
        text="From the skull to the sacrum: both ends of the count are in view.",
        levels=("C1", "L5"),
        seed=11,
        shape=(190, 150, 308),
    ),
    Example(
        name="lumbar",
        title="Lumbar spine",
        text="From T11 to the sacrum, as a CT of the lower back shows it.",
        levels=("T11", "L5"),
        seed=12,
        shape=(190, 150, 131),
    ),
    Example(
        name="chest",
        title="Chest",
        text="Thoracic vertebrae with their ribs; neither skull nor sacrum is in view.",
        levels=("T1", "T12"),
        seed=13,
        shape=(190, 150, 152),
    ),
    Example(
        name="scoliosis",
        title="Scoliosis",
        text="A spine bent to the side by 28 degrees at its steepest.",
        levels=("T2", "L5"),
        seed=14,
        shape=(190, 150, 226),
    ),
    Example(
        name="upside_down",
        title="Upside down",
        text="A lumbar spine whose header exchanges head and feet: does the audit see it?",
        levels=("T11", "L5"),
        seed=12,
        shape=(190, 150, 131),
    ),
)


def find_example(name: object) -> Example:
    """Return the example of that name.

    Raises
    ------
    RequestError
        When there is none; the sentence lists them.
    """
    for example in EXAMPLES:
        if example.name == name:
            return example
    listed = ", ".join(example.name for example in EXAMPLES)
    raise RequestError(f"There is no such example; choose one of {listed}.")


def draw_example(
    example: Example, *, phantom: Callable[..., SpinePhantom] | None = None
) -> ReadVolume:
    """Draw an example as if it had been read from a file; takes some seconds.

    ``phantom`` draws instead of :func:`engine.spine.phantoms.spine_phantom`.
    """
    from engine.spine.phantoms import spine_phantom

    drawn = (phantom or spine_phantom)(
        np.random.default_rng(example.seed),
        levels=example.levels,
        spacing_mm=example.spacing_mm,
        fov_mm=FOV_MM,
        traits=_traits(example),
    )
    volume = drawn.volume
    if example.name == "upside_down":
        volume = Volume(
            voxels=np.ascontiguousarray(volume.voxels[:, :, ::-1]), affine=volume.affine
        )
    return ReadVolume(
        volume=volume,
        kind="nifti",
        series=SeriesNote(
            description=f"{example.title}, a drawn example",
            slices=volume.shape[2],
            reason="the only volume",
            is_usable=True,
        ),
        others=(),
        frame="array indices (i, j, k) of the example's NIfTI file, from 0",
        removed=(),
        warnings=("This is a drawing of a spine, not a patient.",),
    )


def _traits(example: Example) -> Traits:
    from engine.spine.phantoms import Posture, Tissues, Traits

    posture = Posture(lordosis=0.75)
    if example.name == "scoliosis":
        posture = Posture(lordosis=0.7, scoliosis_deg=28.0, scoliosis_place=0.65)
    return Traits(posture=posture, tissues=Tissues(trabecular=170.0))


def example_nifti(example: Example) -> bytes:
    """Return an example as a ``.nii.gz`` file, for who calls the API."""
    import nibabel

    volume = draw_example(example).volume
    voxels = np.rint(volume.voxels).astype(np.int16)
    library: Any = nibabel  # its classes have no types
    image = library.Nifti1Image(voxels, volume.affine)
    return gzip.compress(image.to_bytes(), compresslevel=3, mtime=0)
