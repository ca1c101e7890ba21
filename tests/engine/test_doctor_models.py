"""What ``lightbox doctor`` says about the models that are downloaded."""

from __future__ import annotations

from pathlib import Path

from engine.doctor import _check, _vertebra_models
from engine.settings import Settings
from engine.spine.weights.catalogue import model_named
from tests.engine.spine.weights.releases import model_files


def detail(settings: Settings) -> str:
    found = _check("vertebra models", lambda: _vertebra_models(settings))
    assert found["ok"]
    return str(found["detail"])


def test_a_model_that_is_not_installed_is_no_fault(tmp_path: Path) -> None:
    """The embedded network is always there: nothing has to be downloaded."""
    assert detail(Settings(home=tmp_path)) == (
        "total_fast not installed; total not installed; total_rough not installed; "
        "vertebrae_pp not installed"
    )


def test_place_and_size_of_an_installed_model_are_told(tmp_path: Path) -> None:
    """Whoever looks for the gigabytes finds them."""
    settings = Settings(home=tmp_path, totalseg_weights=tmp_path)
    model = model_named("total")
    for name, contents in model_files(model, size=3_000_000).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(contents)
    assert f"total installed, 3 MB in {tmp_path / model.folder};" in detail(settings)


def test_a_torn_model_is_told(tmp_path: Path) -> None:
    """An interrupted download of somebody else's program does not pass for a model."""
    settings = Settings(home=tmp_path, totalseg_weights=tmp_path)
    (tmp_path / model_named("vertebrae_pp").folder).mkdir()
    assert "vertebrae_pp incomplete (dataset.json is missing;" in detail(settings)
