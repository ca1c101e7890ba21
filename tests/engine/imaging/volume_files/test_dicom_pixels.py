"""Compressed DICOM pixels: every kind that CTs come in, and what to do about the others."""

from __future__ import annotations

import signal
import zlib

import gdcm
import imagecodecs
import numpy as np
import psutil
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from engine.errors import MissingBackendError, TooLargeError, VolumeError
from engine.imaging.volume_files import codestreams, decoding, dicom_pixels, read_volume
from engine.imaging.volume_files.results import Watch
from tests.engine.imaging.volume_files.ct_files import dicom_bytes, enhanced, slices, values, zipped


def expected(count: int) -> np.ndarray:
    return np.stack([values(24, 20, k).T for k in range(count)], axis=-1).astype(np.float32)


def compressed(dataset, syntax, encode) -> bytes:
    """Return the file with each frame encoded by an encoder that the engine does not use."""
    stored = np.frombuffer(dataset.PixelData, "<u2").reshape(-1, dataset.Rows, dataset.Columns)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([encode(np.ascontiguousarray(frame)) for frame in stored])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dicom_bytes(dataset)


KINDS = [
    (
        JPEG2000Lossless,
        lambda frame: imagecodecs.jpeg2k_encode(frame, reversible=True, codecformat="j2k"),
    ),
    (JPEGLSLossless, imagecodecs.jpegls_encode),
    (JPEGLosslessSV1, imagecodecs.ljpeg_encode),
]


@pytest.mark.parametrize(("syntax", "encode"), KINDS)
def test_compressed_slices_read_exactly(syntax, encode) -> None:
    """JPEG 2000, JPEG-LS and lossless JPEG from another library give the same voxels."""
    files = {str(k): compressed(one, syntax, encode) for k, one in enumerate(slices())}
    np.testing.assert_array_equal(expected(8), read_volume(zipped(files)).volume.voxels)


@pytest.mark.parametrize(("syntax", "encode"), KINDS)
def test_compressed_frames_read_exactly(syntax, encode) -> None:
    """The same in one enhanced multi-frame file."""
    found = read_volume(compressed(enhanced(), syntax, encode))
    np.testing.assert_array_equal(expected(6), found.volume.voxels)


def test_rle_reads_exactly() -> None:
    """RLE (PS3.5 annex G), as pydicom's own encoder writes it."""
    files = {}
    for k, one in enumerate(slices()):
        one.compress(RLELossless, generate_instance_uid=False)
        files[str(k)] = dicom_bytes(one)
    np.testing.assert_array_equal(expected(8), read_volume(zipped(files)).volume.voxels)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_other_uncompressed_syntaxes_read_exactly(syntax) -> None:
    """Implicit, big endian and deflated files give the same voxels."""
    files = {}
    for k, one in enumerate(slices()):
        one.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            one.PixelData = np.frombuffer(one.PixelData, "<u2").astype(">u2").tobytes()
        again = pydicom.Dataset(one)
        again.file_meta = one.file_meta
        files[str(k)] = dicom_bytes(again)
    np.testing.assert_array_equal(expected(8), read_volume(zipped(files)).volume.voxels)


def test_files_without_preamble_read() -> None:
    """Old files start with their first element; the default syntax is implicit little endian."""
    files = {}
    for k, one in enumerate(slices()):
        one.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        again = pydicom.Dataset(one)
        again.file_meta = one.file_meta
        whole = dicom_bytes(again)
        length = int.from_bytes(whole[140:144], "little")
        files[str(k)] = whole[144 + length :]
    np.testing.assert_array_equal(expected(8), read_volume(zipped(files)).volume.voxels)


def test_a_missing_decoder_is_named_with_what_to_do() -> None:
    """High-throughput JPEG 2000 needs a library that is not here: the sentence says how."""
    files = {}
    for k, one in enumerate(slices()):
        files[str(k)] = compressed(one, HTJ2KLossless, lambda _frame: b"\xff\x4f\xff\x51")
    if pydicom.pixels.get_decoder(HTJ2KLossless).is_available:
        pytest.skip("a decoder for HTJ2K is installed")
    with pytest.raises(MissingBackendError, match=r"High-Throughput JPEG 2000.*pip install"):
        read_volume(zipped(files))


