"""A report as PDF on A4, with text that can be selected and searched."""

from __future__ import annotations

import io
import unicodedata
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from engine.catalogue.reports.content import NOTICE, PatientReport, enough, share_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.catalogue.reports.content import Counted, Finding, SampleSection, Shown
    from engine.imaging.palettes import Colour

__all__ = ["report_pdf"]

_PLAIN, _BOLD = "Lightbox-Report", "Lightbox-Report-Bold"
_MARGIN_MM: Final = 14.0
_PAGE_MM: Final = 210.0 - 2 * _MARGIN_MM - 4.5  # reportlab's frame keeps 6 points on each side
_GAP_MM: Final = 4.0
_TALLEST_MM: Final = 90.0
_INK, _SOFT, _LINE, _TONE = "#111111", "#4a525a", "#d0d7de", "#0b5f7c"


def report_pdf(report: PatientReport) -> bytes:
    """Return the document; letters that the font lacks are set without their marks, or as "?"."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    _register_fonts()
    file, margin = io.BytesIO(), _MARGIN_MM * mm
    template = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=margin,
        rightMargin=margin,
        topMargin=margin,
        bottomMargin=margin,
        title=report.title,
        author="Lightbox",
        creator="Lightbox",
        lang="en",
    )

    def foot(canvas: Any, page: Any) -> None:  # noqa: ANN401 – reportlab has no types
        canvas.saveState()
        canvas.setFont(_PLAIN, 7)
        canvas.setFillGray(0.35)
        line = f"{report.title}. {report.made}. {NOTICE}"
        canvas.drawString(page.leftMargin + 6, 0.55 * margin, _known(line)[:120])
        end = page.pagesize[0] - page.rightMargin - 6
        canvas.drawRightString(end, 0.55 * margin, f"Page {canvas.getPageNumber()}")
        canvas.restoreState()

    template.build(_story(report), onFirstPage=foot, onLaterPages=foot)
    return file.getvalue()


def _story(report: PatientReport) -> list[Any]:
    from reportlab.platypus import Spacer

    parts = [
        _paragraph(f'<font size="15"><b>{_text(report.title)}</b></font>', leading=20),
        _paragraph(f"{_text(report.made)}. {_text(NOTICE)}", size=8, colour=_SOFT),
        Spacer(1, 6),
        *(_paragraph(f"<b>{_text(name)}:</b> {_text(value)}") for name, value in report.facts),
        _heading("Findings"),
        *map(_finding, report.findings),
    ]
    if not report.findings:
        parts.append(_paragraph("None yet.", colour=_SOFT))
    parts += [_heading("All samples"), *_counts(report.counted, report.colours)]
    for section in report.samples:
        parts += _sample(section, report.colours)
    if report.left_out:
        parts.append(_paragraph(_text(report.left_out)))
    return parts


def _finding(finding: Finding) -> Any:  # noqa: ANN401 – reportlab has no types
    from reportlab.lib.colors import HexColor
    from reportlab.lib.units import mm
    from reportlab.platypus import Table, TableStyle

    codes = f" {_text(', '.join(finding.codes))}" if finding.codes else ""
    lines = [_paragraph(f"<b>{_text(finding.adequacy)}</b>{codes}")]
    lines += [_paragraph(_text(line)) for line in finding.comments.splitlines() if line.strip()]
    lines.append(_paragraph(_text(finding.by), size=7.6, colour=_SOFT))
    # A row for each line, so that a long comment may go over to the next page.
    box = Table([[line] for line in lines], colWidths=[_PAGE_MM * mm], hAlign="LEFT")
    box.setStyle(
        TableStyle(
            [
                ("LINEBEFORE", (0, 0), (0, -1), 2, HexColor(_TONE)),
                ("LEFTPADDING", (0, 0), (-1, -1), 8),
                ("TOPPADDING", (0, 0), (-1, -1), 1),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
            ]
        )
    )
    return box


def _sample(section: SampleSection, colours: Mapping[str, Colour]) -> list[Any]:
    from reportlab.platypus import KeepTogether

    head = [
        _heading(section.title),
        _paragraph(_text(". ".join(section.lines) + "."), size=7.8, colour=_SOFT),
    ]
    rows = [_figures(section.pictures[at : at + 2]) for at in range(0, len(section.pictures), 2)]
    if not rows:
        return [KeepTogether(head), *_counts(section.counted, colours)]
    return [KeepTogether([*head, rows[0]]), *rows[1:], *_counts(section.counted, colours)]


def _figures(shown: tuple[Shown, ...]) -> Any:  # noqa: ANN401 – reportlab has no types
    """Set one or two pictures side by side."""
    from reportlab.lib.units import mm
    from reportlab.platypus import Image, Table, TableStyle

    wide = (_PAGE_MM - _GAP_MM) / 2
    pictures, captions = [], []
    for one in shown:
        scale = min(wide / one.width_px, _TALLEST_MM / one.height_px)
        size = (one.width_px * scale * mm, one.height_px * scale * mm)
        pictures.append(Image(io.BytesIO(one.jpeg), *size, hAlign="LEFT"))
        captions.append(_paragraph(_text(one.caption), size=7.4, colour=_SOFT))
    table = Table(
        [pictures, captions], colWidths=[(wide + _GAP_MM) * mm] * len(shown), hAlign="LEFT"
    )
    plain = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    table.setStyle(TableStyle([*plain, ("TOPPADDING", (0, 0), (-1, -1), 3)]))
    return table


def _counts(counted: Counted, colours: Mapping[str, Colour]) -> list[Any]:
    from reportlab.lib.colors import Color, HexColor
    from reportlab.lib.units import mm
    from reportlab.platypus import Table, TableStyle

    note = _paragraph(_text(enough(counted)), size=7.8, colour=_SOFT)
    if not counted.total:
        return [note]
    head = ["", "Kind", "Cells", "Share (95 % interval, Wilson)"]
    body = [
        ["", _paragraph(_text(share.name)), f"{share.count:,}", share_words(share)]
        for share in counted.shares
    ]
    table = Table(
        [head, *body], colWidths=[n * mm for n in (4, 60, 22, 70)], repeatRows=1, hAlign="LEFT"
    )
    style: list[tuple[Any, ...]] = [
        ("FONT", (0, 0), (-1, -1), _PLAIN, 8.6),
        ("TEXTCOLOR", (0, 0), (-1, 0), HexColor(_SOFT)),
        ("ALIGN", (2, 0), (2, -1), "RIGHT"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor(_LINE)),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
    for row, share in enumerate(counted.shares, start=1):
        if share.name in colours:
            red, green, blue = (part / 255 for part in colours[share.name])
            style.append(("BACKGROUND", (0, row), (0, row), Color(red, green, blue)))
    table.setStyle(TableStyle(style))
    return [table, note]


def _heading(text: str) -> Any:  # noqa: ANN401 – reportlab has no types
    return _paragraph(f'<font size="11"><b>{_text(text)}</b></font>', leading=17, above=8)


def _paragraph(
    marked_up: str,
    *,
    size: float = 9.0,
    leading: float = 0.0,
    colour: str = _INK,
    above: float = 0.0,
) -> Any:  # noqa: ANN401 – reportlab has no types
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    style = ParagraphStyle(
        "lightbox",
        fontName=_PLAIN,
        fontSize=size,
        leading=leading or 1.35 * size,
        textColor=colour,
        spaceBefore=above,
        splitLongWords=1,
    )
    return Paragraph(marked_up, style)


@cache
def _register_fonts() -> frozenset[int]:
    """Register Bitstream Vera, which comes with reportlab; return the characters it has."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = files("reportlab") / "fonts"
    plain = TTFont(_PLAIN, str(folder / "Vera.ttf"))
    pdfmetrics.registerFont(plain)
    pdfmetrics.registerFont(TTFont(_BOLD, str(folder / "VeraBd.ttf")))
    pdfmetrics.registerFontFamily(
        _PLAIN, normal=_PLAIN, bold=_BOLD, italic=_PLAIN, boldItalic=_BOLD
    )
    return frozenset(plain.face.charToGlyph)


def _text(text: str) -> str:
    """Return text as reportlab's markup."""
    return escape(_known(text), quote=False).replace("\n", "<br/>")


def _known(text: str) -> str:
    known = _register_fonts() | {10}

    def letter(one: str) -> str:
        if ord(one) in known:
            return one
        base = unicodedata.normalize("NFKD", one)[0]
        return base if ord(base) in known else "?"

    return "".join(map(letter, text))
