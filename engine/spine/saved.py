"""One detection in a folder of its own: written once, read by views and exports without copies.

The folder holds ``record.json`` (what was found, as it was found), ``result.json`` (the document,
names moved as the person moved them), ``hu.npy`` (int16 HU) and ``labels_<shift>.npy`` (uint8),
both in R, A, S and memory-mapped, and ``headers/*.dcm`` (de-identified, without pixels) where the
CT was DICOM. No pickle, and nothing of the uploaded files themselves.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.imaging.volume_files.results import SeriesNote
from engine.imaging.volumes import AxisTurn
from engine.spine.audit import Anchors, NumberingAudit
from engine.spine.detecting import moved_codes, renamed_findings
from engine.spine.documents import Document, findings_json
from engine.spine.results import Detection, Findings, FoundVertebra, Grid, ReadFacts, VoxelBounds
from engine.spine.vertebrae import Bounds, Point, Vertebra

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["SavedDetection", "save", "size_mb"]

_RECORD, _RESULT, _HU, _HEADERS = "record.json", "result.json", "hu.npy", "headers"
_SLAB = 16  # planes converted at a time: little memory beside the volume


def size_mb(shape: tuple[int, int, int], headers: int = 0) -> float:
    """Return how much room a saved CT of ``shape`` takes on the disk.

    >>> round(size_mb((512, 512, 275)))
    217
    """
    return (shape[0] * shape[1] * shape[2] * 3 + headers * 8000) / 1e6 + 1.0


def save(detection: Detection, folder: Path, headers: Sequence[Dataset] = ()) -> SavedDetection:
    """Write a detection; the folder appears when it is whole, under its final name.

    ``headers`` are the de-identified DICOM headers of the planes k, if any. The folder's parent
    has to exist, the folder itself not.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(mode=0o700)
    _, turn = detection.grid.canonical()
    _write_array(partial / _HU, turn.forth(detection.volume.voxels), np.dtype(np.int16))
    _write_array(partial / _labels_name(0), turn.forth(detection.labels), np.dtype(np.uint8))
    _write_headers(partial / _HEADERS, headers)
    base = replace(detection, shift=0)  # shifts count from what was saved
    _write_json(partial / _RECORD, _to_json(base, detection.grid))
    _write_json(partial / _RESULT, findings_json(base, detection.grid))
    partial.rename(folder)
    return SavedDetection.open(folder)


