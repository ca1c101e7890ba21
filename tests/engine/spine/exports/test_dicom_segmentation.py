"""DICOM SEG: read back by pydicom and highdicom it is the label map, and it names nobody."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes

from engine.errors import RequestError
from engine.spine.exports import EXPORTS, make_export
from engine.spine.exports.dicom_segmentation import code_of_label, dicom_seg, why_no_dicom_seg
from engine.spine.pictures import LABEL_COLOURS
from engine.spine.saved import SavedDetection
from engine.spine.segmenters import LABEL_NAMES
from engine.spine.vertebrae import REGULAR_LABELS
from tests.engine.imaging.volume_files.ct_files import PERSON, enhanced, slices
from tests.engine.spine.shaped_spines import CODES, ball, saved_from_files, saved_shapes

SERIES = "1.2.840.99999.77.1"
SHAPES = {
    "T12": ball((-4.0, 4.0, 40.0), 9.0),
    "L1": ball((-2.0, 2.0, 18.0), 9.0),
    "L2": ball((2.0, -4.0, -4.0), 9.0),
    "S1": ball((2.0, -4.0, -26.0), 8.0),
}
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
UPWARDS = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)  # rows run to the front: slices are sorted downwards


def place(_: Dataset, __: int) -> None:
    """Leave a slice as it is."""


def finer(dataset: Dataset, _: int) -> None:
    """Rows 1.5 mm apart, columns 2.5 mm."""
    dataset.PixelSpacing = [1.5, 2.5]


def saved_series(
    folder: Path,
    *,
    orientation: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    start: tuple[float, float, float] = (-24.0, -20.0, -38.0),
    order: int = 1,
    change: Callable[[Dataset, int], object] = place,
    shapes: dict | None = None,
) -> SavedDetection:
    """Write a series of 46 slices every 2 mm, ``order`` -1 in reversed files; detect in it."""
    files = folder / "files"
    files.mkdir()
    made = slices(orientation=orientation, count=46, series=SERIES, start=start, change=change)
    for number, dataset in enumerate(made[::order]):
        dataset.save_as(files / f"{number:03d}.dcm", enforce_file_format=True)
    return saved_from_files(files, folder, SHAPES if shapes is None else shapes)


def labels_of(segmentation: Dataset, affine: NDArray, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Put a segmentation's frames onto a grid by their own positions, with plain pydicom."""
    drawn = np.zeros(shape, np.uint8)
    names = {
        int(segment.SegmentNumber): "S1"
        if segment.SegmentLabel == "Sacrum"
        else segment.SegmentLabel
        for segment in segmentation.SegmentSequence
    }
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    orientation = np.array(
        shared.PlaneOrientationSequence[0].ImageOrientationPatient, float
    ).reshape(2, 3)
    spacing = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, float)
    inverse = np.linalg.inv(affine)
    frames = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns)
    for frame, group in zip(frames, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(frame)
        lps = (
            position
            + columns[:, np.newaxis] * spacing[1] * orientation[0]
            + rows[:, np.newaxis] * spacing[0] * orientation[1]
        )
        ras = lps * [-1, -1, 1]
        voxel = ras @ inverse[:3, :3].T + inverse[:3, 3]
        assert np.abs(voxel - np.rint(voxel)).max(initial=0) < 1e-3
        drawn[tuple(np.rint(voxel).astype(int).T)] = CODES[names[number]]
    return drawn


@pytest.mark.parametrize(
    ("orientation", "start", "order", "change"),
    [
        ((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (-24.0, -20.0, -38.0), 1, place),
        ((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (-24.0, -20.0, -38.0), -1, place),
        (UPWARDS, (-24.0, 20.0, 52.0), 1, place),
        (UPWARDS, (-24.0, 20.0, 52.0), -1, finer),
        (CORONAL, (-24.0, -40.0, 30.0), 1, place),
    ],
    ids=["axial", "files reversed", "slices reversed", "both, oblong pixels", "coronal"],
)
def test_pydicom_reads_the_label_map_back(
    tmp_path: Path,
    orientation: tuple[float, ...],
    start: tuple[float, float, float],
    order: int,
    change: Callable[[Dataset, int], object],
) -> None:
    """Each frame put where its header says gives the map on the uploaded grid, to the voxel."""
    saved = saved_series(tmp_path, orientation=orientation, start=start, order=order, change=change)
    segmentation = pydicom.dcmread(io.BytesIO(dicom_seg(saved)))
    labels = saved.labels_uploaded
    assert len(np.unique(labels)) >= 3
    assert np.array_equal(labels_of(segmentation, saved.uploaded_affine, labels.shape), labels)


@pytest.fixture(scope="module")
def axial(tmp_path_factory: pytest.TempPathFactory) -> SavedDetection:
    return saved_series(tmp_path_factory.mktemp("axial"))


@pytest.fixture(scope="module")
def segmentation(axial: SavedDetection) -> Dataset:
    return pydicom.dcmread(io.BytesIO(dicom_seg(axial)))


def test_highdicom_reads_the_label_map_back(axial: SavedDetection) -> None:
    """Another reader, asked by source picture, gives the same planes."""
    read = highdicom.seg.segread(io.BytesIO(dicom_seg(axial)))
    headers = axial.headers()
    frames = read.get_pixels_by_source_instance(
        [header.SOPInstanceUID for header in headers],
        combine_segments=True,
        relabel=False,
        ignore_spatial_locations=True,
        assert_missing_frames_are_empty=True,
    )
    numbers = {
        int(segment.SegmentNumber): CODES.get(segment.SegmentLabel, CODES["S1"])
        for segment in read.SegmentSequence
    }
    table = np.zeros(len(numbers) + 1, np.uint8)
    for number, code in numbers.items():
        table[number] = code
    assert np.array_equal(table[frames].transpose(2, 1, 0), axial.labels_uploaded)


def test_segments_are_named_coded_and_coloured(segmentation: Dataset) -> None:
    """From the head down, with SNOMED CT codes, an algorithm and the colours of the page."""
    from skimage.color import lab2rgb

    segments = segmentation.SegmentSequence
    assert [segment.SegmentLabel for segment in segments] == ["T12", "L1", "L2", "Sacrum"]
    assert [segment.SegmentNumber for segment in segments] == [1, 2, 3, 4]
    types = [segment.SegmentedPropertyTypeCodeSequence[0].CodeValue for segment in segments]
    assert types == ["23215003", "66794005", "14293000", "54735007"]
    assert {segment.SegmentAlgorithmType for segment in segments} == {"AUTOMATIC"}
    for segment in segments:
        name = "S1" if segment.SegmentLabel == "Sacrum" else segment.SegmentLabel
        light, a, b = segment.RecommendedDisplayCIELabValue  # PS3.3 C.10.7.1.1: 16 bits each
        lab = (light / 65535 * 100, a / 65535 * 255 - 128, b / 65535 * 255 - 128)
        shown = lab2rgb(np.array([[lab]]))[0, 0] * 255
        assert np.abs(shown - LABEL_COLOURS[CODES[name]]).max() < 3


def test_it_is_a_binary_segmentation_of_its_series(
    axial: SavedDetection, segmentation: Dataset
) -> None:
    """Kind, study, frame of reference and sources are those of the de-identified headers."""
    header = axial.headers()[0]
    assert segmentation.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.4"
    assert (segmentation.Modality, segmentation.SegmentationType) == ("SEG", "BINARY")
    assert segmentation.StudyInstanceUID == header.StudyInstanceUID
    assert segmentation.FrameOfReferenceUID == header.FrameOfReferenceUID
    referenced = {
        instance.ReferencedSOPInstanceUID
        for series in segmentation.ReferencedSeriesSequence
        for instance in series.ReferencedInstanceSequence
    }
    assert referenced == {one.SOPInstanceUID for one in axial.headers()}
    assert segmentation.SeriesInstanceUID != header.SeriesInstanceUID


def test_nothing_of_the_person_is_in_it(axial: SavedDetection, segmentation: Dataset) -> None:
    """No name, id, date, institution, description or identifier of the upload remains."""
    data = dicom_seg(axial)
    for secret in (PERSON, "Captain", "ID-4711", "19010203", "20200304", "Nautilus", SERIES):
        assert secret.encode() not in data
    assert "1.2.3.4" not in {str(element.value) for element in segmentation}
    assert "1.2.3.5" not in {str(element.value) for element in segmentation}
    assert segmentation.PatientName == ""
    assert segmentation.PatientIdentityRemoved == "YES"


def test_an_enhanced_multi_frame_ct_works_as_well(tmp_path: Path) -> None:
    """One file with six frames: frames lie on the grid of the upload."""
    files = tmp_path / "files"
    files.mkdir()
    enhanced(6).save_as(files / "ct.dcm", enforce_file_format=True)
    shapes = {"L1": ball((10.0, 6.0, -8.0), 5.0), "L2": ball((-6.0, -8.0, -9.0), 5.0)}
    saved = saved_from_files(files, tmp_path, shapes)
    segmentation = pydicom.dcmread(io.BytesIO(dicom_seg(saved)))
    labels = saved.labels_uploaded
    assert set(np.unique(labels)) == {0, CODES["L1"], CODES["L2"]}
    assert np.array_equal(labels_of(segmentation, saved.uploaded_affine, labels.shape), labels)


def test_names_follow_a_shift(tmp_path: Path) -> None:
    """After all names moved by one, segments carry the new names and codes."""
    shapes = {name: SHAPES[name] for name in ("T12", "L1")}
    saved = saved_series(tmp_path, shapes=shapes).renamed(1)
    segmentation = pydicom.dcmread(io.BytesIO(dicom_seg(saved)))
    assert [segment.SegmentLabel for segment in segmentation.SegmentSequence] == ["L1", "L2"]


@pytest.mark.parametrize("label", [*REGULAR_LABELS[:-1], "T13", "L6", "S1"])
def test_codes_say_what_the_standard_lists(label: str) -> None:
    """The meaning in DICOM's own list names the vertebra; rare ones are just vertebrae."""
    code = code_of_label(label)
    assert code.scheme_designator == "SCT"
    expected = {"T13": "Vertebra", "L6": "Vertebra", "S1": "Sacrum"}
    assert code.meaning == expected.get(label, f"{label} vertebra")
    assert code in (codes.SCT.Sacrum, codes.SCT.Vertebra) or label in code.meaning


def test_each_label_has_a_code() -> None:
    """No value of a label map is without one."""
    assert all(code_of_label(name).value.isdigit() for name in LABEL_NAMES.values())


def test_other_files_than_dicom_are_told_why(tmp_path: Path) -> None:
    """From NIfTI there is no series to refer to."""
    saved = saved_shapes(tmp_path)
    assert EXPORTS["labels.dcm"].why_not(saved) == why_no_dicom_seg(saved)
    with pytest.raises(RequestError, match="did not come as DICOM"):
        make_export(saved, "labels.dcm")
    with pytest.raises(RequestError, match="did not come as DICOM"):
        dicom_seg(saved)


def test_resampled_slices_are_told_why(tmp_path: Path) -> None:
    """Where planes were interpolated there are no headers, and the NIfTI map is offered."""
    saved = saved_shapes(tmp_path, kind="dicom")
    with pytest.raises(RequestError, match=r"were resampled.*NIfTI"):
        dicom_seg(saved)


def nameless(dataset: Dataset, _: int) -> None:
    """Empty the identifiers that some archives leave out of the data set."""
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = ""


def test_headers_without_identifiers_are_told(tmp_path: Path) -> None:
    """A series that has no name cannot be referred to; the sentence names what is missing."""
    saved = saved_series(tmp_path, change=nameless)
    with pytest.raises(RequestError, match=r"StudyInstanceUID, SeriesInstanceUID.*NIfTI"):
        dicom_seg(saved)


def test_an_empty_map_is_told(tmp_path: Path) -> None:
    """A segmentation needs a segment."""
    saved = saved_series(tmp_path, shapes={})
    with pytest.raises(RequestError, match="nothing to segment"):
        dicom_seg(saved)


def test_writing_warns_of_nothing(axial: SavedDetection) -> None:
    """Neither pydicom nor highdicom has anything to complain about."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dicom_seg(axial)
