"""A screening as one printable page of HTML: nothing to fetch, nothing to run.

Pictures are inside as data URIs, styles inside as text, and a content policy forbids the rest, so
that the file can be kept, sent and printed. Print it to PDF from any browser.
"""

from __future__ import annotations

import math
from datetime import datetime
from html import escape

from engine.eyes import wording
from engine.eyes.results import EyeFinding, HeatMap, QualityMeasure, Screening, Side
from engine.imaging import overlays, pictures
from engine.imaging.palettes import colour_of, to_hex

__all__ = ["report_html"]


def report_html(
    screening: Screening,
    *,
    when: datetime | None = None,
    title: str = "Eye check",
    opacity: float = 0.45,
) -> str:
    """Return the whole HTML document of a screening.

    ``when`` is the time on the page, by default now, in local time; ``opacity`` (0..1) is that of
    the heat. All text is escaped, so class names and reasons may hold anything.
    """
    moment = when or datetime.now().astimezone()
    found = [
        _card(finding, side=side, opacity=opacity)
        for side, finding in _shown(screening)
        if finding is not None
    ]
    missing = [_absent(side) for side, finding in _shown(screening) if finding is None]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p>{escape(_time(moment))}</p>
<p class="notice">{escape(screening.notice or wording.NOTICE)}</p>
</header>
<main>
{"".join(found)}{"".join(missing)}
</main>
{_reasons(screening.reasons) if not found else ""}
<footer>
<p>Model: {escape(screening.model)}. Scores are calibrated: of many answers given with 80 %, about
80 % should be right on pictures like those that the model was tested with.</p>
</footer>
</body>
</html>
"""


def _shown(screening: Screening) -> tuple[tuple[Side, EyeFinding | None], ...]:
    """Return the places to fill; a close-up has one eye, and does not lack the other."""
    if screening.scene == "close_up" and screening.right is None:
        return (("left", screening.left),)
    return (("left", screening.left), ("right", screening.right))


def _card(finding: EyeFinding, *, side: Side, opacity: float) -> str:
    words = wording.words_for(finding)
    name = wording.side_title(finding.side if finding.side == "unknown" else side)
    return f"""<section class="eye" aria-label="{escape(name)}">
<h2>{escape(name)}</h2>
<p class="title">{escape(words.title)}</p>
<p>{escape(words.explanation)}</p>
{_pictures(finding, opacity=opacity)}
{_scores(finding)}
<h3>What to do next</h3>
{_list(words.next_steps)}
{_reasons(tuple(line for line in finding.reasons if line not in words.next_steps))}
{_quality(finding.quality.measures)}
{_frames(finding)}
</section>
"""


def _absent(side: Side) -> str:
    words = wording.words_absent(side)
    return f"""<section class="eye">
