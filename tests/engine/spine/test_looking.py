"""What the headers of a CT tell before anything is read."""

from __future__ import annotations

from pathlib import Path

from engine.settings import Settings
from engine.spine.looking import look_at


def test_a_look_says_which_models_to_download_and_no_folder(tmp_path: Path) -> None:
    """With no weights: their names for each backend and task, in words without a path."""
    settings = Settings(home=tmp_path, totalseg_home=tmp_path, totalseg_weights=tmp_path / "none")
    forecasts = look_at(None, "lumbar", settings)["forecasts"]
    assert forecasts["embedded"]["download"] == []
    fast = forecasts["nnunet"]["total_fast"]
    assert fast["ready"] is False
    assert fast["download"] == ["total_fast"]
    assert fast["why"] == "Not installed yet: All organs and vertebrae at 3 mm, one model."
    assert forecasts["totalsegmentator"]["total"]["download"] == ["total", "total_rough"]
    assert str(tmp_path) not in str(forecasts)


def test_a_look_at_an_example_forecasts_time_and_memory(tmp_path: Path) -> None:
    """Each backend says seconds and MB above zero before it starts."""
    forecasts = look_at(None, "chest", Settings(home=tmp_path))["forecasts"]
    entries = [forecasts["embedded"], *forecasts["nnunet"].values()]
    assert all(entry["seconds"] > 0 and entry["memory_mb"] > 0 for entry in entries)
