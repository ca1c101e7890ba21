"""Any files that hold a CT, to one volume in Hounsfield units, and the story of how.

Content decides, never a name. What cannot be trusted is refused or told; see the readers beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import MissingBackendError, VolumeError
from engine.imaging.volume_files.archives import Files, files_of
from engine.imaging.volume_files.results import ReadVolume, VolumeLimits, Watch
from engine.imaging.volume_files.sources import FileKind, Source, describe_stranger, sniff

__all__ = ["read_volume"]

_LIMITS = VolumeLimits()
_WATCH = Watch()
_LIBRARIES = {"nibabel": "nibabel", "SimpleITK": "SimpleITK", "pydicom": "pydicom"}


def read_volume(
    what: str | Path | bytes | Sequence[str | Path],
    *,
    limits: VolumeLimits = _LIMITS,
    watch: Watch = _WATCH,
    scratch: Path | None = None,
) -> ReadVolume:
    """Read a CT from a file, a folder, a ZIP, a list of files, or the bytes of a file or ZIP.

    DICOM (a series in any order; of one ``.dcm`` on a disk, its siblings in the same folder are
    gathered), NIfTI, NRRD and MHA. ``scratch`` is where temporary files may go.

    Raises
    ------
    VolumeError
        When there is no CT in HU that can be read; the sentence says why.
    TooLargeError
        When a limit is passed.
    MissingBackendError
        When a library or a decoder is not installed.
    """
    with files_of(what, limits) as files:
        return _read(files, limits=limits, watch=watch, scratch=scratch)


def _read(
    files: Files,
    *,
    limits: VolumeLimits,
    watch: Watch,
    scratch: Path | None,
) -> ReadVolume:
    sources = files.sources
    kinds = [sniff(source.start()) for source in sources]
    dicom = [source for source, kind in zip(sources, kinds, strict=True) if kind == "dicom"]
    singles = [at for at, kind in enumerate(kinds) if kind in ("nifti", "nrrd", "mha")]
    try:
        if dicom:
            from engine.imaging.volume_files.dicom_series import read_dicom

            found = read_dicom(
                dicom, limits=limits, watch=watch, only_series_of_first=files.has_siblings
            )
        elif len(singles) == 1:
            found = _read_single(
                sources[singles[0]], kinds[singles[0]], limits=limits, watch=watch, scratch=scratch
            )
        else:
            raise VolumeError(_nothing(sources, kinds))
    except ImportError as problem:
        raise _missing(problem) from problem
    return _with_strangers(found, Counter(kinds), len(dicom) if dicom else 1)


def _read_single(
    source: Source, kind: FileKind, *, limits: VolumeLimits, watch: Watch, scratch: Path | None
) -> ReadVolume:
    if kind == "nifti":
        from engine.imaging.volume_files.nifti import read_nifti

        return read_nifti(source, limits=limits, watch=watch)
    from engine.imaging.volume_files.itk_files import read_itk

    assert kind in ("nrrd", "mha")
    return read_itk(source, kind, limits=limits, watch=watch, scratch=scratch)


def _with_strangers(found: ReadVolume, kinds: Counter[FileKind], used: int) -> ReadVolume:
    others = kinds.total() - used
    if not others:
        return found
    words = f"{others} other files were left out."
    if kinds["zip"]:
        words += f" {kinds['zip']} of them are archives inside the archive, which are not opened."
    return replace(found, warnings=(*found.warnings, words))


def _nothing(sources: tuple[Source, ...], kinds: list[FileKind]) -> str:
    volumes = sum(kind in ("nifti", "nrrd", "mha") for kind in kinds)
    if volumes:
        return f"Expected one CT, but got {volumes} volumes; send the CT alone."
    if len(sources) == 1 and kinds[0] == "empty":
        return "Expected a CT, but the file is empty; send it again."
    if "zip" in kinds:
        return (
            "Expected a CT, but there is an archive inside the archive, which is not opened; "
            "unpack it and pack the files of the CT as one ZIP."
        )
    if len(sources) == 1:
        return f"Expected a CT, but got {describe_stranger(sources[0].start())}."
    return (
        f"Expected a CT, but none of the {len(sources)} files is DICOM, NIfTI, NRRD or MHA; send "
        "the files of the scan itself."
    )


def _missing(problem: ImportError) -> Exception:
    library = (problem.name or "").partition(".")[0]
    if library not in _LIBRARIES:
        return problem
    return MissingBackendError(
        f"Reading this file needs {library}, which is not installed; install it with "
        f"'pip install {_LIBRARIES[library]}', or send the CT in another format."
    )