@pytest.mark.parametrize("syntax", [MPEG2MPML, "1.2.840.113619.5.2", "1.2.3"])
def test_syntaxes_that_are_no_ct_are_refused(syntax) -> None:
    """Video and private kinds end in a sentence."""
    with pytest.raises((VolumeError, MissingBackendError), match="export the CT uncompressed"):
        dicom_pixels.check_decoder(syntax)


def test_damaged_compressed_pixels_are_refused(capfd) -> None:
    """Noise instead of a JPEG 2000 stream names the slice; nothing is printed."""
    series = slices()
    encode = KINDS[0][1]
    files = {str(k): compressed(one, JPEG2000Lossless, encode) for k, one in enumerate(series)}
    files["2"] = compressed(
        slices()[2], JPEG2000Lossless, lambda frame: encode(frame)[:60] + b"\0" * 40
    )
    with pytest.raises(VolumeError, match="pixels of slice 3 are damaged"):
        read_volume(zipped(files))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("syntax", "encode"), KINDS)
def test_a_stream_that_states_another_size_is_never_decoded(monkeypatch, syntax, encode) -> None:
    """A picture of 2000 × 3000 in a slice of 20 × 24 could as well be 60,000 × 60,000."""
    big = np.zeros((2000, 3000), np.uint16)
    assert codestreams.stated_size(encode(big)) == (2000, 3000)
    files = {
        str(k): compressed(one, syntax, lambda _: encode(big)) for k, one in enumerate(slices())
    }
    monkeypatch.setattr(decoding.DecodingProcess, "decode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(VolumeError, match="pixels of slice 1 are damaged"):
        read_volume(zipped(files))


def test_a_deflated_bomb_is_refused() -> None:
    """A deflated data set (PS3.5 A.5) of zeros would inflate to gigabytes."""
    one = slices(count=1)[0]
    one.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    whole = dicom_bytes(one)
    length = int.from_bytes(whole[140:144], "little")
    pack = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = bytes(10_000_000)
    bomb = b"".join([pack.compress(block) for _ in range(40)]) + pack.flush()
    with pytest.raises(TooLargeError, match="unpacks to far more"):
        read_volume(whole[: 144 + length] + bomb)


def test_the_encoders_here_are_not_the_decoders_there() -> None:
    """The comparison means something: files are made by imagecodecs and read by GDCM."""
    assert gdcm.Version.GetVersion()
    assert "gdcm" in pydicom.pixels.get_decoder(JPEG2000Lossless).available_plugins


def children() -> list[psutil.Process]:
    """Return the decoding processes that run; a browser of other tests is none of ours."""
    return [process for process in psutil.Process().children(recursive=True) if is_decoder(process)]


def is_decoder(process: psutil.Process) -> bool:
    try:
        is_over = process.status() == psutil.STATUS_ZOMBIE
        return not is_over and "decoding_process" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def test_a_decoder_that_crashes_ends_in_a_sentence(monkeypatch) -> None:
    """Native decoders crash on some damaged streams; the process that dies is not this one."""
    usual = decoding.DecodingProcess.decode

    def crash(self, dataset, index):
        self._process.send_signal(signal.SIGSEGV)
        self._process.wait(10)
        return usual(self, dataset, index)

    before = children()
    files = {str(k): compressed(one, *KINDS[0]) for k, one in enumerate(slices())}
    monkeypatch.setattr(decoding.DecodingProcess, "decode", crash)
    with pytest.raises(VolumeError, match="pixels of slice 1 are damaged"):
        read_volume(zipped(files))
    assert children() == before


def test_a_decoder_that_hangs_is_ended(monkeypatch) -> None:
    """After the time limit the slice counts as damaged."""
    monkeypatch.setattr(decoding, "_TIMEOUT_S", 0.0)
    files = {str(k): compressed(one, *KINDS[0]) for k, one in enumerate(slices(count=2))}
    with pytest.raises(VolumeError, match=r"pixels of slice [12] are damaged"):
        read_volume(zipped(files))


def test_cancelling_leaves_no_process() -> None:
    """An error of the listener in the middle of a series ends all decoding processes."""

    def cancel(done, _total) -> None:
        if done == 5:
            raise KeyboardInterrupt("cancelled")

    before = children()
    files = {str(k): compressed(one, *KINDS[0]) for k, one in enumerate(slices(count=20))}
    with pytest.raises(KeyboardInterrupt, match="cancelled"):
        read_volume(zipped(files), watch=Watch(on_progress=cancel))
    assert children() == before
