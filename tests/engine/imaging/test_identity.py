"""What a file tells about a person is listed and gone; the pixels stay."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from engine.errors import PictureError, TooLargeError
from engine.imaging import pictures
from engine.imaging.identity import strip_identity

RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def a_dicom(samples: np.ndarray, photometric: str = "MONOCHROME2", frames: int = 1) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.PatientName, dataset.PatientID = "Roe^Jane", "4711"
    dataset.StudyDate, dataset.InstitutionName = "20260101", ""
    dataset.Rows, dataset.Columns = samples.shape[:2]
    dataset.SamplesPerPixel = 1 if samples.ndim == 2 else 3
    if samples.ndim == 3:
        dataset.PlanarConfiguration = 0
    bits = samples.dtype.itemsize * 8
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    dataset.PhotometricInterpretation = photometric
    if frames > 1:
        dataset.NumberOfFrames = frames
    dataset.PixelData = samples.tobytes() * frames
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def a_png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def test_text_of_a_png_is_listed_and_gone() -> None:
    """Its name is told, its value nowhere."""
    stripped = strip_identity(a_png(Author="Jane Roe", Comment="ward 3"))
    assert set(stripped.removed) == {"Author", "Comment"}
    assert b"Jane" not in stripped.data
    assert (pictures.decode(stripped.data)[..., 0] == RAMP).all()


def test_a_plain_picture_tells_nothing() -> None:
    """Nothing is listed that was not there, whichever the format."""
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"):
        file = io.BytesIO()
        Image.fromarray(RAMP).convert("RGB").save(file, kind)
        assert strip_identity(file.getvalue()).removed == (), kind


def test_a_turned_photo_is_stored_upright() -> None:
    """EXIF orientation 6 stands on its side: 4×3 becomes 3×4, and the tag is gone."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, "JPEG", exif=exif)
    stripped = strip_identity(file.getvalue())
    assert stripped.picture.shape == (4, 3, 3)
    assert stripped.removed == ()


def test_dicom_becomes_a_picture_without_a_patient() -> None:
    """The keywords of what was filled in are listed; grey is spread over its range, exactly."""
    stripped = strip_identity(a_dicom(RAMP.astype(np.uint16) * 10))
    assert {"PatientName", "PatientID", "StudyDate", "SOPInstanceUID"} <= set(stripped.removed)
    assert "InstitutionName" not in stripped.removed  # it was empty
    assert b"Roe" not in stripped.data
    assert (stripped.picture[..., 0] == np.round(np.arange(12).reshape(3, 4) * 255 / 11)).all()


def test_white_zero_and_colour_of_dicom() -> None:
    """MONOCHROME1 is turned round; RGB stays as it is."""
    turned = strip_identity(a_dicom(RAMP, "MONOCHROME1")).picture
    assert (turned[0, 0, 0], turned[-1, -1, 0]) == (255, 0)
    colour = np.stack([RAMP, RAMP + 1, RAMP + 2], axis=-1)
    assert (strip_identity(a_dicom(colour, "RGB")).picture == colour).all()


def test_what_cannot_be_read_is_refused() -> None:
    """Several frames, a torn file, text, too many pixels: a sentence each."""
    with pytest.raises(PictureError, match="one picture, but this one has 2 frames"):
        strip_identity(a_dicom(RAMP, frames=2))
    with pytest.raises(PictureError, match="damaged or packed"):
        strip_identity(a_dicom(RAMP)[:-5])
    with pytest.raises(PictureError, match="Expected a picture"):
        strip_identity(b"no picture")
    for data in (a_png(), a_dicom(RAMP)):
        with pytest.raises(TooLargeError, match="megapixels"):
            strip_identity(data, max_pixels=11)
