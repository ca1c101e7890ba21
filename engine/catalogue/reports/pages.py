"""A report as one HTML page that needs nothing else, to read and to print."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Final

from engine.catalogue.reports.content import (
    NOTICE,
    Counted,
    Finding,
    PatientReport,
    SampleSection,
    Shown,
    enough,
    share_words,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.imaging.palettes import Colour

__all__ = ["report_html"]

_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE: Final = """
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; font: .95rem/1.5 system-ui, sans-serif;
  color: light-dark(#14242c, #e8f0f3); background: light-dark(#fff, #0f171b);
  overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 1.6rem 0 .3rem; }
p { margin: .2rem 0; } .soft, figcaption { color: light-dark(#4b616c, #a3b6bf); font-size: .85rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .6rem 0; }
dt { font-weight: 600; } dd { margin: 0; white-space: pre-line; }
.finding { border-left: .3rem solid #0b5f7c; padding: .3rem .8rem; margin: .6rem 0;
  white-space: pre-line; }
table { border-collapse: collapse; margin: .4rem 0; font-variant-numeric: tabular-nums; }
td, th { padding: .2rem 1.2rem .2rem 0; text-align: left;
  border-bottom: 1px solid light-dark(#d5e0e5, #2a3a42); }
td:nth-child(2), th:nth-child(2) { text-align: right; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .5em;
  border: 1px solid #0006; }
.shots { display: flex; flex-wrap: wrap; gap: .8rem; margin: .5rem 0; }
figure { margin: 0; flex: 1 1 20rem; max-width: 40rem; } img { width: 100%; height: auto;
  display: block; }
@page { size: A4; margin: 14mm; }
@media print { :root { color-scheme: light; } body { padding: 0; font-size: 9pt; }
  figure, tr, .finding { break-inside: avoid; } h2 { break-after: avoid; }
  figure { flex-basis: 80mm; } }
"""


def report_html(report: PatientReport) -> bytes:
    """Return the whole document in UTF-8; pictures lie in it, nothing is fetched."""
    facts = "".join(f"<dt>{escape(n)}</dt><dd>{escape(v)}</dd>" for n, v in report.facts)
    findings = "".join(map(_finding, report.findings)) or '<p class="soft">None yet.</p>'
    samples = "".join(_sample(section, report.colours) for section in report.samples)
    left_out = f"<p>{escape(report.left_out)}</p>" if report.left_out else ""
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(report.title)}</title><style>{_STYLE}</style></head><body>
<h1>{escape(report.title)}</h1>
<p class="soft">{escape(report.made)}. {NOTICE}</p>
<dl>{facts}</dl>
<h2>Findings</h2>{findings}
<h2>All samples</h2>{_counts(report.counted, report.colours)}
{samples or '<p class="soft">There is no sample.</p>'}{left_out}
</body></html>
"""
    return page.encode()


def _finding(finding: Finding) -> str:
    codes = escape(", ".join(finding.codes))
    comments = f"<br>{escape(finding.comments)}" if finding.comments else ""
    return (
        f'<div class="finding"><strong>{escape(finding.adequacy)}</strong> {codes}{comments}'
        f'<br><span class="soft">{escape(finding.by)}</span></div>'
    )


def _sample(section: SampleSection, colours: Mapping[str, Colour]) -> str:
    lines = escape(". ".join(section.lines))
    shots = "".join(map(_figure, section.pictures))
    return (
        f'<section><h2>{escape(section.title)}</h2><p class="soft">{lines}.</p>'
        f'<div class="shots">{shots}</div>{_counts(section.counted, colours)}</section>'
    )


def _figure(shown: Shown) -> str:
    data = base64.b64encode(shown.jpeg).decode("ascii")
    caption = escape(shown.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _counts(counted: Counted, colours: Mapping[str, Colour]) -> str:
    if not counted.total:
        return f'<p class="soft">{enough(counted)}</p>'
    rows = "".join(
        f"<tr><td>{_swatch(share.name, colours)}{escape(share.name)}</td><td>{share.count:,}</td>"
        f"<td>{share_words(share)}</td></tr>"
        for share in counted.shares
    )
    head = "<tr><th>Kind</th><th>Cells</th><th>Share (95 % interval, Wilson)</th></tr>"
    return f'<table>{head}{rows}</table><p class="soft">{enough(counted)}</p>'


def _swatch(name: str, colours: Mapping[str, Colour]) -> str:
    if name not in colours:
        return ""
    red, green, blue = colours[name]
    return f'<span class="swatch" style="background:rgb({red},{green},{blue})"></span>'
