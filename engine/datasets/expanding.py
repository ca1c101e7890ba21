"""Files with many pictures in them, NIfTI volumes and DICOM frames, as one entry for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from engine.datasets.entries import Entry, FileOutcome, MaskFile, PictureFile
from engine.datasets.sources.naming import has_no_ending
from engine.errors import LightboxError
from engine.imaging.volume_files.sources import sniff
from engine.imaging.volumes import Plane

if TYPE_CHECKING:
    from engine.datasets.volume_slices import Slices

__all__ = ["expanded"]

_VOLUMES: Final = (".nii", ".nii.gz")
_DICOM: Final = (".dcm", ".dicom")


def expanded(
    items: Iterator[Entry | FileOutcome], *, plane: Plane = "axial"
) -> Iterator[Entry | FileOutcome]:
    """Yield entries as they are, those of volumes slice by slice, of DICOM frame by frame.

    Slices are cut in ``plane``; those of one volume are one group, since neighbours look alike.
    """
    slices: Slices | None = None
    for item in items:
        if isinstance(item, FileOutcome):
            yield item
            continue
        name = item.image.name.lower()
        try:
            if name.endswith(_VOLUMES):
                slices = slices or _slices()
                yield from _of_volume(item, slices, plane)
            elif name.endswith(_DICOM) or _has_no_ending(name, item):
                yield from _of_dicom(item)
            else:
                yield item
        except LightboxError as problem:
            yield FileOutcome(name=item.image.name, outcome="refused", sentences=(str(problem),))


def _slices() -> Slices:
    from engine.datasets.volume_slices import Slices  # nibabel loads slowly

    return Slices()


def _has_no_ending(name: str, item: Entry) -> bool:
    return has_no_ending(name) and sniff(item.image.read()[:4096]) == "dicom"


def _of_volume(item: Entry, slices: Slices, plane: Plane) -> Iterator[Entry]:
    file = item.image
    outline = slices.outline(file, plane)
    labels = item.labels if isinstance(item.labels, MaskFile) else None
    if labels is not None and labels.name.lower().endswith(_VOLUMES):
        slices.check_pair(file, PictureFile(name=labels.name, read=labels.read))
    for index in range(outline.count):
        cut = None
        if labels is not None:
            cut = replace(labels, read=partial(slices.labels, labels, plane, index))
        yield replace(
            item,
            name=f"{item.name}_{plane}_{index:03}",
            image=PictureFile(
                name=f"{file.name}#{plane}-{index:03}",
                read=partial(slices.picture, file, plane, index),
                removed=outline.removed,
            ),
            labels=cut,
            group=item.group or item.name,
            pixel_size_um=item.pixel_size_um or outline.pixel_size_um,
        )


def _of_dicom(item: Entry) -> Iterator[Entry]:
    from engine.datasets import dicom_pictures  # pydicom loads slowly

    file = item.image
    outline = dicom_pictures.outline(file.read())
    for index in range(outline.frames):
        is_one = outline.frames == 1
        yield replace(
            item,
            name=item.name if is_one else f"{item.name}_{index:03}",
            image=PictureFile(
                name=file.name if is_one else f"{file.name}#{index:03}",
                read=partial(_frame, file, index),
                removed=outline.removed,
            ),
            labels=item.labels if is_one else None,
            group=item.group or outline.group,
            pixel_size_um=item.pixel_size_um or outline.pixel_size_um,
        )


def _frame(file: PictureFile, index: int) -> bytes:
    from engine.datasets import dicom_pictures

    return dicom_pictures.frame(file.read(), index)
