"""The report: everything in one file, the verdict first, words escaped, nobody named."""

from __future__ import annotations

import base64
import io
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pypdf
import pytest

from engine.imaging.palettes import to_hex
from engine.spine.exports.report_pages import report_html
from engine.spine.exports.report_prints import report_pdf
from engine.spine.pictures import LABEL_COLOURS
from engine.spine.saved import SavedDetection
from tests.engine.imaging.volume_files.ct_files import PERSON, slices
from tests.engine.spine.shaped_spines import CODES, SPINE, ball, saved_from_files, saved_shapes

WHEN = datetime(2026, 5, 4, 13, 7, tzinfo=UTC)


class Page(HTMLParser):
    """Collects text, pictures, addresses and table cells; fails on unclosed elements."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.names: set[str] = set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.names.add(tag)
        if tag == "img":
            self.pictures.append(dict(attrs))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close an element, the last that was opened."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect words."""
        if self.open and self.open[-1] == "style":
            return
        self.words.append(data)
        if "tr" in self.open and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()

    @property
    def text(self) -> str:
        """All words with single spaces."""
        return " ".join(" ".join(self.words).split())


def printed(data: bytes) -> str:
    """Return the text of a PDF with single spaces."""
    pages = pypdf.PdfReader(io.BytesIO(data)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedDetection:
    return saved_shapes(tmp_path_factory.mktemp("spine"))


@pytest.fixture(scope="module")
def html(saved: SavedDetection) -> str:
    return report_html(saved, when=WHEN).decode("utf-8")


@pytest.fixture(scope="module")
def pdf(saved: SavedDetection) -> bytes:
    return report_pdf(saved, when=WHEN)


def test_the_verdict_comes_before_pictures_and_table(saved: SavedDetection, html: str) -> None:
    """Whoever reads one line reads whether the names can be trusted."""
    lead = saved.document()["audit"]["sentences"][0].rstrip(".")
    assert html.index(lead.split(" (")[0]) < html.index("<img") < html.index("<table")
    assert f'class="verdict {saved.document()["audit"]["verdict"]}"' in html


def test_every_sentence_of_the_audit_is_told(saved: SavedDetection, html: str, pdf: bytes) -> None:
    """On the page and in print."""
    page, print_ = Page(html).text, printed(pdf)
    for sentence in saved.document()["audit"]["sentences"]:
        assert sentence in page
        assert " ".join(sentence.split()) in print_.replace("\xa0", " ")


def test_the_table_has_a_row_for_each_vertebra(saved: SavedDetection, html: str) -> None:
    """Name, height, volume, CT number, centre and confidence, with units in the head."""
    head, *rows = Page(html).rows
    assert head[:4] == ["Name", "Height (mm)", "Volume (ml)", "Mean (HU)"]
    assert [row[0] for row in rows] == list(SPINE)
    for row, vertebra in zip(rows, saved.document()["vertebrae"], strict=True):
        assert float(row[2]) == pytest.approx(vertebra["volume_ml"], abs=0.051)
        assert row[3] == "300"
        centre = [float(part.replace("−", "-")) for part in row[4].split(", ")]
        assert centre == pytest.approx([vertebra["center_mm"][axis] for axis in "xyz"], abs=0.51)


def test_names_carry_the_colours_of_the_pictures(html: str) -> None:
    """A swatch beside each name."""
    for name in SPINE:
        colour = to_hex(LABEL_COLOURS[CODES[name]])
        assert re.search(rf'background:{colour}"></span>{name}</th>', html)


def test_nothing_is_fetched_or_run(html: str) -> None:
    """No script, no link, no address; a content policy forbids what is not inside."""
    page = Page(html)
    assert not page.names & {"script", "link", "iframe", "object", "form", "a"}
    assert all((picture["src"] or "").startswith("data:image/jpeg") for picture in page.pictures)
    assert "default-src 'none'" in html
    assert not re.search(r"https?://|url\(|@import", html)


def test_pictures_can_be_decoded_and_are_described(html: str) -> None:
    """Sagittal, coronal and 3-D, each with words for who cannot see it, in colour."""
    pictures = Page(html).pictures
    assert [str(picture["alt"]).split(",")[0] for picture in pictures] == [
        "Sagittal", "Coronal", "From the front and left",
    ]  # fmt: skip
    for picture in pictures:
        data = base64.b64decode(str(picture["src"]).split(",", 1)[1])
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert (pixels.shape[1], pixels.shape[0]) == (
            int(str(picture["width"])),
            int(str(picture["height"])),
        )
        assert (np.ptp(pixels.astype(int), axis=2) > 60).sum() > 500


def test_it_works_in_dark_and_in_print(html: str) -> None:
    """Styles for a dark screen and for A4 are inside."""
    assert "prefers-color-scheme: dark" in html
    assert "size: A4" in html
    assert "@media print" in html


def test_the_disclaimer_stands_once(saved: SavedDetection, html: str, pdf: bytes) -> None:
    """Early, and not again and again."""
    notice = saved.document()["disclaimer"]
    assert Page(html).text.count(notice) == 1
    assert printed(pdf).count("Not a medical device") == 1


def test_the_time_is_the_one_that_was_given(html: str, pdf: bytes) -> None:
    """When the report was made, not when the patient was scanned."""
    assert "2026-05-04 13:07 UTC" in html
    assert "2026-05-04 13:07 UTC" in printed(pdf)


def test_print_has_selectable_text_pictures_and_a_title(saved: SavedDetection, pdf: bytes) -> None:
    """A4, three pictures, every name and number as text, special characters included."""
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert [round(float(side)) for side in reader.pages[0].mediabox[2:]] == [595, 842]
    assert len(reader.pages) <= 2
    assert len(reader.pages[0].images) == 3
    assert reader.metadata.title == "Vertebrae in a CT"
    words = printed(pdf)
    for text in (*SPINE, "Height (mm)", "48 × 44 × 84", "−", "Page 1"):
        assert text in words


def test_words_of_others_are_escaped(tmp_path: Path) -> None:
    """Notes, warnings and models may hold anything, and stay words."""
    nasty = '<script>alert(1)</script> & <b>bold</b> "quoted" → ≥ 中'
    saved = saved_shapes(
        tmp_path, {"L1": SPINE["L1"]}, notes=(nasty,), warnings=(nasty,), model="<i>x</i>"
    )
    html = report_html(saved).decode("utf-8")
    page = Page(html)
    assert "script" not in page.names
    assert nasty in page.text
    words = printed(report_pdf(saved))
    assert "<script>alert(1)</script> & <b>bold</b>" in words
    assert "?" in words  # the one letter that the font lacks


def test_an_empty_detection_has_a_report(tmp_path: Path) -> None:
    """It says that nothing was found, shows the CT, and has no table."""
    saved = saved_shapes(tmp_path, {})
    html = report_html(saved).decode("utf-8")
    assert "No vertebra was found." in html
    assert "<table" not in html
    assert len(Page(html).pictures) == 2
    assert "No vertebra was found." in printed(report_pdf(saved))


def test_a_cut_vertebra_and_moved_names_are_told(tmp_path: Path) -> None:
    """Remarks name what the border cuts; a shift by a person stands among the reasons."""
    shapes = {"L1": SPINE["L1"], "L2": SPINE["L2"], "L3": ball((8.0, -6.0, -172.0), 15.0)}
    saved = saved_shapes(tmp_path, shapes).renamed(1)
    page = Page(report_html(saved).decode("utf-8"))
    assert "cut by the border" in page.rows[-1][-1]
    assert page.rows[-1][0] == "L4"
    assert "A person moved all names 1 level down." in page.text


def test_a_long_spine_prints_on_several_pages(tmp_path: Path) -> None:
    """All 24 names are in the table, whose head is repeated."""
    names = [name for name in CODES if name not in ("T13", "L6", "S1")]
    shapes = {name: ball((0.0, 0.0, -14.0 * n), 6.0) for n, name in enumerate(names)}
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = (-30.0, -30.0, -340.0)
    saved = saved_shapes(tmp_path, shapes, shape=(21, 21, 120), affine=affine)
    data = report_pdf(saved)
    words = printed(data)
    assert 2 <= len(pypdf.PdfReader(io.BytesIO(data)).pages) <= 3
    assert all(f" {name} " in words for name in names)


def test_nothing_of_the_person_is_in_it(tmp_path: Path) -> None:
    """No name, id, date, institution or description of the upload, not even in metadata."""
    files = tmp_path / "files"
    files.mkdir()
    for number, dataset in enumerate(slices(count=46, series="1.2.840.99999.77.1")):
        dataset.save_as(files / f"{number:03d}.dcm", enforce_file_format=True)
    saved = saved_from_files(files, tmp_path, {"L1": ball((0.0, 0.0, 20.0), 9.0)})
    pdf = report_pdf(saved)
    metadata = str(pypdf.PdfReader(io.BytesIO(pdf)).metadata)
    html = report_html(saved).decode("utf-8")
    assert PERSON not in html
    everything = Page(html).text + printed(pdf) + metadata  # without the letters of pictures
    for secret in (PERSON, "Captain", "4711", "19010203", "20200304", "1901", "Nautilus", "99999"):
        assert secret not in everything
    assert "header fields were removed or replaced" in everything
