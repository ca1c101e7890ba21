"""Files of a small CT phantom with an exact answer, in every format that we read.

The phantom: water in air with three cubes of different density at known places, so that left and
right, front and back, head and feet can all be told apart.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

PERSON = "Nemo^Captain"
"""What no result, message or log may ever contain."""

SERIES = "1.2.826.0.1.3680043.8.498.1"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

# Density in HU -> middle of its cube in RAS+ mm.
CUBES = {300.0: (8.0, 6.0, 10.0), 600.0: (-10.0, 4.0, -6.0), 900.0: (2.0, -8.0, 4.0)}
SPACING = (2.0, 2.0, 2.0)
ALL_TURNS = [
    (order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
]


def phantom() -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Return voxels ``(24, 20, 16)`` along R, A, S and their affine; cubes of 3 voxels."""
    voxels = np.full((24, 20, 16), -1000, np.int16)
    voxels[2:22, 2:18, 1:15] = 0
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = (-24.0, -20.0, -14.0)
    for density, centre in CUBES.items():
        i, j, k = np.rint((np.array(centre) - affine[:3, 3]) / SPACING).astype(int)
        voxels[i - 1 : i + 2, j - 1 : j + 2, k - 1 : k + 2] = density
    return voxels, affine


def turned(order: tuple[int, ...], signs: tuple[int, ...]) -> tuple[NDArray[np.int16], NDArray]:
    """Return the same phantom stored along other axes: the same place for each voxel."""
    voxels, affine = phantom()
    turn = np.eye(4)
    turn[:3, :3] = 0
    for new, (old, sign) in enumerate(zip(order, signs, strict=True)):
        turn[old, new] = sign
        turn[old, 3] = voxels.shape[old] - 1 if sign < 0 else 0
    stored = voxels.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    return np.ascontiguousarray(stored), affine @ turn


def cube_centres(volume) -> dict[float, tuple[float, float, float]]:
    """Return the middle of each cube in a volume, in whole RAS+ mm."""
    found = {}
    for density in CUBES:
        indices = np.argwhere(np.abs(volume.voxels - density) < 1)
        found[density] = tuple(np.round(volume.world(indices).mean(axis=0), 3) + 0.0)
    return found


# --- NIfTI ----------------------------------------------------------------------------------------


def nifti(
    voxels: NDArray,
    affine: NDArray | None,
    *,
    codes: tuple[int, int] = (1, 1),
    kind=nib.Nifti1Image,
) -> nib.Nifti1Image:
    """Return an image with sform and qform codes."""
    image = kind(voxels, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1], strip_shears=True)
    return image


def nifti_bytes(image: nib.Nifti1Image) -> bytes:
    return image.to_bytes()


# --- DICOM ----------------------------------------------------------------------------------------


def slices(
    *,
    orientation: tuple[float, ...] = AXIAL,
    count: int = 8,
    step: float = 2.0,
    rows: int = 20,
    columns: int = 24,
    series: str = SERIES,
    start: tuple[float, float, float] = (-24.0, -18.0, -14.0),
    change: Callable[[Dataset, int], object] = lambda _dataset, _k: None,
) -> list[Dataset]:
    """Return a CT series in which pixel (row j, column i) of slice k is ``value(i, j, k)`` HU."""
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(across, down)
    made = []
    for k in range(count):
        dataset = ct_slice(
            values(columns, rows, k),
            position=np.array(start) + normal * step * k,
            orientation=orientation,
            number=k + 1,
            series=series,
        )
        change(dataset, k)
        made.append(dataset)
    return made


def values(columns: int, rows: int, k: int) -> NDArray[np.int16]:
    """Return ``(rows, columns)`` HU that tell every voxel of a small volume apart."""
    j, i = np.indices((rows, columns))
    return (-1000 + 250 * k + 2 * i + 37 * j % 90).astype(np.int16)


def ct_slice(
    hu: NDArray[np.int16],
    *,
    position: Iterable[float],
    orientation: Iterable[float] = AXIAL,
    number: int = 1,
    series: str = SERIES,
) -> Dataset:
    """Return one CT slice with a full set of a person's data in its header."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{series}.{number}"
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, "1.2.3.4"
    dataset.FrameOfReferenceUID = "1.2.3.5"
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientName, dataset.PatientID = PERSON, "ID-4711"
    dataset.PatientBirthDate, dataset.StudyDate = "19010203", "20200304"
    dataset.InstitutionName, dataset.SeriesDescription = "Nautilus", f"Spine of {PERSON}"
    dataset.add_new(0x00090010, "LO", "SECRET MAKER")
    dataset.add_new(0x00091001, "LO", PERSON)
    dataset.InstanceNumber, dataset.SeriesNumber = number, 3
    dataset.ImagePositionPatient = [float(part) for part in position]
    dataset.ImageOrientationPatient = [float(part) for part in orientation]
    dataset.PixelSpacing = [2.0, 2.0]
    dataset.SliceThickness = 2.0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    set_pixels(dataset, hu.astype(np.int32) + 1024)
    return dataset


def set_pixels(dataset: Dataset, stored: NDArray) -> None:
    """Store pixels ``(rows, columns)`` or ``(frames, rows, columns)`` as 16 bits without sign."""
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.PixelData = stored.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def enhanced(count: int = 6) -> Dataset:
    """Return the same pixels as ``slices(count=6)`` in one enhanced multi-frame CT."""
    dataset = ct_slice(values(24, 20, 0), position=(0, 0, 0))
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(dataset, keyword)
    del dataset.RescaleSlope, dataset.RescaleIntercept
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    dataset.NumberOfFrames = count
    set_pixels(dataset, np.stack([values(24, 20, k) for k in range(count)]).astype(np.int32) + 1024)
    dataset.SharedFunctionalGroupsSequence = Sequence(
        [
            _nested(
                PlaneOrientationSequence=_nested(ImageOrientationPatient=list(AXIAL)),
                PixelMeasuresSequence=_nested(PixelSpacing=[2.0, 2.0], SliceThickness=2.0),
                PixelValueTransformationSequence=_nested(
                    RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU"
                ),
            )
        ]
    )
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        [
            _nested(
                PlanePositionSequence=_nested(ImagePositionPatient=[-24.0, -18.0, -14.0 + 2 * k]),
                FrameContentSequence=_nested(FrameComments=PERSON, InStackPositionNumber=k + 1),
            )
            for k in range(count)
        ]
    )
    return dataset


def _nested(**fields: object) -> Dataset:
    item = Dataset()
    for keyword, value in fields.items():
        setattr(item, keyword, Sequence([value]) if isinstance(value, Dataset) else value)
    return item


def dicom_bytes(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def save(folder: Path, datasets: Iterable[Dataset], prefix: str = "IM") -> Path:
    """Write files whose names run against the order of the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    datasets = list(datasets)
    for at, dataset in enumerate(datasets):
        (folder / f"{prefix}{len(datasets) - at:04d}").write_bytes(dicom_bytes(dataset))
    return folder


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP of names and contents."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()