@final
class SavedDetection:
    """A detection read from its folder; arrays are memory-mapped and read-only.

    ``grid`` is that of the uploaded array, which ``vertebrae`` count voxels in; ``volume_grid``
    that of ``hu`` and ``labels``, whose axes point to R, A, S as closely as they can.
    """

    def __init__(self, folder: Path, base: Findings, grid: Grid, shift: int) -> None:
        self.folder = folder
        self.grid = grid
        self.volume_grid, self._turn = grid.canonical()
        self._base = base  # as it was found, without an audit
        self._shift = shift

    @classmethod
    def open(cls, folder: Path) -> SavedDetection:
        """Open the folder of a detection that :func:`save` wrote."""
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        result = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
        base, grid = _from_json(record)
        return cls(folder, base, grid, int(result["shift"]))

    @property
    def shift(self) -> int:
        """By how many levels a person moved all names."""
        return self._shift

    @property
    def turn(self) -> AxisTurn:
        """How the uploaded array's axes became R, A, S."""
        return self._turn

    @cached_property
    def hu(self) -> NDArray[np.int16]:
        """The CT in HU, ``(I, J, K) int16`` in R, A, S; memory-mapped."""
        return cast("NDArray[np.int16]", np.load(self.folder / _HU, mmap_mode="r"))

    @cached_property
    def labels(self) -> NDArray[np.uint8]:
        """The label map on the grid of ``hu``, ``uint8``, names moved; memory-mapped."""
        path = self.folder / _labels_name(self._shift)
        return cast("NDArray[np.uint8]", np.load(path, mmap_mode="r"))

    @property
    def labels_uploaded(self) -> NDArray[np.uint8]:
        """The label map on the grid of the uploaded array; a view, no copy."""
        return self._turn.back(self.labels)

    @property
    def volume_affine(self) -> NDArray[np.float64]:
        """``(4, 4)`` from indices of ``hu`` and ``labels`` to RAS+ mm."""
        return self.volume_grid.affine

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size of ``hu`` and ``labels`` to the right, front and head."""
        return self.volume_grid.spacing_mm

    @property
    def uploaded_affine(self) -> NDArray[np.float64]:
        """``(4, 4)`` from voxels of the uploaded array to RAS+ mm."""
        return self.grid.affine

    @cached_property
    def findings(self) -> Findings:
        """What was found, names moved and audited."""
        return renamed_findings(self._base, self._shift, self.grid)

    @property
    def vertebrae(self) -> tuple[FoundVertebra, ...]:
        """The vertebrae from the head down, names moved."""
        return self.findings.found

    @property
    def facts(self) -> ReadFacts:
        """How the CT was read."""
        return self._base.facts

    @cached_property
    def _document(self) -> Document:
        return cast("Document", json.loads((self.folder / _RESULT).read_text(encoding="utf-8")))

    def document(self) -> Document:
        """Return the result document, names moved; a fresh copy of the top level."""
        return dict(self._document)

    @property
    def has_headers(self) -> bool:
        """Whether the CT was DICOM and each plane k of the upload has a header."""
        return (self.folder / _HEADERS).is_dir()

    def headers(self) -> list[Dataset]:
        """Return the de-identified header of each plane k of the uploaded array, or none.

        Of a multi-frame object, whose planes share one header, that one.
        """
        import pydicom

        paths = sorted((self.folder / _HEADERS).glob("*.dcm"))
        return [pydicom.dcmread(path, force=True) for path in paths]

    def first_header(self) -> Dataset:
        """Return the first of :meth:`headers` without reading the others.

        Raises
        ------
        RequestError
            When there are none.
        """
        import pydicom

        path = min((self.folder / _HEADERS).glob("*.dcm"), default=None)
        if path is None:
            raise RequestError("This CT has no DICOM headers; ask has_headers first.")
        return pydicom.dcmread(path, force=True)

    def renamed(self, steps: int) -> SavedDetection:
        """Move all names by ``steps`` levels more, for good; return the detection as it is then.

        Arrays that somebody still reads keep the old names; the folder has the new ones.

        Raises
        ------
        RequestError
            When a name would leave the spine, or become S1 above a sacrum that was found.
        """
        shift = self._shift + steps
        moved = renamed_findings(self._base, shift, self.grid)
        path = self.folder / _labels_name(shift)
        if not path.exists():
            found = np.load(self.folder / _labels_name(0), mmap_mode="r")
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                np.save(file, moved_codes(self._base.found, moved.found)[found])
            partial.replace(path)
        # The document comes last: it says which label map counts.
        _write_json(self.folder / _RESULT, findings_json(moved, self.grid))
        return SavedDetection(self.folder, self._base, self.grid, shift)


def _labels_name(shift: int) -> str:
    return f"labels_{shift:+d}.npy"


def _write_array(path: Path, array: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Write an array as whole numbers, plane by plane in the order that it has in memory."""
    by_columns = abs(array.strides[0]) < abs(array.strides[2])
    target = np.lib.format.open_memmap(
        path, mode="w+", dtype=dtype, shape=array.shape, fortran_order=by_columns
    )
    slow = 2 if by_columns else 0
    limits = np.iinfo(dtype)
    planes, into = np.moveaxis(array, slow, 0), np.moveaxis(target, slow, 0)
    for start in range(0, planes.shape[0], _SLAB):
        slab = planes[start : start + _SLAB]
        if slab.dtype != dtype:
            slab = np.clip(np.rint(slab), limits.min, limits.max)
        into[start : start + _SLAB] = slab
    target.flush()


def _write_json(path: Path, document: Document) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    partial.replace(path)


