"""DICOM headers without the person: done to each header before anything else looks at it.

DICOM PS3.15, annex E, Basic Application Level Confidentiality Profile. Its table E.1-1 lists what
must go; we list what may stay (geometry, pixels, exposure: none of it in that table), so that what
a table forgot goes too. Identifiers that other objects refer to are replaced consistently;
required fields about the person stay, empty. Values are never kept, returned or logged.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import warnings
from typing import final

import pydicom
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

__all__ = ["Deidentifier", "quiet_pydicom"]

_KEPT = """
    ImageType SOPClassUID Modality ConversionType PatientPosition
    ScanOptions SliceThickness KVP SpacingBetweenSlices DataCollectionDiameter
    ReconstructionDiameter DistanceSourceToDetector DistanceSourceToPatient GantryDetectorTilt
    TableHeight RotationDirection ExposureTime XRayTubeCurrent Exposure GeneratorPower FocalSpots
    ConvolutionKernel RevolutionTime SingleCollimationWidth TotalCollimationWidth TableSpeed
    TableFeedPerRotation SpiralPitchFactor DataCollectionCenterPatient
    ReconstructionTargetCenterPatient ExposureModulationType CTDIvol AcquisitionType
    BodyPartExamined SeriesNumber AcquisitionNumber InstanceNumber ImagePositionPatient
    ImageOrientationPatient SliceLocation Laterality ImageLaterality TemporalPositionIdentifier
    NumberOfTemporalPositions TemporalPositionIndex InStackPositionNumber FrameAcquisitionNumber
    InConcatenationNumber InConcatenationTotalNumber FrameType PixelPresentation
    VolumetricProperties VolumeBasedCalculationTechnique SamplesPerPixel
    PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows Columns PixelSpacing
    PixelAspectRatio BitsAllocated BitsStored HighBit PixelRepresentation SmallestImagePixelValue
    LargestImagePixelValue PixelPaddingValue PixelPaddingRangeLimit BurnedInAnnotation
    WindowCenter WindowWidth RescaleIntercept RescaleSlope RescaleType LossyImageCompression
    LossyImageCompressionRatio LossyImageCompressionMethod
"""
_ENTERED = """
    SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence PixelMeasuresSequence
    PlanePositionSequence PlaneOrientationSequence PixelValueTransformationSequence
    FrameContentSequence CTImageFrameTypeSequence
"""
_REPLACED = """
    StudyInstanceUID SeriesInstanceUID SOPInstanceUID FrameOfReferenceUID ConcatenationUID
"""
_EMPTIED = """
    PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime AccessionNumber
    ReferringPhysicianName StudyID Manufacturer
"""
_UNREADABLE = (
    *(ValueError, TypeError, ArithmeticError, LookupError, NotImplementedError),
    BytesLengthException,
)
_STANDARD_UIDS = "1.2.840.10008."  # of the standard itself: they point to nobody


def _tags(keywords: str) -> frozenset[int]:
    found = {keyword: tag_for_keyword(keyword) for keyword in keywords.split()}
    return frozenset(tag for tag in found.values() if tag is not None)


_KEPT_TAGS, _ENTERED_TAGS = _tags(_KEPT), _tags(_ENTERED)
_REPLACED_TAGS, _EMPTIED_TAGS = _tags(_REPLACED), _tags(_EMPTIED)


def quiet_pydicom() -> None:
    """Keep pydicom from writing values of headers into warnings and logs.

    Its reading checks are switched to "ignore" for the process: we check what we use ourselves.
    """
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom\.")


@final
class Deidentifier:
    """Cleans headers and remembers the names of what it took out.

    With the same ``key`` the same identifier always becomes the same new one; without one a fresh
    secret is drawn, so that nobody can lead the new identifiers back.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)
        self._removed: set[str] = set()
        self._replaced: set[str] = set()
        self._private = 0

    @property
    def removed(self) -> tuple[str, ...]:
        """Names of all fields taken out so far, in order of the alphabet; never a value."""
        names = sorted(self._removed | {f"{name} (replaced)" for name in self._replaced})
        if self._private:
            names.append(f"Private fields ({self._private})")
        return tuple(names)

    def uid(self, original: str) -> str:
        """Return the identifier that stands for ``original``: 2.25 and a number (PS3.5 B.2)."""
        text = str(original).strip()
        if not text or text.startswith(_STANDARD_UIDS):
            return text
        digest = hmac.digest(self._key, text.encode(), hashlib.sha256)
        return f"2.25.{int.from_bytes(digest[:16], 'big')}"

    def clean(self, header: Dataset) -> Dataset:
        """Return a new header that holds only what may stay; ``header`` is not changed."""
        cleaned = self._cleaned(header)
        for tag in _EMPTIED_TAGS:
            cleaned.add_new(tag, pydicom.datadict.dictionary_VR(tag), "")
        cleaned.PatientIdentityRemoved = "YES"
        cleaned.DeidentificationMethod = "Lightbox; PS3.15 Basic Profile"
        method = Dataset()
        method.CodeValue, method.CodingSchemeDesignator = "113100", "DCM"
        method.CodeMeaning = "Basic Application Confidentiality Profile"
        cleaned.DeidentificationMethodCodeSequence = Sequence([method])
        cleaned.LongitudinalTemporalInformationModified = "REMOVED"
        return cleaned

    def _cleaned(self, header: Dataset) -> Dataset:
        cleaned = Dataset()
        for tag in header.keys():  # noqa: SIM118 – iterating a Dataset would convert every value
            tag = BaseTag(tag)
            if tag.element == 0:  # lengths of groups
                continue
            if tag.is_private:
                self._private += 1
            elif tag in _ENTERED_TAGS:
                items = header[tag].value or []
                cleaned.add_new(tag, "SQ", Sequence([self._cleaned(item) for item in items]))
            elif tag in _REPLACED_TAGS:
                self._replace(header, cleaned, tag)
            elif tag not in _KEPT_TAGS or not _keep(header, cleaned, tag):
                self._note(header, tag)
        return cleaned

    def _replace(self, header: Dataset, cleaned: Dataset, tag: BaseTag) -> None:
        value = header[tag].value
        if value:
            self._replaced.add(_name(tag))
        cleaned.add_new(tag, "UI", self.uid(str(value or "")))

    def _note(self, header: Dataset, tag: BaseTag) -> None:
        if header.get_item(tag).value not in (None, b"", ""):
            self._removed.add(_name(tag))


def _keep(header: Dataset, cleaned: Dataset, tag: BaseTag) -> bool:
    """Copy an element; one whose value cannot be read goes, as if it were not there."""
    try:
        element = header[tag]
        _ = element.value
    except _UNREADABLE:
        return False
    cleaned[tag] = element
    return True


def _name(tag: BaseTag) -> str:
    try:
        return dictionary_description(tag)
    except KeyError:
        return "Unknown field"