<h2>{escape(wording.side_title(side))}</h2>
<p class="title">{escape(words.title)}</p>
<p>{escape(words.explanation)}</p>
{_list(words.next_steps)}
</section>
"""


# --- parts of a card ---------------------------------------------------------------------------


def _pictures(finding: EyeFinding, *, opacity: float) -> str:
    is_judged = finding.decision != "retake"
    caption = "The eye as it was judged" if is_judged else "The best picture there was"
    shots = [_figure(pictures.to_data_uri(finding.crop), caption)]
    heat = finding.heat_map if is_judged else None
    note = ""
    if heat is not None and heat.verdict != "not shown":
        laid = overlays.heat_overlay(finding.crop, heat.values, opacity)
        shots.append(_figure(pictures.to_data_uri(laid), "Where the model looked (yellow: most)"))
    if heat is not None:
        note = f'<p class="small">{escape(_heat_note(heat))}</p>'
    return f'<div class="shots">{"".join(shots)}</div>{note}'


def _heat_note(heat: HeatMap) -> str:
    share = _percent(heat.inside)
    inside = f" {share} of the heat lies inside the eye." if heat.inside > 0 else ""
    return f"Heat map {heat.verdict}: {heat.reason.rstrip('.')}.{inside}"


def _figure(uri: str, caption: str) -> str:
    text = escape(caption)
    return f'<figure><img src="{uri}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def _scores(finding: EyeFinding) -> str:
    if not finding.scores or finding.decision in ("retake", "not_an_eye"):
        return ""
    rows = "".join(
        _bar(label, share, index=index, finding=finding)
        for index, (label, share) in enumerate(finding.scores.items())
    )
    return f'<table class="bars"><caption>Calibrated scores</caption>{rows}</table>{_set(finding)}'


def _bar(label: str, share: float, *, index: int, finding: EyeFinding) -> str:
    name = wording.class_title(label, experimental=finding.experimental)
    colour = to_hex(colour_of(label, index=index))
    width = 100 * min(max(share, 0.0), 1.0)
    return (
        f'<tr><th scope="row">{escape(name)}</th><td class="track"><div class="bar" '
        f'style="width:{width:.1f}%;background:{colour}"></div></td>'
        f"<td>{_percent(share, digits=1)}</td></tr>"
    )


def _set(finding: EyeFinding) -> str:
    if not finding.prediction_set:
        return ""
    names = ", ".join(
        wording.class_title(label, experimental=finding.experimental)
        for label in finding.prediction_set
    )
    return (
        f'<p class="small">Possible at {_percent(finding.coverage)} coverage: {escape(names)}. '
        f"Decision: {escape(wording.decision_title(finding.decision).lower())}.</p>"
    )


def _quality(measures: tuple[QualityMeasure, ...]) -> str:
    if not measures:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(wording.measure_title(m.name))}</th>'
        f"<td>{escape(_with_unit(m.value, m.unit))}</td><td>{escape(_limits(m))}</td>"
        f'<td class="{"ok" if m.passed else "off"}">{"✓ fine" if m.passed else "✗ outside"}</td>'
        "</tr>"
        for m in measures
    )
    return (
        "<table><caption>Quality of the picture</caption><thead><tr><th>Measure</th><th>Value</th>"
        f"<th>Limits</th><th>Result</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _frames(finding: EyeFinding) -> str:
    rejected = f", {finding.frames_rejected} set aside" if finding.frames_rejected else ""
    frames = "frame" if finding.frames_used == 1 else "frames"
    return f'<p class="small">{finding.frames_used} {frames} used{rejected}.</p>'


def _reasons(reasons: tuple[str, ...]) -> str:
    return f"<h3>Why</h3>{_list(reasons)}" if reasons else ""


def _list(lines: tuple[str, ...]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


# --- numbers and times -------------------------------------------------------------------------


def _limits(measure: QualityMeasure) -> str:
    low, high = measure.minimum, measure.maximum
    if low is not None and high is not None:
        return f"{_number(low)} to {_number(high)}"
    if low is not None:
        return f"at least {_number(low)}"
    return "none" if high is None else f"at most {_number(high)}"


def _with_unit(value: float, unit: str) -> str:
    """Return value and unit on one line, ``4 %``; the degree sign follows directly, ``4°``."""
    return f"{_number(value)}{'' if unit in ('', '°') else _NARROW}{unit}"


def _percent(share: float, *, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}{_NARROW}%"


def _number(value: float) -> str:
    """Return a number as people read it: no exponent, three digits that matter."""
    if not math.isfinite(value):
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _time(moment: datetime) -> str:
    zone = f" {moment.tzname()}" if moment.tzinfo else ""
    return f"{moment:%Y-%m-%d %H:%M}{zone}"


_NARROW = "\N{NO-BREAK SPACE}"

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #57606a; --line: #d0d7de;
  --track: #eaeef2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --soft: #9da7b1; --line: #30363d; --track: #21262d; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; color: var(--ink);
  background: var(--paper); font: 0.9rem/1.4 system-ui, sans-serif; overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; gap: 0 1.5rem; align-items: baseline; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1rem; margin: 0; color: var(--soft); }
h3 { font-size: 0.9rem; margin: 0.6rem 0 0.1rem; } p { margin: 0.25rem 0; }
ul { margin: 0; padding-left: 1.2rem; } header p { margin: 0; color: var(--soft); }
header .notice { color: var(--ink); font-weight: 600; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr));
  gap: 1rem; margin: 0.8rem 0; align-items: start; }
.eye { border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.8rem; }
.title { font-size: 1.1rem; font-weight: 600; }
.small, figcaption, footer { font-size: 0.78rem; color: var(--soft); }
.shots { display: flex; gap: 0.5rem; margin: 0.5rem 0; }
figure { margin: 0; flex: 0 1 14rem; } img { width: 100%; border-radius: 0.3rem; display: block; }
table { width: 100%; border-collapse: collapse; margin-top: 0.5rem; font-size: 0.82rem; }
caption { text-align: left; font-weight: 600; } th { text-align: left; font-weight: 400; }
thead th { color: var(--soft); white-space: nowrap; } td, th { padding: 0.12rem 0.4rem 0.12rem 0; }
tbody tr { border-top: 1px solid var(--line); }
.bars td:last-child { text-align: right; white-space: nowrap; width: 4rem; padding-right: 0; }
.bars tr { border: 0; } .track { width: 55%; }
.track::before { content: ""; display: block; height: 0.8rem; border-radius: 0.2rem;
  background: var(--track); margin-bottom: -0.8rem; }
.bar { height: 0.8rem; border-radius: 0.2rem; min-width: 1px; position: relative; }
.ok, .off { white-space: nowrap; } .off { font-weight: 600; }
footer { border-top: 1px solid var(--line); padding-top: 0.4rem; }
@page { size: A4; margin: 10mm; }
@media print {
  :root { --ink: #000; --paper: #fff; --soft: #444; --line: #bbb; --track: #eee; font-size: 8.6pt; }
  body { padding: 0; max-width: none; line-height: 1.3;
    -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { grid-template-columns: 1fr 1fr; } main > :only-child { grid-column: 1 / -1; }
  figure { flex-basis: 38mm; } tr, figure { break-inside: avoid; }
}
"""
