"""The printable report: complete, escaped, alone, and one page long."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser

import numpy as np

from engine.eyes.report import report_html
from engine.imaging import pictures
from tests.engine.eyes.findings import CROP, finding, screening

WHEN = datetime(2026, 3, 4, 15, 6, tzinfo=timezone(timedelta(hours=2), "CEST"))
VOID = {"meta", "img", "link", "br"}


class _Page(HTMLParser):
    """Collects what a document holds and checks that its elements nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def page_of(*args: object, **options: object) -> _Page:
    return _Page(report_html(screening(*args, **options), when=WHEN))


def test_it_says_everything_once() -> None:
    """Time, model, notice, words, scores, quality with limits and the map's verdict are there."""
    words = page_of(finding()).words
    for part in (
        "2026-03-04 15:06 CEST",
        "eyes-test 1.2.3",
        "Research demonstrator, not a medical device.",
        "Left eye (the person's left)",
        "Resembles pictures of a red, irritated eye (conjunctivitis)",
        "81.4 %",
        "Stye (experimental)",
        "What to do next",
        "The white of the eye is redder than usual.",
        "Size of the eye 123 px at least 40 ✓ fine",
        "Brightness 48 % 10 to 90 ✓ fine",
        "Heat map supported: Hiding it changes the score. 84 % of the heat lies inside the eye.",
        "5 frames used, 2 set aside.",
        "No right eye in view",
    ):
        assert part in words
    assert words.count("not a medical device") == 1


def test_bars_are_as_long_as_their_scores() -> None:
    """The width of each bar is its calibrated score."""
    styles = [value for tag, name, value in page_of(finding()).attributes if name == "style"]
    widths = [float(re.search(r"width:([\d.]+)%", style)[1]) for style in styles]
    assert widths == [5.0, 81.4, 10.6, 3.0]


def test_pictures_are_inside() -> None:
    """Crop and heat are data URIs; the crop is the exact one."""
    sources = [v for tag, name, v in page_of(finding()).attributes if (tag, name) == ("img", "src")]
    assert len(sources) == 2
    np.testing.assert_array_equal(CROP, pictures.decode_data_uri(sources[0]))
    assert not np.array_equal(CROP, pictures.decode_data_uri(sources[1]))


def test_nothing_runs_and_nothing_is_fetched() -> None:
    """No script, link, frame or handler; no address; and a policy that forbids them."""
    text = report_html(screening(finding(), finding(side="right")), when=WHEN)
    page = _Page(text)
    assert not {"script", "link", "iframe", "object", "form", "a"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "http:" not in text
    assert "https:" not in text
    assert "default-src 'none'" in text
    assert "url(" not in text


def test_text_is_escaped() -> None:
    """Whatever stands in class names, reasons or the title stays text."""
    evil = "<script>alert('x')</script>&\"'"
    found = finding(label=evil, prediction_set=(evil,), reasons=(evil,))
    text = report_html(screening(found, reasons=(evil,)), when=WHEN, title=evil)
    page = _Page(text)
    assert page.tags["script"] == 0
    assert evil in page.words


def test_retake_has_advice_and_no_scores() -> None:
    """A picture that could not be judged has no bars and no heat, but the failed measure."""
    page = page_of(finding("retake", reasons=("Come closer.",)))
    assert "Please take another picture" in page.words
    assert "✗ outside" in page.words
    assert page.words.count("Come closer.") == 1
    assert "Calibrated scores" not in page.words
    assert page.tags["img"] == 1


def test_a_map_that_did_not_earn_its_place_is_not_shown() -> None:
    """Only the reason is."""
    page = page_of(finding(verdict="not shown"))
    assert page.tags["img"] == 1
    assert "Heat map not shown: Hiding it changes the score." in page.words


def test_nothing_found() -> None:
    """Without an eye the page says why, and what to do."""
    page = page_of(None, None, scene="nothing", reasons=("The picture is black.",))
    assert "No left eye in view" in page.words
    assert "The picture is black." in page.words
    assert page.tags["img"] == 0


def test_a_close_up_lacks_no_second_eye() -> None:
    """A close-up shows one eye, and does not complain about the other."""
    page = page_of(finding(side="unknown"), scene="close_up")
    assert "Eye (side unknown)" in page.words
    assert "in view" not in page.words


def test_time_of_now_by_default() -> None:
    """Without a time the report carries the present one."""
    text = report_html(screening(finding()))
    stated = re.search(r"(\d{4}-\d\d-\d\d \d\d:\d\d)", text)[1]
    told = datetime.strptime(stated, "%Y-%m-%d %H:%M").astimezone()
    assert abs(datetime.now().astimezone() - told) < timedelta(minutes=5)
