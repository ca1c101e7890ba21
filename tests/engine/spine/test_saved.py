"""A saved detection: what was saved comes back, names move for good, nothing half is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid

from engine.errors import RequestError
from engine.imaging.volumes import Volume
from engine.spine.detecting import detect
from engine.spine.documents import detection_json
from engine.spine.results import Detection
from engine.spine.saved import SavedDetection, save
from tests.engine.spine.oracle import OracleSegmenter, coded_volume, lumbar_phantom, read_of


@pytest.fixture(scope="module")
def detection() -> Detection:
    """The lumbar phantom as an LPS array, as a DICOM series would be."""
    volume = coded_volume(lumbar_phantom())
    turned = Volume(
        voxels=np.ascontiguousarray(volume.voxels[::-1, ::-1]),
        affine=volume.affine
        @ np.array([[-1, 0, 0, 44], [0, -1, 0, 44], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
    )
    return detect(read_of(turned), OracleSegmenter())


@pytest.fixture
def saved(detection: Detection, tmp_path: Path) -> SavedDetection:
    return save(detection, tmp_path / "result")


def test_what_was_saved_comes_back(detection: Detection, saved: SavedDetection) -> None:
    """Records, audit, document, CT and labels are those of the detection."""
    opened = SavedDetection.open(saved.folder)
    assert opened.vertebrae == detection.found
    assert opened.findings.audit == detection.audit
    assert opened.findings.anchors == detection.anchors
    assert opened.facts == detection.facts
    assert opened.document() == detection_json(detection)
    assert np.array_equal(opened.labels_uploaded, detection.labels)
    assert np.array_equal(opened.turn.back(opened.hu), detection.volume.voxels)
    assert np.array_equal(opened.uploaded_affine, detection.volume.affine)


def test_arrays_lie_in_ras_and_on_the_disk(detection: Detection, saved: SavedDetection) -> None:
    """Axes point to R, A, S; both arrays are memory-mapped and cannot be changed."""
    canonical, _ = detection.volume.canonical()
    assert np.array_equal(saved.volume_affine, canonical.affine)
    assert np.array_equal(saved.hu, canonical.voxels)
    assert (saved.hu.dtype, saved.labels.dtype) == (np.int16, np.uint8)
    for array in (saved.hu, saved.labels):
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable
    assert saved.spacing_mm == pytest.approx((4.0, 4.0, 4.0))


def test_moved_names_stay_moved(detection: Detection, saved: SavedDetection) -> None:
    """After a step up the folder opens with the new names; steps add up; the way back is free."""
    moved = saved.renamed(-1)
    again = SavedDetection.open(saved.folder)
    for one in (moved, again):
        assert one.shift == -1
        assert one.document()["shift"] == -1
        assert [v.label for v in one.vertebrae][-1] == "L4"
        assert np.array_equal(one.labels == 23, again.turn.forth(detection.labels) == 24)
    assert again.renamed(-1).shift == -2
    back = SavedDetection.open(saved.folder).renamed(2)
    assert back.document() == detection_json(detection)
    assert np.array_equal(back.labels_uploaded, detection.labels)


def test_a_refused_step_changes_nothing(saved: SavedDetection) -> None:
    """L5 above a sacrum cannot become S1; the folder stays as it was."""
    before = sorted((path.name, path.read_bytes()) for path in saved.folder.iterdir())
    with pytest.raises(RequestError, match="S1"):
        saved.renamed(1)
    assert sorted((path.name, path.read_bytes()) for path in saved.folder.iterdir()) == before


def test_who_still_reads_the_old_labels_keeps_them(saved: SavedDetection) -> None:
    """A picture that is being drawn does not change under the brush."""
    old = saved.labels
    saved.renamed(-1)
    assert (old == 24).any()


def test_headers_come_back_in_order(detection: Detection, tmp_path: Path) -> None:
    """One de-identified DICOM header for each plane, readable by pydicom."""
    headers = []
    for number in range(12):
        header = Dataset()
        header.SOPClassUID = CTImageStorage
        header.SOPInstanceUID = generate_uid()
        header.InstanceNumber = number
        header.ImagePositionPatient = [0.0, 0.0, 1.5 * number]
        headers.append(header)
    saved = save(detection, tmp_path / "result", headers)
    assert saved.has_headers
    assert [header.InstanceNumber for header in saved.headers()] == list(range(12))
    assert [h.SOPInstanceUID for h in saved.headers()] == [h.SOPInstanceUID for h in headers]
    first = sorted((saved.folder / "headers").iterdir())[0]
    assert pydicom.dcmread(first, force=True).ImagePositionPatient == [0, 0, 0]


def test_headers_without_identifiers_are_kept(detection: Detection, tmp_path: Path) -> None:
    """Anonymised files may lack what the standard wants; that is no reason to fail."""
    header = Dataset()
    header.Rows = 512
    saved = save(detection, tmp_path / "result", [header])
    assert saved.headers()[0].Rows == 512


def test_a_multi_frame_header_is_kept_once(detection: Detection, tmp_path: Path) -> None:
    """All planes share it; a thousand copies of a thousand frames would fill the disk."""
    header = Dataset()
    header.NumberOfFrames = 3
    saved = save(detection, tmp_path / "result", [header] * 3)
    assert len(saved.headers()) == 1


def test_headers_that_cannot_be_written_are_left_out(detection: Detection, tmp_path: Path) -> None:
    """A value that DICOM has no room for costs the headers, never the result."""
    good, bad = Dataset(), Dataset()
    good.Rows = bad.Rows = 512
    bad.add_new("Columns", "US", None)
    bad["Columns"]._value = "wide"  # past the check, as bytes of a file are
    saved = save(detection, tmp_path / "result", [good, bad])
    assert not saved.has_headers
    assert saved.vertebrae == detection.found


def test_without_dicom_there_are_no_headers(saved: SavedDetection) -> None:
    """A NIfTI file has none."""
    assert not saved.has_headers
    assert saved.headers() == []


def test_a_folder_appears_only_when_it_is_whole(
    detection: Detection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full in the middle, nothing stands under the final name."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.spine.saved._write_headers", full)
    with pytest.raises(OSError, match="No space"):
        save(detection, tmp_path / "result")
    assert not (tmp_path / "result").exists()


def test_nothing_in_the_folder_runs_code(saved: SavedDetection) -> None:
    """Plain arrays and JSON: no pickle can hide in it."""
    for path in saved.folder.glob("*.npy"):
        np.load(path, allow_pickle=False)
    assert {path.suffix for path in saved.folder.iterdir()} == {".npy", ".json"}
