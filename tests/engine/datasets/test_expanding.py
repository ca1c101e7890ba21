"""Volumes and DICOM files as pictures: slices that fit their masks, frames without the person."""

from __future__ import annotations

import io
from contextlib import ExitStack
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from engine.datasets.entries import Entry, FileOutcome
from engine.datasets.expanding import expanded
from engine.datasets.labelling import mask_of
from engine.datasets.opening import open_upload
from engine.datasets.sources import form_of
from engine.datasets.surveying import survey_opened
from engine.datasets.taking import take_picture
from engine.imaging.volumes import Plane
from tests.engine.datasets.uploads import zip_of

NAME = "Doe^Jane"


def nifti(voxels: NDArray[np.generic], turned: str = "RAS") -> bytes:
    """Return a packed NIfTI whose axes point as told; voxels are given in R, A, S."""
    image = nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 5.0, 1.0]))
    now = nibabel.orientations.axcodes2ornt("RAS")
    wanted = nibabel.orientations.axcodes2ornt(turned)
    image = image.as_reoriented(nibabel.orientations.ornt_transform(now, wanted))
    image.header["descrip"] = NAME
    import gzip

    return gzip.compress(image.to_bytes())


def entries_of(path: Path, plane: Plane = "axial") -> tuple[list[Entry], list[FileOutcome]]:
    """Return what an upload expands to, read while it is open."""
    with open_upload(path) as opened:
        items = list(expanded(form_of(opened).entries(opened), plane=plane))
        entries = [item for item in items if isinstance(item, Entry)]
        return entries, [item for item in items if isinstance(item, FileOutcome)]


@pytest.mark.parametrize("turned", ["RAS", "LPS", "PIR"])
@pytest.mark.parametrize(("plane", "count"), [("axial", 5), ("coronal", 12), ("sagittal", 9)])
def test_masks_lie_over_their_slices(tmp_path: Path, turned: str, plane: Plane, count: int) -> None:
    """A block marked in the label volume is the bright block of each slice, however files turn."""
    voxels = np.zeros((9, 12, 5), np.int16)
    voxels[2:5, 3:7, 1:3] = 200
    files = {
        "imagesTr/c_0000.nii.gz": nifti(voxels, turned),
        "labelsTr/c.nii.gz": nifti((voxels > 0).astype(np.uint8), turned),
        "dataset.json": b'{"labels": {"background": 0, "bone": 1}}',
    }
    with ExitStack() as stack:
        opened = stack.enter_context(open_upload(zip_of(tmp_path / "v.zip", files)))
        seen = survey_opened(opened, plane=plane)
        assert (seen.pictures, seen.classes) == (count, ("background", "bone"))
        marked = 0
        for item in expanded(form_of(opened).entries(opened), plane=plane):
            if not isinstance(item, Entry):
                continue
            taken = take_picture(item.image.read())
            size = (taken.height_px, taken.width_px)
            mask, _ = mask_of(item.labels, mapping=seen.mapping, classes=seen.classes, size=size)
            assert mask is not None
            assert np.array_equal(mask == 1, taken.picture[..., 0] > 0)
            marked += int(mask.sum())
            assert item.group == "c"
            assert "Description" in item.image.removed
    assert marked == 3 * 4 * 2


def test_labels_of_another_grid_are_refused(tmp_path: Path) -> None:
    """Labels with another shape than their volume belong to another one."""
    files = {
        "imagesTr/c_0000.nii.gz": nifti(np.zeros((9, 12, 5), np.int16)),
        "labelsTr/c.nii.gz": nifti(np.zeros((9, 12, 6), np.uint8)),
    }
    entries, others = entries_of(zip_of(tmp_path / "v.zip", files))
    assert not entries
    assert "9×12×6 voxels but their volume has 9×12×5" in others[0].sentences[0]


def dicom(pixels: NDArray[np.uint16], *, window: tuple[float, float] | None = None) -> bytes:
    """Return a DICOM file of one or several grey frames, of a person who does not exist."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    header.SOPClassUID, header.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    header.PatientName, header.PatientID, header.StudyInstanceUID = NAME, "4711", "1.2.3.4"
    header.Rows, header.Columns = pixels.shape[-2:]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
    header.PixelRepresentation, header.PixelSpacing = 0, [0.5, 0.5]
    if pixels.ndim == 3:
        header.NumberOfFrames = pixels.shape[0]
    if window:
        header.WindowCenter, header.WindowWidth = window
    header.PixelData = pixels.tobytes()
    out = io.BytesIO()
    pydicom.dcmwrite(out, header, enforce_file_format=True)
    return out.getvalue()


def test_dicom_pictures_without_the_person(tmp_path: Path) -> None:
    """A picture of one frame and one of three: pixels by their window, names listed, no value."""
    ramp = np.linspace(0, 4000, 64 * 32).reshape(32, 64).astype(np.uint16)
    files = {
        "a.dcm": dicom(ramp, window=(1000, 2000)),
        "b.dcm": dicom(np.stack([ramp, ramp[::-1], ramp // 2])),
    }
    with open_upload(zip_of(tmp_path / "d.zip", files)) as opened:
        items = [e for e in expanded(form_of(opened).entries(opened)) if isinstance(e, Entry)]
        assert [item.name for item in items] == ["a", "b_000", "b_001", "b_002"]
        taken = [take_picture(item.image.read()) for item in items]
        grey = taken[0].picture[..., 0]
        assert grey.min() == 0
        assert (grey[ramp >= 2000] == 255).all()
        assert np.array_equal(taken[2].picture, taken[1].picture[::-1])
        assert "DICOM Patient's Name" in items[0].image.removed
        assert not any(NAME in name or "4711" in name for name in items[0].image.removed)
        assert NAME.encode() not in taken[0].data
        assert items[0].group == items[1].group != ""
        assert items[0].pixel_size_um == 500


def test_damaged_volumes_and_dicom_are_told(tmp_path: Path) -> None:
    """A NIfTI that is cut off and a DICOM that is none: a sentence each, the rest goes on."""
    files = {
        "a.nii.gz": nifti(np.arange(9 * 12 * 5, dtype=np.int16).reshape(9, 12, 5))[:250],
        "b.dcm": b"nothing at all",
        "c.dcm": dicom(np.zeros((4, 4), np.uint16)),
    }
    entries, others = entries_of(zip_of(tmp_path / "d.zip", files))
    assert [entry.name for entry in entries] == ["c"]
    assert {other.outcome for other in others} == {"refused"}
    assert len(others) == 2
