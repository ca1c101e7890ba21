"""A detection as PDF on A4: the same report, with text that can be selected and searched."""

from __future__ import annotations

import io
from datetime import datetime
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from engine.imaging.palettes import to_hex
from engine.spine.exports.report_content import COLUMNS, Figure, Report, jpeg, report_of

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["report_pdf"]

_PLAIN, _BOLD, _SYMBOLS = "Lightbox", "Lightbox-Bold", "Symbol"
_TONES = {"trusted": "#00704f", "ambiguous": "#8a5a00", "wrong": "#a13c00"}
_MARGIN_MM = 12.0
_SWATCH_MM = 3.0
_WIDTHS_MM = (14.0, 21.0, 21.0, 19.0, 39.0, 21.0, 43.0)
_PAGE_MM = _SWATCH_MM + sum(_WIDTHS_MM)
_TALLEST_MM, _TALLEST_OF_MANY_MM = 92.0, 130.0
_MANY = 12  # vertebrae from which on the report takes two pages anyway
_GAP_MM = 3.0
_RIGHT = frozenset({1, 2, 3, 4, 5})  # columns of numbers
_PADDING = 6  # of the frame that reportlab sets text in, in points


def report_pdf(saved: SavedDetection, *, when: datetime | None = None) -> bytes:
    """Return the report as PDF; ``when`` is the time on the page, by default now."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    _register_fonts()
    report = report_of(saved, when=when, ground="white")
    file = io.BytesIO()
    margin = _MARGIN_MM * mm
    template = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=margin,
        rightMargin=margin,
        topMargin=margin,
        bottomMargin=margin + 3 * mm,
        title=report.title,
        author="Lightbox",
        subject=report.headline,
        creator="Lightbox",
        lang="en",
    )
    foot = _Foot(report)
    template.build(_story(report), onFirstPage=foot, onLaterPages=foot)
    return file.getvalue()


class _Foot:
    """Writes title, time and page number below each page."""

    def __init__(self, report: Report) -> None:
        self.text = f"{report.title}, {report.when}"

    def __call__(self, canvas: Any, template: Any) -> None:  # noqa: ANN401 – reportlab has no types
        canvas.saveState()
        canvas.setFont(_PLAIN, 7)
        canvas.setFillGray(0.35)
        base = 0.6 * template.bottomMargin
        canvas.drawString(template.leftMargin + _PADDING, base, self.text)
        end = template.pagesize[0] - template.rightMargin - _PADDING
        canvas.drawRightString(end, base, f"Page {canvas.getPageNumber()}")
        canvas.restoreState()


# --- parts ---------------------------------------------------------------------------------------


def _story(report: Report) -> list[Any]:
    from reportlab.platypus import Spacer

    parts = [
        _paragraph(f'<font size="15"><b>{_text(report.title)}</b></font>', leading=19),
        _paragraph(f"{_text(report.when)}. {_text(report.notice)}", size=8, grey=True),
        Spacer(1, 6),
        _verdict(report),
        Spacer(1, 8),
        _figures(report.figures, _TALLEST_OF_MANY_MM if len(report.rows) > _MANY else _TALLEST_MM),
    ]
    if report.rows:
        parts += [Spacer(1, 8), _heading("Measurements"), _table(report), Spacer(1, 3)]
        parts.append(_paragraph(_text(report.table_note), size=7.2, grey=True))
    origins = [
        _paragraph(f"<b>{_text(name)}:</b> {_text(text)}", size=7.6, grey=True)
        for name, text in report.origins
    ]
    return [*parts, Spacer(1, 6), _together([_heading("How this was made"), *origins])]


def _verdict(report: Report) -> Any:  # noqa: ANN401 – reportlab has no types
    from reportlab.lib.colors import HexColor
    from reportlab.lib.units import mm
    from reportlab.platypus import Table, TableStyle

    tone = _TONES[report.verdict]
    lines = [
        _paragraph(
            f'<font size="11.5" color="{tone}"><b>{_text(report.headline)}</b></font>', leading=15
        ),
        _paragraph(_text(report.count)),
        *(_paragraph(f"• {_text(reason)}", indent=8) for reason in report.reasons),
    ]
    box = Table([[lines]], colWidths=[_PAGE_MM * mm], hAlign="LEFT")
    box.setStyle(
        TableStyle(
            [
                ("LINEBEFORE", (0, 0), (0, -1), 3, HexColor(tone), "butt"),
                ("BACKGROUND", (0, 0), (-1, -1), HexColor("#f6f8fa")),
                ("LEFTPADDING", (0, 0), (-1, -1), 9),
                ("TOPPADDING", (0, 0), (-1, -1), 4),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
            ]
        )
    )
    return box


def _figures(figures: tuple[Figure, ...], tallest_mm: float) -> Any:  # noqa: ANN401 – reportlab has no types
    """Set pictures side by side at one height, as large as the page lets them be."""
    from reportlab.lib.units import mm
    from reportlab.platypus import Image, Table, TableStyle

    whole = _PAGE_MM - _GAP_MM * (len(figures) - 1)
    shapes = [figure.pixels.shape[1] / figure.pixels.shape[0] for figure in figures]
    tall = min(tallest_mm, whole / sum(shapes))
    pictures, captions, widths = [], [], []
    for figure, shape in zip(figures, shapes, strict=True):
        picture = Image(io.BytesIO(jpeg(figure.pixels)), tall * shape * mm, tall * mm)
        pictures.append(picture)
        captions.append(_paragraph(_text(figure.caption), size=7.6, grey=True))
        widths.append((tall * shape + _GAP_MM) * mm)
    table = Table([pictures, captions], colWidths=widths, hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), _GAP_MM * mm),
                ("TOPPADDING", (0, 0), (-1, -1), 0),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


def _table(report: Report) -> Any:  # noqa: ANN401 – reportlab has no types
    from reportlab.lib.colors import HexColor
    from reportlab.lib.units import mm
    from reportlab.platypus import Table, TableStyle

    head = [
        _paragraph(_text(name), size=7.6, grey=True, right=at in _RIGHT)
        for at, name in enumerate(COLUMNS)
    ]
    body = [
        ["", _paragraph(f"<b>{_text(row.cells[0])}</b>", size=8.4), *_cells(row.cells)]
        for row in report.rows
    ]
    widths = [width * mm for width in (_SWATCH_MM, *_WIDTHS_MM)]
    table = Table([["", *head], *body], colWidths=widths, repeatRows=1, hAlign="LEFT")
    style = [
        ("TOPPADDING", (0, 0), (-1, -1), 1.2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.8),
        ("LEFTPADDING", (0, 0), (-1, -1), 5),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2),
        ("VALIGN", (0, 0), (-1, -1), "BOTTOM"),
        *(
            ("BACKGROUND", (0, at), (0, at), HexColor(to_hex(row.colour)))
            for at, row in enumerate(report.rows, start=1)
        ),
        ("LINEABOVE", (0, 1), (-1, -1), 0.4, HexColor("#d0d7de")),
    ]
    table.setStyle(TableStyle(style))
    return table


def _cells(cells: tuple[str, ...]) -> list[Any]:
    return [
        _paragraph(_text(cell), size=8.4, right=at in _RIGHT)
        for at, cell in enumerate(cells[1:], start=1)
    ]


def _heading(text: str) -> Any:  # noqa: ANN401 – reportlab has no types
    return _paragraph(f'<font size="10.5"><b>{_text(text)}</b></font>', leading=15)


def _together(parts: list[Any]) -> Any:  # noqa: ANN401 – reportlab has no types
    from reportlab.platypus import KeepTogether

    return KeepTogether(parts)


def _paragraph(
    marked_up: str,
    *,
    size: float = 9.0,
    leading: float | None = None,
    grey: bool = False,
    right: bool = False,
    indent: float = 0.0,
) -> Any:  # noqa: ANN401 – reportlab has no types
    from reportlab.lib.enums import TA_LEFT, TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    style = ParagraphStyle(
        "report",
        fontName=_PLAIN,
        fontSize=size,
        leading=leading or 1.32 * size,
        textColor="#4a525a" if grey else "#111111",
        alignment=TA_RIGHT if right else TA_LEFT,
        leftIndent=indent,
        firstLineIndent=-indent,
    )
    return Paragraph(marked_up, style)


# --- fonts ---------------------------------------------------------------------------------------


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
    """Return text as reportlab's markup; what the font lacks is set in Symbol, or as "?"."""
    known = _register_fonts()
    return "".join(
        escape(letter, quote=False) if ord(letter) in known else _symbol(letter) for letter in text
    )


def _symbol(letter: str) -> str:
    try:
        letter.encode("symbolencoding")
    except (LookupError, UnicodeEncodeError):
        return "?"
    return f'<font face="{_SYMBOLS}">{letter}</font>'
