"""What names a person never gets past the header: not into results, logs, warnings or messages."""

from __future__ import annotations

import logging
import re

import pydicom
import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from engine.errors import VolumeError
from engine.imaging.volume_files import read_volume
from engine.imaging.volume_files.deidentification import (
    _ENTERED_TAGS,
    _KEPT_TAGS,
    _REPLACED_TAGS,
    Deidentifier,
)
from tests.engine.imaging.volume_files.ct_files import (
    PERSON,
    ct_slice,
    dicom_bytes,
    enhanced,
    slices,
    values,
    zipped,
)

# From table E.1-1 of PS3.15: removed (X), emptied (Z) or replaced by a dummy (D).
TABLE = """
    AccessionNumber AcquisitionComments AcquisitionDate AcquisitionDateTime AcquisitionTime
    AcquisitionDeviceProcessingDescription AcquisitionProtocolDescription
    AdditionalPatientHistory AdmissionID AdmittingDate AdmittingDiagnosesDescription Allergies
    BranchOfService ClinicalTrialSubjectID ClinicalTrialSponsorName ConsultingPhysicianName
    ContentCreatorName ContentDate ContentTime ContrastBolusAgent ContributionDescription
    CountryOfResidence DateOfSecondaryCapture DerivationDescription DetectorID
    DeviceSerialNumber DeviceDescription DischargeDiagnosisDescription
    EthnicGroup FrameComments GantryID GeneratorID IconImageSequence ImageComments
    InstanceCreationDate InstanceCreationTime InstitutionAddress InstitutionName
    InstitutionalDepartmentName InsurancePlanIdentification IssuerOfPatientID LastMenstrualDate
    MedicalAlerts MedicalRecordLocator MilitaryRank NameOfPhysiciansReadingStudy Occupation
    OperatorsName OriginalAttributesSequence OtherPatientIDs OtherPatientNames PatientAddress
    PatientAge PatientBirthDate PatientBirthName PatientBirthTime PatientComments PatientID
    PatientMotherBirthName PatientName PatientReligiousPreference PatientSex PatientSize
    PatientTelephoneNumbers PatientWeight PerformedLocation PerformedProcedureStepDescription
    PerformedProcedureStepID PerformedProcedureStepStartDate PerformedProcedureStepStartTime
    PerformedStationName PerformingPhysicianName PhysiciansOfRecord PlateID PregnancyStatus
    ProtocolName ReasonForStudy ReferencedImageSequence ReferencedPatientSequence
    ReferencedStudySequence ReferringPhysicianAddress ReferringPhysicianName
    ReferringPhysicianTelephoneNumbers RegionOfResidence RequestAttributesSequence
    RequestedProcedureComments RequestedProcedureDescription RequestedProcedureID
    RequestingPhysician RequestingService ResponsiblePerson ScheduledPerformingPhysicianName
    ScheduledProcedureStepDescription SeriesDate SeriesDescription SeriesTime SmokingStatus
    SourceImageSequence SpecialNeeds StationName StudyComments StudyDate StudyDescription StudyID
    StudyTime TimezoneOffsetFromUTC TimeOfLastCalibration DateOfLastCalibration VisitComments
"""
UIDS = "StudyInstanceUID SeriesInstanceUID SOPInstanceUID FrameOfReferenceUID"
ALL_UIDS = (
    UIDS
    + """
    AcquisitionUID ConcatenationUID DeviceUID DimensionOrganizationUID InstanceCreatorUID
    IrradiationEventUID ReferencedSOPInstanceUID SynchronizationFrameOfReferenceUID TransactionUID
"""
)


def secret(vr: str) -> object:
    """Return a value of the person's for each kind of field."""
    item = Dataset()
    item.PatientName = PERSON
    kinds = {"SQ": Sequence([item]), "DA": "19010203", "TM": "121314", "DT": "19010203121314"}
    kinds |= {"PN": PERSON, "AS": "042Y", "DS": "81.5", "CS": "SECRET", "US": 4, "IS": "12"}
    return kinds.get(vr, PERSON)


def test_nothing_of_the_profiles_table_survives() -> None:
    """Every field of PS3.15 table E.1-1 is removed or emptied, and its name is told."""
    dataset = ct_slice(values(24, 20, 0), position=(0, 0, 0))
    for keyword in TABLE.split():
        dataset.add_new(keyword, dictionary_VR(keyword), secret(dictionary_VR(keyword)))
    deidentifier = Deidentifier()
    cleaned = deidentifier.clean(dataset)
    assert [keyword for keyword in TABLE.split() if cleaned.get(keyword)] == []
    told = " ".join(deidentifier.removed)
    for keyword in TABLE.split():
        assert pydicom.datadict.dictionary_description(keyword) in told
    assert not re.search(r"Nemo|4711|Nautilus|1901|SECRET|81\.5", f"{cleaned}{told}")
    assert (cleaned.PatientIdentityRemoved, cleaned.PatientName) == ("YES", "")
    assert cleaned.DeidentificationMethodCodeSequence[0].CodeValue == "113100"


