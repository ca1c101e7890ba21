"""One page to read and print: the picture with its boxes, counts with intervals, sizes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Final

from engine.cells.differential import differential, more_to_count
from engine.cells.exports.marked import MarkedPicture
from engine.cells.measuring import spread_of

__all__ = ["report_html"]

_STYLE: Final = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{padding:.35rem .6rem;"
    "border-bottom:1px solid #ccc;text-align:left}figure{position:relative;margin:1rem 0}"
    "img{width:100%;display:block}svg{position:absolute;inset:0;width:100%;height:100%}"
    "small{color:#555}@media print{body{margin:0}}"
)


def report_html(
    picture: MarkedPicture,
    *,
    picture_uri: str,
    made_at: datetime,
    made_by: str,
    detector: str = "",
) -> bytes:
    """Return an HTML document that needs nothing else.

    ``picture_uri`` is the picture as a data URI, ``made_by`` and ``detector`` name who looked.
    """
    counts = picture.counts()
    seen = sum(1 for cell in picture.cells if cell.origin in ("human", "edited"))
    more = more_to_count(counts)
    enough = f"Count {more:,} more cells for ±5 % on every share." if more else "±5 % is reached."
    parts = (
        f"<h1>Cells in {escape(picture.name)}</h1>",
        f"<p>{len(picture.cells):,} cells, {seen:,} of them set or changed by a person. "
        f"{escape(enough)}</p>",
        f'<figure><img alt="The picture" src="{escape(picture_uri)}">{_boxes(picture)}</figure>',
        _table(("Kind", "Count", "Share", "95 % interval (Wilson)"), _counted(counts)),
        _sizes(picture),
        f"<p><small>Made {made_at:%Y-%m-%d %H:%M} UTC by {escape(made_by)}. "
        f"{escape(detector)} Not a medical device.</small></p>",
    )
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Cells</title>'
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    )
    return page.encode()


def _boxes(picture: MarkedPicture) -> str:
    colours = dict(picture.colours)
    boxes = "".join(
        f'<rect x="{cell.x:.1f}" y="{cell.y:.1f}" width="{cell.width:.1f}" '
        f'height="{cell.height:.1f}" fill="none" stroke="{escape(colours.get(cell.label, "#222"))}"'
        f' stroke-width="2"><title>{escape(cell.label)}</title></rect>'
        for cell in picture.cells
    )
    return f'<svg viewBox="0 0 {picture.width} {picture.height}">{boxes}</svg>'


def _counted(counts: dict[str, int]) -> Iterable[tuple[str, ...]]:
    for one in differential(counts):
        interval = f"{100 * one.share.low:.1f} to {100 * one.share.high:.1f} %"
        yield one.name, f"{one.count:,}", f"{100 * one.share.value:.1f} %", interval


def _sizes(picture: MarkedPicture) -> str:
    if picture.pixel_size_um is None:
        return "<p>The size of a pixel is not known, so cells are not measured in µm.</p>"
    rows = []
    for name in sorted(picture.counts()):
        found = spread_of(
            measured.diameter_um
            for cell in picture.cells
            if cell.label == name and (measured := picture.measures(cell)).diameter_um is not None
        )
        if found is not None:
            mean = f"{found.mean:.2f} ± {found.deviation:.2f} µm"
            rows.append((name, mean, f"{found.smallest:.2f} to {found.largest:.2f} µm"))
    return _table(("Kind", "Diameter, mean ± deviation", "Range"), rows)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    lines = "".join(
        f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{lines}</table>"
