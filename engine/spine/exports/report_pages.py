"""A detection as one printable page of HTML: nothing to fetch, nothing to run.

Pictures are inside as data URIs, styles inside as text, and a content policy forbids the rest, so
that the file can be kept, sent and printed.
"""

from __future__ import annotations

import base64
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from engine.imaging.palettes import to_hex
from engine.spine.exports.report_content import COLUMNS, Figure, Report, ReportRow, jpeg, report_of

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["report_html"]

_MARKS = {"trusted": "✓", "ambiguous": "?", "wrong": "✗"}


def report_html(saved: SavedDetection, *, when: datetime | None = None) -> bytes:
    """Return the whole HTML document, UTF-8; ``when`` is the time on the page, by default now."""
    return _page(report_of(saved, when=when, ground="black")).encode("utf-8")


def _page(report: Report) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(report.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{escape(report.title)}</h1>
<p>{escape(report.when)}</p>
<p class="notice">{escape(report.notice)}</p>
</header>
<main>
<section class="verdict {report.verdict}" aria-label="Verdict on the names">
<p class="headline"><span class="mark" aria-hidden="true">{_mark(report)}</span>
{escape(report.headline)}</p>
<p>{escape(report.count)}</p>
{_list(report.reasons)}
</section>
<div class="shots">{"".join(_figure(figure) for figure in report.figures)}</div>
{_table(report)}
<section aria-label="Origin">
<h2>How this was made</h2>
<dl>{"".join(_origin(*origin) for origin in report.origins)}</dl>
</section>
</main>
</body>
</html>
"""


def _origin(name: str, text: str) -> str:
    return f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>"


def _mark(report: Report) -> str:
    return _MARKS[report.verdict] if report.rows else "–"


def _figure(figure: Figure) -> str:
    height, width = figure.pixels.shape[:2]
    uri = "data:image/jpeg;base64," + base64.b64encode(jpeg(figure.pixels)).decode("ascii")
    text = escape(figure.caption)
    return (
        f'<figure style="flex:{width / height:.4f} 1 0"><img src="{uri}" width="{width}" '
        f'height="{height}" alt="{text}"><figcaption>{text}</figcaption></figure>'
    )


def _table(report: Report) -> str:
    if not report.rows:
        return ""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in COLUMNS)
    return f"""<section aria-label="Measurements">
<h2>Measurements</h2>
<div class="wide"><table><thead><tr>{heads}</tr></thead>
<tbody>{"".join(_row(row) for row in report.rows)}</tbody></table></div>
<p class="small">{escape(report.table_note)}</p>
</section>"""


def _row(row: ReportRow) -> str:
    swatch = f'<span class="swatch" style="background:{to_hex(row.colour)}"></span>'
    rest = "".join(f"<td>{escape(cell)}</td>" for cell in row.cells[1:])
    return f'<tr><th scope="row">{swatch}{escape(row.cells[0])}</th>{rest}</tr>\n'


def _list(lines: tuple[str, ...]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>" if lines else ""


_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #57606a; --line: #d0d7de;
  --good: #00704f; --doubt: #8a5a00; --bad: #a13c00; --wash: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --soft: #9da7b1; --line: #30363d;
    --good: #3fcf9f; --doubt: #e8b04a; --bad: #ff8f5a; --wash: #161b22; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; color: var(--ink);
  background: var(--paper); font: 0.9rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; gap: 0 1.5rem; align-items: baseline; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1rem; margin: 1rem 0 0.3rem; }
p { margin: 0.25rem 0; } header p { margin: 0; color: var(--soft); }
header .notice { flex-basis: 100%; }
.verdict { border: 1px solid var(--line); border-left: 0.4rem solid var(--tone);
  border-radius: 0.4rem; padding: 0.6rem 0.9rem; margin: 0.8rem 0; background: var(--wash); }
.trusted { --tone: var(--good); } .ambiguous { --tone: var(--doubt); }
.wrong { --tone: var(--bad); }
.headline { font-size: 1.15rem; font-weight: 650; }
.mark { color: var(--tone); display: inline-block; min-width: 1.1em; }
ul { margin: 0.2rem 0 0; padding-left: 1.2rem; }
.shots { display: flex; gap: 0.6rem; align-items: flex-start; }
figure { margin: 0; min-width: 0; }
img { width: 100%; height: auto; border-radius: 0.3rem; display: block; background: #0c0c0c; }
.small, figcaption, dl { font-size: 0.8rem; color: var(--soft); }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 0.86rem;
  font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; } thead th { color: var(--soft); font-weight: 400; }
td, th { padding: 0.16rem 0.6rem 0.16rem 0; vertical-align: baseline; }
td:nth-child(-n+4), thead th:nth-child(n+2):nth-child(-n+4), td:nth-child(6),
thead th:nth-child(6) { text-align: right; }
td:nth-child(5), thead th:nth-child(5) { text-align: right; }
td:nth-child(6), thead th:nth-child(6) { padding-right: 1.2rem; } td { white-space: nowrap; }
td:last-child { white-space: normal; min-width: 7rem; padding-right: 0; }
tbody tr { border-top: 1px solid var(--line); }
.swatch { display: inline-block; width: 0.8em; height: 0.8em; border-radius: 0.15em;
  margin-right: 0.5em; vertical-align: -0.05em; border: 1px solid var(--line); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 0.9rem; margin: 0; }
dt { font-weight: 600; } dd { margin: 0; }
@media (max-width: 36rem) { .shots { flex-wrap: wrap; }
  figure { flex: 1 1 45% !important; } td, th { padding-right: 0.4rem; } }
@page { size: A4; margin: 12mm; }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --soft: #444; --line: #bbb;
    --good: #00704f; --doubt: #8a5a00; --bad: #a13c00; --wash: #fff; font-size: 8.8pt; }
  body { padding: 0; max-width: none; -webkit-print-color-adjust: exact;
    print-color-adjust: exact; }
  tr, figure, .verdict, dl { break-inside: avoid; } h2 { break-after: avoid; }
  .wide { overflow: visible; } td, th { padding-right: 0.5rem; }
}
"""