def test_what_stays_is_not_in_the_table() -> None:
    """The list of what may stay and the profile's table have nothing in common."""
    table = {tag_for_keyword(keyword) for keyword in (TABLE + ALL_UIDS).split()}
    assert None not in table
    assert not table & _KEPT_TAGS
    assert not table & _ENTERED_TAGS
    assert {tag_for_keyword(keyword) for keyword in ALL_UIDS.split()} >= _REPLACED_TAGS


def test_identifiers_are_replaced_consistently_and_cannot_be_led_back() -> None:
    """The same UID becomes the same new one within a reading, and another one in the next."""
    first, second = (ct_slice(values(24, 20, 0), position=(0, 0, k), number=k) for k in (1, 2))
    deidentifier = Deidentifier()
    one, two = deidentifier.clean(first), deidentifier.clean(second)
    assert one.SeriesInstanceUID == two.SeriesInstanceUID
    assert one.SOPInstanceUID != two.SOPInstanceUID
    for keyword in UIDS.split():
        assert one[keyword].value.is_valid
        assert one[keyword].value.startswith("2.25.")
        assert one[keyword].value != first[keyword].value
    assert Deidentifier().clean(first).SeriesInstanceUID != one.SeriesInstanceUID
    again = [Deidentifier(b"key").clean(first).SeriesInstanceUID for _ in range(2)]
    assert again[0] == again[1]
    assert one.SOPClassUID == first.SOPClassUID
    assert "Series Instance UID (replaced)" in deidentifier.removed


def test_private_fields_and_nested_texts_go() -> None:
    """Private groups vanish at every depth; they are counted, since their names are free."""
    film = enhanced()
    film.PerFrameFunctionalGroupsSequence[0].add_new(0x00111001, "LO", PERSON)
    deidentifier = Deidentifier()
    cleaned = deidentifier.clean(film)
    assert PERSON not in str(cleaned)
    assert not any(element.tag.is_private for element in cleaned.iterall())
    assert deidentifier.removed[-1] == "Private fields (3)"
    assert "Frame Comments" in deidentifier.removed
    first = cleaned.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    assert first.ImagePositionPatient == [-24, -18, -14]


def test_the_header_that_came_is_not_changed() -> None:
    """Whoever holds the original keeps it as it was."""
    dataset = ct_slice(values(24, 20, 0), position=(0, 0, 0))
    before = dicom_bytes(dataset)
    Deidentifier().clean(dataset)
    assert dicom_bytes(dataset) == before


def test_nothing_of_the_person_reaches_results_logs_or_messages(caplog, capfd, recwarn) -> None:
    """Read well, read badly, refused: no value of the header is shown anywhere."""
    caplog.set_level(logging.DEBUG)

    def broken(dataset, _k) -> None:
        dataset.add_new("PatientBirthDate", "DA", "BORN-Nemo")
        dataset.add_new("PatientSize", "DS", "1.80")
        dataset["PatientSize"]._value = "Nemo"  # no number: a checker would quote it
        dataset.add_new("SpecificCharacterSet", "CS", "ISO_NEMO")

    def refused(dataset, _k) -> None:
        dataset.Modality = "MR"
        dataset.SeriesDescription = PERSON

    good = zipped({f"{PERSON}/{k}": dicom_bytes(one) for k, one in enumerate(slices())})
    bad = zipped({f"{PERSON}{k}": dicom_bytes(one) for k, one in enumerate(slices(change=broken))})
    none = zipped(
        {f"{PERSON}{k}": dicom_bytes(one) for k, one in enumerate(slices(change=refused))}
    )
    recwarn.clear()  # of writing such files
    shown = [repr(read_volume(good)), repr(read_volume(bad))]
    with pytest.raises(VolumeError, match="it is MR") as caught:
        read_volume(none)
    shown += [str(caught.value), caplog.text, *capfd.readouterr()]
    shown += [str(warning.message) for warning in recwarn]
    assert not re.search(r"Nemo|NEMO|4711|Nautilus", " ".join(shown))
    assert "Patient's Name" in read_volume(good).removed


def test_headers_of_the_planes_are_clean_and_in_order() -> None:
    """The headers that a segmentation object needs come along, one for each plane."""
    found = read_volume(zipped({str(k): dicom_bytes(one) for k, one in enumerate(slices())}))
    assert [header.ImagePositionPatient[2] for header in found.headers] == [
        -14 + 2 * k for k in range(8)
    ]
    assert len({header.SOPInstanceUID for header in found.headers}) == 8
    assert len({header.SeriesInstanceUID for header in found.headers}) == 1
    assert PERSON not in "".join(map(str, found.headers))


def test_burned_in_text_is_told() -> None:
    """Pixels may show a name; when the header says so, so do we."""

    def change(dataset, _k) -> None:
        dataset.BurnedInAnnotation = "YES"

    found = read_volume(
        zipped({str(k): dicom_bytes(one) for k, one in enumerate(slices(change=change))})
    )
    assert "text is written into the pictures" in found.warnings[0]
