"""DICOM series: order, place, gaps, tilt, choice, and what is no CT."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from engine.errors import TooLargeError, VolumeError
from engine.imaging.volume_files import VolumeLimits, read_volume
from engine.imaging.volume_files.results import Watch
from tests.engine.imaging.volume_files.ct_files import (
    CUBES,
    ct_slice,
    cube_centres,
    dicom_bytes,
    enhanced,
    phantom,
    save,
    slices,
    values,
    zipped,
)

LPS = np.array([-1.0, -1.0, 1.0])


def expected(count: int = 8) -> np.ndarray:
    """Return the voxels (i, j, k) that ``slices`` describes."""
    return np.stack([values(24, 20, k).T for k in range(count)], axis=-1).astype(np.float32)


def phantom_series(across, down) -> list[pydicom.Dataset]:
    """Cut the phantom into DICOM slices whose rows run along ``across``, columns along ``down``.

    Both are unit vectors along an axis in LPS; pixel values are looked up in world coordinates.
    """
    voxels, affine = phantom()
    across, down = np.array(across, float), np.array(down, float)
    normal = np.cross(across, down)
    corners = np.array([affine[:3, 3], affine[:3, 3] + 2.0 * (np.array(voxels.shape) - 1)]) * LPS
    low, high = corners.min(axis=0), corners.max(axis=0)
    start = np.where(across + down + normal > 0, low, high)
    counts = [round(float(np.abs(axis @ (high - low))) / 2) + 1 for axis in (across, down, normal)]
    made = []
    for k in range(counts[2]):
        j, i = np.indices((counts[1], counts[0]))
        world = start + 2.0 * (i[..., None] * across + j[..., None] * down + k * normal)
        index = np.rint((world * LPS - affine[:3, 3]) / 2.0).astype(int)
        made.append(
            ct_slice(
                voxels[index[..., 0], index[..., 1], index[..., 2]],
                position=start + 2.0 * k * normal,
                orientation=(*across, *down),
                number=k + 1,
            )
        )
    return made


AXES = [tuple(sign * row) for row in np.eye(3) for sign in (1, -1)]
PAIRS = [(a, b) for a in AXES for b in AXES if not np.dot(a, b)]


@pytest.mark.parametrize(("across", "down"), PAIRS)
def test_all_24_orientations_give_the_same_millimetres(across, down) -> None:
    """Axial, coronal and sagittal series of any turn show the cubes at the same RAS places.

    The other 24 of the 48 axis orders are mirror images, which no DICOM series can state.
    """
    files = {f"{at}": dicom_bytes(one) for at, one in enumerate(phantom_series(across, down))}
    found = read_volume(zipped(files))
    assert cube_centres(found.volume) == CUBES
    assert found.warnings == ()
    assert np.linalg.det(found.volume.affine) > 0


def test_slices_are_sorted_by_position_and_pixels_become_hu(tmp_path) -> None:
    """Names and numbers run backwards, voxels (i, j, k) = (column, row, rising z) do not."""
    found = read_volume(save(tmp_path / "ct", slices()))
    np.testing.assert_array_equal(expected(), found.volume.voxels)
    assert found.volume.axis_codes == ("L", "P", "S")
    assert found.volume.world([[0, 0, 0]]).tolist() == [[24.0, 18.0, -14.0]]
    assert found.series.description == "series 3, CT, axial, 8 slices every 2 mm, 24×20"
    assert found.series.reason == "the only series"
    assert found.others == ()
    assert [header.InstanceNumber for header in found.headers] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_one_file_gathers_its_siblings_by_series(tmp_path) -> None:
    """Pointing at one slice reads its whole series and no other one of the folder."""
    save(tmp_path, slices())
    save(tmp_path, slices(series="9.9", count=20), prefix="OTHER")
    (tmp_path / "notes.txt").write_text("hello")
    found = read_volume(tmp_path / "IM0003")
    np.testing.assert_array_equal(expected(), found.volume.voxels)
    assert found.others == ()
    assert found.warnings == ()


def test_a_list_of_files_and_a_zip_read_like_the_folder(tmp_path) -> None:
    """However the slices arrive, the volume is the same."""
    folder = save(tmp_path / "ct", slices())
    names = sorted(folder.iterdir())
    for what in (names, zipped({f"a/b\\{path.name}": path.read_bytes() for path in names})):
        np.testing.assert_array_equal(expected(), read_volume(what).volume.voxels)


def test_slope_and_intercept_count_for_each_slice() -> None:
    """PET-like scaling that differs from slice to slice is followed."""

    def change(dataset, k) -> None:
        dataset.RescaleSlope = 0.5 * (k + 1)
        dataset.RescaleIntercept = -1024 - k

    series = slices(change=change)
    found = read_volume(zipped({str(k): dicom_bytes(one) for k, one in enumerate(series)}))
    stored = expected() + 1024
    for k in range(8):
        np.testing.assert_allclose(
            stored[:, :, k] * 0.5 * (k + 1) - 1024 - k, found.volume.voxels[:, :, k]
        )


def test_padding_outside_of_the_scan_becomes_air() -> None:
    """A padding of -2000 (written without sign as 63536) is -1024 HU and not -3024."""

    def change(dataset, _k) -> None:
        pixels = values(24, 20, 7) + 1024
        pixels[0, 0] = -2000
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, -1024
        dataset.PixelData = pixels.astype("<i2").tobytes()
        dataset.add_new("PixelPaddingValue", "US", 63536)

    found = read_series(slices(change=change))
    assert found.volume.voxels[0, 0, 0] == -1024
    assert found.volume.voxels[1, 0, 0] == 752


def read_series(datasets, **more):
    return read_volume(
        zipped({f"{at}": dicom_bytes(one) for at, one in enumerate(datasets)}), **more
    )


# --- gaps, twins, tilt ----------------------------------------------------------------------------


def test_a_missing_slice_is_filled_in_and_told() -> None:
    """Of nine slices the fifth is lost: the mean of its neighbours stands there."""
    series = slices(count=12)
    del series[4]
    found = read_series(series)
    whole = expected(12)
    whole[:, :, 4] = (whole[:, :, 3] + whole[:, :, 5]) / 2
    np.testing.assert_allclose(whole, found.volume.voxels)
    assert "1 of 12 slices are missing" in found.warnings[0]
    assert found.headers == ()


def test_too_many_missing_slices_are_refused() -> None:
    """A hole of 14 mm could hide half a vertebra; so could every third slice."""
    with pytest.raises(VolumeError, match=r"6 are missing and the widest gap is 14 mm"):
        read_series([one for k, one in enumerate(slices(count=40)) if not 10 <= k < 16])
    with pytest.raises(VolumeError, match=r"are missing"):
        read_series([one for k, one in enumerate(slices(count=30)) if k % 4 != 2])


def test_uneven_spacing_is_resampled_and_told() -> None:
    """Slices 2 and then 3 mm apart land on an even grid, linear between neighbours."""

    def change(dataset, k) -> None:
        dataset.ImagePositionPatient[2] = -14.0 + 2 * k + max(0, k - 4)
        dataset.PixelData = np.full((20, 24), 10 * (2 * k + max(0, k - 4)), "<u2").tobytes()

    found = read_series(slices(count=9, change=change))
    assert "2 to 3 mm apart" in found.warnings[0]
    depth = found.volume.spacing_mm[2] * np.arange(found.volume.shape[2])
    np.testing.assert_allclose(10 * depth - 1024, found.volume.voxels[3, 3], atol=1e-3)
    assert abs(found.volume.world([[0, 0, found.volume.shape[2] - 1]])[0, 2] - 6.0) < 1e-9


def test_rounded_positions_are_even() -> None:
    """0.625 mm steps written as 0.6, 1.3, 1.9 … are one even grid without a warning."""

    def change(dataset, k) -> None:
        dataset.ImagePositionPatient[2] = round(0.625 * k, 1)

    found = read_series(slices(count=33, change=change))
    assert found.warnings == ()
    assert abs(found.volume.spacing_mm[2] - 0.625) < 0.002


def test_slices_sent_twice_count_once() -> None:
    """The same picture twice, and another picture at the same place: told, one of each used."""
    series = slices()
    found = read_series([*series, series[2], series[5]])
    np.testing.assert_array_equal(expected(), found.volume.voxels)
    assert found.warnings == ("2 pictures were sent twice; they count once.",)
    twin = ct_slice(values(24, 20, 7), position=series[3].ImagePositionPatient, number=99)
    found = read_series([twin, *series])
    np.testing.assert_array_equal(expected(), found.volume.voxels)
    assert found.warnings == ("1 slices lie where another one lies; one of each is used.",)


@pytest.mark.parametrize("keyword", ["TemporalPositionIdentifier", "AcquisitionNumber"])
def test_of_several_phases_the_first_is_used_and_told(keyword) -> None:
    """Two phases of the same places in one series: the lower number wins."""

    def phase(number):
        def change(dataset, k) -> None:
            setattr(dataset, keyword, number)
            dataset.SOPInstanceUID = f"1.2.{number}.{k}"
            dataset.InstanceNumber = 100 - number * 20 + k
            if number == 2:
                dataset.PixelData = np.full((20, 24), 5, "<u2").tobytes()

        return change

    found = read_series([*slices(change=phase(2)), *slices(change=phase(1))])
    np.testing.assert_array_equal(expected(), found.volume.voxels)
    assert "2 phases" in found.warnings[0]


def test_a_tilted_gantry_is_straightened_and_told() -> None:
    """Slices shifted by 0.8 mm each (22°): a rod along z stays at its place in mm."""
    step, shift = 2.0, 0.8

    def change(dataset, k) -> None:
        dataset.ImagePositionPatient[1] = -18.0 - shift * k
        y = dataset.ImagePositionPatient[1] + 2.0 * np.arange(20)
        rod = np.clip(1000 - 250 * np.abs(y - 0.0), 0, 1000)  # a tent of 4 mm around y = 0
        dataset.PixelData = np.repeat(rod[:, None], 24, axis=1).astype("<u2").tobytes()
        dataset.GantryDetectorTilt = 22

    found = read_series(slices(count=10, step=step, change=change))
    assert "22°" in found.warnings[0]
    assert not found.volume.is_sheared
    assert found.volume.shape == (24, 24, 10)
    weights = np.clip(found.volume.voxels + 1024, 0, None)
    for k in range(10):
        indices = np.argwhere(weights[:, :, k] > 0)
        plane = weights[:, :, k][tuple(indices.T)]
        world = found.volume.world(np.column_stack([indices, np.full(len(indices), k)]))
        assert abs(plane @ world[:, 1] / plane.sum()) < 0.15
    assert found.headers == ()


def test_a_tilt_that_the_positions_do_not_show_is_told() -> None:
    """Header and positions contradict each other: the positions count."""

    def change(dataset, _k) -> None:
        dataset.GantryDetectorTilt = "-15"

    found = read_series(slices(change=change))
    assert "tilt of 15°, but the slices lie straight" in found.warnings[0]


def test_slices_that_run_away_are_refused() -> None:
    """A shift of 60° is no tilted gantry."""

    def change(dataset, k) -> None:
        dataset.ImagePositionPatient[1] = -18.0 - 3.5 * k

    with pytest.raises(VolumeError, match=r"shifted by 24 mm \(60°\)"):
        read_series(slices(change=change))


def test_directions_that_are_none_are_refused() -> None:
    """Row and column direction must have length 1 and stand at right angles."""

    def change(dataset, _k) -> None:
        dataset.ImageOrientationPatient = [1, 0, 0, 0.5, 0.87, 0]

    with pytest.raises(VolumeError, match="right angles"):
        read_series(slices(change=change))


# --- choosing -------------------------------------------------------------------------------------


def test_the_best_ct_is_chosen_and_the_others_are_told(tmp_path) -> None:
    """Thin axial original before thick, coronal, derived, short, scout, MR and pictures."""
    save(tmp_path / "thick", slices(series="1.1", step=5.0, count=8))
    save(tmp_path / "thin", slices(series="1.2", step=1.0, count=40))
    save(tmp_path / "short", slices(series="1.3", step=0.5, count=8))
    save(tmp_path / "coronal", slices(series="1.4", orientation=(1, 0, 0, 0, 0, -1), count=20))

    def derive(dataset, _k) -> None:
        dataset.ImageType = ["DERIVED", "SECONDARY", "REFORMATTED"]

    def scout(dataset, _k) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    def mr(dataset, _k) -> None:
        dataset.Modality = "MR"

    save(tmp_path / "derived", slices(series="1.5", step=1.0, count=40, change=derive))
    save(tmp_path / "scout", slices(series="1.6", count=2, change=scout))
    save(tmp_path / "mr", slices(series="1.7", count=60, change=mr))
    found = read_volume(tmp_path)
    assert found.volume.shape == (24, 20, 40)
    assert found.series.reason == "chosen of 5 CT scans: covers 40 mm in slices every 1 mm"
    assert [(other.slices, other.is_usable) for other in found.others] == [
        (8, True),  # thick, but original
        (40, True),  # derived
        (20, True),  # coronal
        (8, True),  # short
        (60, False),
        (2, False),
    ]
    reasons = " / ".join(other.reason for other in found.others)
    assert "localizer" in reasons
    assert "it is MR, not a CT" in reasons


def test_a_scout_and_other_sizes_inside_the_series_are_left_out() -> None:
    """One series with a scout, another size and another direction: the largest stack is read."""

    def scout(dataset, _k) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.SOPInstanceUID = "7.1"

    def other(dataset, k) -> None:
        dataset.SOPInstanceUID = f"7.2.{k}"

    found = read_series(
        [
            *slices(count=1, orientation=(1, 0, 0, 0, 0, -1), change=scout),
            *slices(count=2, rows=10, columns=10, change=other),
            *slices(),
        ]
    )
    np.testing.assert_array_equal(expected(), found.volume.voxels)
    assert (
        "3 pictures of the chosen series have another size, direction or kind" in found.warnings[0]
    )


def test_slices_in_all_directions_end_in_time_with_a_sentence() -> None:
    """400 slices, each turned a little further, are no volume; nor do they take for ever."""

    def change(dataset, k) -> None:
        angle = k * 0.015
        dataset.ImageOrientationPatient = [np.cos(angle), np.sin(angle), 0, 0, 0, -1]

    with pytest.raises(VolumeError, match="point in too many directions"):
        read_series(slices(count=400, change=change))


def test_files_without_a_series_identifier_go_together() -> None:
    """Some tools empty the identifier; study and series number stand in for it."""

    def change(dataset, _k) -> None:
        dataset.SeriesInstanceUID = dataset.SOPInstanceUID = ""

    np.testing.assert_array_equal(expected(), read_series(slices(change=change)).volume.voxels)


def _set(**fields):
    def change(dataset, _k) -> None:
        for keyword, value in fields.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set(Modality="MR"), "it is MR, not a CT"),
        (_set(Modality="PT"), "it is PET, not a CT"),
        (_set(Modality="ODD NAME"), "of an unknown kind"),
        (_set(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"),
        (_set(SOPClassUID=SecondaryCaptureImageStorage), "secondary capture"),
        (_set(BitsStored=8), "8 bits"),
        (_set(SamplesPerPixel=3), "colour"),
        (_set(RescaleType="MGML"), "another measure than Hounsfield"),
        (_set(RescaleIntercept=None), "states no rescale slope and intercept"),
        (_set(RescaleSlope=0), "states no rescale slope and intercept"),
        (_set(ImagePositionPatient=None), "no position"),
        (_set(ImageOrientationPatient=None), "no position, orientation"),
        (_set(PixelSpacing=None), "pixel spacing"),
        (_set(PixelSpacing=[0, 0]), "not above 0"),
        (_set(ImagePositionPatient=[0, 0, 0]), "all of them lie at the same place"),
    ],
)
def test_what_is_no_ct_is_told(change, words) -> None:
    """Each reason has its own sentence, and no guess is made."""
    with pytest.raises(VolumeError, match=words):
        read_series(slices(change=change))


def test_a_single_slice_and_damaged_files_are_told(tmp_path) -> None:
    """One slice is no volume; files cut off inside the header are counted."""
    with pytest.raises(VolumeError, match="it has only one slice"):
        read_series(slices(count=1))
    data = dicom_bytes(slices()[0])
    with pytest.raises(VolumeError, match=r"damaged|without pictures"):
        read_volume(data[:200])
    broken = {str(k): dicom_bytes(one) for k, one in enumerate(slices())}
    with pytest.raises(VolumeError, match="pixels of slice 5 are damaged"):
        read_volume(zipped(broken | {"4": broken["4"][:-100]}))


def test_an_enhanced_multi_frame_ct_reads_like_its_slices() -> None:
    """Positions and scaling come from the functional groups (PS3.3 C.7.6.16)."""
    found = read_volume(dicom_bytes(enhanced()))
    np.testing.assert_array_equal(expected(6), found.volume.voxels)
    assert found.volume.world([[0, 0, 0]]).tolist() == [[24.0, 18.0, -14.0]]
    assert found.volume.spacing_mm == (2.0, 2.0, 2.0)
    assert found.warnings == ()


def test_frames_without_positions_are_no_volume() -> None:
    """A multi-frame file with one position for all frames is a film, not a volume."""
    film = enhanced()
    del film.PerFrameFunctionalGroupsSequence
    film.ImagePositionPatient = [0, 0, 0]
    with pytest.raises(VolumeError, match="no position"):
        read_volume(dicom_bytes(film))


def test_progress_is_told_and_may_cancel() -> None:
    """Every slice is reported; an error of the listener ends the reading and is not changed."""
    heard = []
    read_series(slices(), watch=Watch(on_progress=lambda done, total: heard.append((done, total))))
    assert heard == [(k + 1, 8) for k in range(8)]

    def cancel(_done, _total) -> None:
        raise KeyboardInterrupt("cancelled")

    with pytest.raises(KeyboardInterrupt, match="cancelled"):
        read_series(slices(), watch=Watch(on_progress=cancel))


def test_limits_and_forecast_come_before_pixels() -> None:
    """Too many voxels are refused; the forecast covers volume and slices."""
    with pytest.raises(TooLargeError, match="24×20×8 voxels"):
        read_series(slices(), limits=VolumeLimits(max_voxels=100))
    heard = []
    read_series(slices(), watch=Watch(before_reading=heard.append))
    assert heard[0].shape == (24, 20, 8)
    assert heard[0].what == "reading a CT of 24×20×8 voxels"


@pytest.mark.shared_data
def test_a_real_series_lies_as_its_label_map_says(shared_data) -> None:
    """Label 5 of the LAS map reads 89 ± 22 HU in our world coordinates (TotalSegmentator's pair).

    With the slices sorted by rising z, map slice k is ``seg[:, :, k].T[::-1]``.
    """
    import nibabel as nib

    folder = shared_data / "ct" / "totalseg_example_dicom20"
    found = read_volume(folder / "dicom")
    image = nib.load(folder / "labels" / "example_seg_dicom.nii.gz")
    labels = np.asarray(image.dataobj)
    mm = nib.affines.apply_affine(image.affine, np.argwhere(labels == 5))
    inside = found.volume.voxels[tuple(np.rint(found.volume.voxel(mm)).astype(int).T)]
    assert round(float(inside.mean())) == 89
    assert round(float(inside.std())) == 22
    flipped = np.stack([labels[:, :, k].T[::-1] for k in range(20)], axis=-1)
    by_hand = found.volume.voxels.transpose(1, 0, 2)[flipped == 5]
    np.testing.assert_array_equal(np.sort(inside), np.sort(by_hand))
    one = read_volume(sorted((folder / "dicom").iterdir())[7])
    np.testing.assert_array_equal(found.volume.voxels, one.volume.voxels)


@pytest.mark.shared_data
def test_other_real_files_are_read_or_told(shared_data) -> None:
    """Three slices head first, implicit VR; a lossy single slice; an 8-bit MR; a SEG."""
    found = read_volume(shared_data / "volumes" / "dcmqi" / "dicom")
    assert found.volume.shape == (512, 512, 3)
    assert round(found.volume.spacing_mm[2], 2) == 1.0
    for name, words in (
        ("dicom_single/samples/CT1_J2KI", "only one slice"),
        ("dicom_single/samples/MR-MONO2-8-16x-heart", "it is MR"),
        ("volumes/dcmqi/labels/liver.dcm", "it is SEG"),
    ):
        with pytest.raises(VolumeError, match=words):
            read_volume(shared_data / name)


@pytest.mark.parametrize("angles", [(0, 0), (20, 0), (0, 35), (25, -40)])
def test_oblique_series_lie_where_another_library_puts_them(tmp_path, angles) -> None:
    """SimpleITK's own series reader maps each voxel to the same point (it counts in LPS)."""
    import SimpleITK as sitk  # noqa: N813 – as its own documentation does

    a, b = np.radians(angles)
    across = np.array([np.cos(a), np.sin(a), 0])
    down = np.array([-np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)])
    folder = save(tmp_path / "ct", slices(orientation=(*across, *down)))
    found = read_volume(folder)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    corners = [(i, j, k) for i in (0, 23) for j in (0, 19) for k in (0, 7)]
    theirs = np.array([image.TransformIndexToPhysicalPoint(corner) for corner in corners])
    np.testing.assert_allclose(theirs * LPS, found.volume.world(corners), atol=1e-6)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, found.volume.voxels)
