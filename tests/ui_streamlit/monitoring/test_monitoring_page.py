"""The monitoring page: empty, filled, failing, forbidden, and quick."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from engine.inference.timings import TIMINGS
from engine.monitoring import Figures
from engine.monitoring.figures import GpuFigures
from tests.engine.monitoring.samples import a_sample
from tests.ui_streamlit.studio import Studio, words


@pytest.fixture(autouse=True)
def _no_timings() -> Iterator[None]:
    TIMINGS.forget()
    yield
    TIMINGS.forget()


def remember(studio: Studio, *samples: Figures) -> None:
    """Keep samples as a server that ran before would have."""
    logs = studio.settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    lines = "".join(one.to_line() + "\n" for one in samples)
    (logs / "monitoring.jsonl").write_text(lines)


def an_hour(**changes: object) -> list[Figures]:
    """Return 700 samples of the last hour."""
    now = time.time()
    return [replace(a_sample(now - 3500 + 5 * number), **changes) for number in range(700)]


def charts(app: AppTest) -> list[dict[str, object]]:
    """Return the Vega-Lite documents of a page."""
    return [json.loads(one.proto.spec) for one in app.get("vega_lite_chart")]


def test_a_new_server_says_what_will_come(open_studio: Studio) -> None:
    """Without samples and models the page says why, and the parts are told all the same."""
    seen = words(open_studio.open("monitoring"))
    assert "The charts begin in a moment" in seen
    assert "No model has run yet" in seen
    assert "Records" in seen
    assert "Works" in seen


def test_the_last_hour_is_drawn(open_studio: Studio) -> None:
    """Four charts with sentences that say what they show; memory with its 500 MB line."""
    remember(open_studio, *an_hour(memory_free_mb=6_000.0))
    page = open_studio.open("monitoring")
    drawn = charts(page)
    assert len(drawn) == 4
    assert [json.dumps(one).count("floor 500 MB") for one in drawn] == [0, 1, 0, 0]
    seen = words(page)
    assert "Busy 12 % now; from 12 % to 12 %" in seen
    assert "above the floor of 500 MB" in seen
    assert "At most 2 jobs waiting" in seen


def test_every_chart_has_words_for_who_cannot_see_it(open_studio: Studio) -> None:
    """Each chart carries an alternative text with its figures."""
    remember(open_studio, *an_hour())
    for chart in open_studio.open("monitoring").get("vega_lite_chart"):
        assert "in the last hour" in str(chart.proto)


def test_memory_below_the_floor_is_told(open_studio: Studio) -> None:
    """One dip below the line is in the sentence, although the last sample is above it."""
    samples = an_hour(memory_free_mb=6_000.0)
    samples[350] = replace(samples[350], memory_free_mb=123.0)
    remember(open_studio, *samples)
    seen = words(open_studio.open("monitoring"))
    assert "at least 123.0 MB in the last hour: below the floor" in seen


def test_a_gap_is_not_bridged(open_studio: Studio) -> None:
    """Where the server stood still, the line breaks: a point without a value lies between."""
    from ui_streamlit.studio.monitoring.charts import Line, points

    rows = points([a_sample(0.0), a_sample(100.0)], [Line(name="CPU", of=lambda one: one.at)])
    assert [(row["at"], row["value"]) for row in rows] == [(0, 0.0), (50_000, None), (100_000, 100)]


def test_a_gpu_has_a_figure_and_a_chart(open_studio: Studio) -> None:
    """With a card there is a fifth chart with its name."""
    card = GpuFigures(name="A card", total_mb=8_000.0, free_mb=3_000.0)
    remember(open_studio, *an_hour(gpus=(card,)))
    page = open_studio.open("monitoring")
    assert len(charts(page)) == 5
    assert "A card: 3.00 GB of 8.00 GB" in words(page)


def test_latency_of_models_is_told_and_names_are_harmless(open_studio: Studio) -> None:
    """Half of the runs at 10 ms; a name with markup stays text."""
    for seconds in (0.01, 0.01, 0.3):
        TIMINGS.record("<b>eyes</b> 1.1", seconds)
    seen = words(open_studio.open("monitoring"))
    assert "10.0 ms" in seen
    assert "300.0 ms" in seen
    assert "<b>eyes" not in seen
    assert "&lt;b&gt;eyes" in seen


def test_a_failed_part_is_in_words_not_only_in_colour(open_studio: Studio) -> None:
    """Nothing works the jobs: the page's first sentence names the part, its own says what to do."""
    seen = words(open_studio.open("monitoring"))
    assert "Failed: Worker." in seen
    assert "No worker is alive" in seen
    assert 'data-state="failed"' in seen.replace("\\", "")


def test_a_part_that_is_not_well_links_to_where_it_can_be_helped(open_studio: Studio) -> None:
    """No worker and no backup: the pages of jobs and backups are offered, the audit log is not."""
    links = [one.proto.label for one in open_studio.open("monitoring").get("page_link")]
    assert links == ["Jobs", "Backups"]


def test_damaged_records_leave_the_page_whole(open_studio: Studio) -> None:
    """The part is named with the way out; figures and the other parts are still there."""
    from engine.people.actors import SYSTEM

    open_studio.workbench.queue.submit("verify_files", actor=SYSTEM)
    path = open_studio.workbench.records_folder / "jobs.json"
    path.write_bytes(b"torn")
    open_studio.workbench.close()
    page = open_studio.open("monitoring")
    seen = words(page)
    assert "Failed: Records" in seen
    assert "records cannot be read" in seen
    assert "Disk free" in seen
    assert not page.exception


def test_a_bug_is_a_sentence_with_a_reference(
    open_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong inside, the visitor sees no trace and the other parts stay."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("engine.monitoring.monitor.Monitor.history", broken)
    page = open_studio.open("monitoring")
    seen = words(page)
    assert "reference" in seen
    assert "secret" not in seen
    assert "Records" in seen


@pytest.mark.parametrize("role", ["UPLOADER", "ANNOTATOR", "REVIEWER"])
def test_it_is_for_administrators(studio: Studio, role: str) -> None:
    """Other roles see neither a figure nor a part."""
    studio.sign_in(role)
    page = studio.open("monitoring")
    seen = words(page)
    assert "Not for your role" in seen
    assert "Memory free" not in seen
    assert not page.get("vega_lite_chart")


def test_an_administrator_sees_it(studio: Studio) -> None:
    """The role for which it is."""
    studio.sign_in("ADMIN")
    assert "Memory free" in words(studio.open("monitoring"))


def test_a_refresh_takes_less_than_a_third_of_a_second(open_studio: Studio) -> None:
    """With a full hour and ten models the whole page is drawn in at most 300 ms."""
    remember(open_studio, *an_hour())
    for number in range(10):
        for _ in range(500):
            TIMINGS.record(f"model {number}", 0.01)
    page = open_studio.open("monitoring")
    times = []
    for _ in range(5):
        began = time.perf_counter()
        page.run()
        times.append(time.perf_counter() - began)
    assert sorted(times)[2] < 0.3