def _write_headers(folder: Path, headers: Sequence[Dataset]) -> None:
    """Write headers; all of them or, when one cannot be written back, none."""
    if not headers:
        return
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    folder.mkdir()
    try:
        is_multi_frame = int(headers[0].get("NumberOfFrames") or 1) > 1
        for number, header in enumerate(headers[:1] if is_multi_frame else headers):
            header.file_meta = FileMetaDataset()
            header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            # Many real files lack identifiers that the standard wants: they are kept as they are.
            header.save_as(folder / f"{number:05d}.dcm", enforce_file_format=False)
    except (ValueError, TypeError, AttributeError, LookupError, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise  # the disk's, not pydicom's
        shutil.rmtree(folder)  # the result is worth more than its way back to DICOM


# --- the record ----------------------------------------------------------------------------------


def _to_json(findings: Findings, grid: Grid) -> Document:
    return {
        "shape": list(grid.shape),
        "affine": grid.affine.tolist(),
        "found": [
            {
                "vertebra": asdict(found.vertebra),
                "code": found.code,
                "centre_voxel": found.centre_voxel,
                "bounds_voxel": found.bounds_voxel,
            }
            for found in findings.found
        ],
        "anchors": asdict(findings.anchors),
        "facts": asdict(findings.facts),
        "backend": findings.backend,
        "model": findings.model,
        "task": findings.task,
        "timings_ms": dict(findings.timings_ms),
        "notes": list(findings.notes),
        "whole": findings.whole,
        "transitional": findings.transitional,
        "own": list(findings.own),
        "agreement": None if findings.agreement is None else list(findings.agreement),
        "has_sacrum": findings.has_sacrum,
    }


_NOT_AUDITED = NumberingAudit(
    verdict="ambiguous",
    probability=0.0,
    alternatives=(),
    issues=(),
    anchors=(),
    correction=None,
    confidences=(),
    truncated=(),
    order=(),
    sentences=(),
)


def _from_json(record: Mapping[str, Any]) -> tuple[Findings, Grid]:
    i, j, k = record["shape"]
    grid = Grid(shape=(i, j, k), affine=np.array(record["affine"], dtype=np.float64))
    agreement = record["agreement"]
    findings = Findings(
        found=tuple(_found(one) for one in record["found"]),
        audit=_NOT_AUDITED,
        anchors=_anchors(record["anchors"]),
        backend=record["backend"],
        model=record["model"],
        task=record["task"],
        facts=_facts(record["facts"]),
        timings_ms=record["timings_ms"],
        notes=tuple(record["notes"]),
        whole=record["whole"],
        transitional=record["transitional"],
        own=tuple(record["own"]),
        agreement=None if agreement is None else tuple(agreement),
        has_sacrum=record["has_sacrum"],
    )
    return findings, grid


def _found(one: Mapping[str, Any]) -> FoundVertebra:
    x, y, z = one["centre_voxel"]
    return FoundVertebra(
        vertebra=_vertebra(one["vertebra"]),
        code=one["code"],
        centre_voxel=(x, y, z),
        bounds_voxel=cast("VoxelBounds", tuple(tuple(end) for end in one["bounds_voxel"])),
    )


def _vertebra(fields: Mapping[str, Any]) -> Vertebra:
    bounds = fields["bounds_mm"]
    told = {
        **fields,
        "centre_mm": _point(fields["centre_mm"]),
        "bounds_mm": bounds and cast("Bounds", tuple(_point(end) for end in bounds)),
        "arch_mm": _point(fields["arch_mm"]),
        "flags": tuple(fields["flags"]),
    }
    return Vertebra(**told)


def _anchors(fields: Mapping[str, Any]) -> Anchors:
    points = {
        name: _point(fields[name]) for name in ("sacrum_mm", "dens_mm", "skull_mm", "liver_mm")
    }
    return Anchors(
        **points,
        rib_heads_mm=tuple(cast("Point", _point(head)) for head in fields["rib_heads_mm"]),
        ribs_looked_for=fields["ribs_looked_for"],
    )


def _facts(fields: Mapping[str, Any]) -> ReadFacts:
    return ReadFacts(
        kind=fields["kind"],
        frame=fields["frame"],
        series=SeriesNote(**fields["series"]),
        others=tuple(SeriesNote(**other) for other in fields["others"]),
        removed=tuple(fields["removed"]),
        warnings=tuple(fields["warnings"]),
    )


def _point(values: Sequence[float] | None) -> Point | None:
    if values is None:
        return None
    x, y, z = values
    return float(x), float(y), float(z)
