"""Settings: names, older names, validation, and the table in the README."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from engine.errors import SettingsError
from engine.settings import Settings, described, in_force

ROOT = Path(__file__).parents[2]


def test_an_empty_environment_gives_the_defaults() -> None:
    """Nothing needs to be set; the padding is that of the older eye service."""
    settings = Settings.from_env({})
    assert (settings.port, settings.host) == (7860, "127.0.0.1")
    assert (settings.crop_padding_x, settings.crop_padding_y) == (20, 40)
    assert settings.eye_classes == ("Cataract", "Conjunctivitis", "Healthy", "Stye")
    assert settings.saved_eyes_dir is None
    assert settings.temp_folder == settings.home / "tmp"


def test_older_names_are_accepted() -> None:
    """Every setting of the eye service that we succeed has its place here."""
    settings = Settings.from_env(
        {
            "PORT": "8000",
            "ALLOWED_ORIGINS": "https://a.example, https://b.example",
            "CROP_PADDING_X": "10",
            "CROP_PADDING_Y": "15",
            "MODEL_PATH": "/models/eye",
            "MODEL_NAME": "ours",
            "GRAD_CAM_LAYER": "block5",
            "TEMP_IMAGES_DIR": "/tmp/in",
            "SAVED_EYES_DIR": "/tmp/kept",
            "CLASSES": "A,B",
        }
    )
    assert settings.port == 8000
    assert settings.allowed_origins == ("https://a.example", "https://b.example")
    assert (settings.crop_padding_x, settings.crop_padding_y) == (10, 15)
    assert (settings.eye_model, settings.eye_model_name) == (Path("/models/eye"), "ours")
    assert settings.grad_cam_layer == "block5"
    assert (settings.temp_dir, settings.saved_eyes_dir) == (Path("/tmp/in"), Path("/tmp/kept"))
    assert settings.eye_classes == ("A", "B")


def test_our_name_wins_over_the_older_one() -> None:
    """With both set the LIGHTBOX_* value counts."""
    assert Settings.from_env({"PORT": "1", "LIGHTBOX_PORT": "2"}).port == 2


def test_an_empty_value_counts_as_not_set() -> None:
    """``LIGHTBOX_PORT=`` in an env file means the default."""
    assert Settings.from_env({"LIGHTBOX_PORT": " "}).port == 7860


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("LIGHTBOX_PORT", "eighty", "a whole number from 1 to 65535"),
        ("LIGHTBOX_PORT", "0", "a whole number from 1 to 65535"),
        ("LIGHTBOX_PORT", "70000", "a whole number from 1 to 65535"),
        ("PORT", "-1", "a whole number from 1 to 65535"),
        ("LIGHTBOX_CROP_PADDING_X", "1.5", "a whole number from 0 to 200"),
        ("LIGHTBOX_DEVICE", "tpu", "one of auto, cpu, cuda"),
        ("LIGHTBOX_PRECISION", "int8", "one of auto, f32, bf16"),
        ("LIGHTBOX_LOG_LEVEL", "chatty", "one of DEBUG, INFO, WARNING, ERROR"),
        ("LIGHTBOX_AGENTS", "perhaps", "on or off"),
        ("CLASSES", "Healthy", "at least two different names"),
        ("CLASSES", "A,A", "at least two different names"),
    ],
)
def test_a_bad_value_names_variable_value_and_what_is_wanted(
    name: str, value: str, wanted: str
) -> None:
    """The sentence is enough to mend the environment."""
    with pytest.raises(SettingsError, match=re.escape(wanted)) as caught:
        Settings.from_env({name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


def test_choices_ignore_case() -> None:
    """``debug`` and ``DEBUG`` are the same."""
    assert Settings.from_env({"LIGHTBOX_LOG_LEVEL": "debug"}).log_level == "DEBUG"


@pytest.mark.parametrize(("value", "level"), [("1", "DEBUG"), ("true", "DEBUG"), ("0", "INFO")])
def test_debug_is_a_switch_for_verbose_logs(value: str, level: str) -> None:
    """``DEBUG=1`` of the older vertebrae service means the log level DEBUG."""
    assert Settings.from_env({"DEBUG": value}).log_level == level


def test_settings_survive_the_way_to_a_worker(tmp_path: Path) -> None:
    """The variables that settings are written as give the same settings again."""
    settings = Settings(
        home=tmp_path,
        port=8000,
        allowed_origins=("https://a.example", "https://b.example"),
        log_level="DEBUG",
        import_dir=tmp_path / "cts",
        spine_queue=0,
        agents=False,
    )
    assert Settings.from_env(settings.as_mapping()) == settings
    assert Settings.from_env(Settings(home=tmp_path).as_mapping()) == Settings(home=tmp_path)


def test_example_variables_are_settings() -> None:
    """Each variable of ``.env.example`` is a setting, with a value that it accepts."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    given = dict(re.findall(r"^# ([A-Z_]+)=(.+)$", text, re.M))
    assert set(given) <= {doc.name for doc in described()}
    Settings.from_env(given)


def test_the_readme_lists_every_setting_as_the_code_has_it() -> None:
    """Name, older name, default and meaning in the README equal the code's."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(LIGHTBOX_[A-Z_]+)` \| (.*?) \| (.*?) \| (.*?) \|$", readme, re.M)
    expected = [
        (
            doc.name,
            ", ".join(f"`{alias}`" for alias in doc.aliases) or "–",
            f"`{doc.default}`" if doc.default != "–" else "–",
            doc.text,
        )
        for doc in described()
    ]
    assert rows == expected


def test_every_setting_is_used() -> None:
    """A setting that no code reads would be a control that does nothing."""
    sources = [
        ROOT / "app.py",
        *(ROOT / "engine").rglob("*.py"),
        *(ROOT / "api").rglob("*.py"),
        *(ROOT / "ui_gradio").rglob("*.py"),
        *(ROOT / "ui_streamlit").rglob("*.py"),
    ]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    names = [item.name for item in fields(Settings)]
    assert [name for name in names if not re.search(rf"(settings|self)\.{name}\b", code)] == []


def test_every_value_tells_where_it_comes_from() -> None:
    """Variable, older name, whoever started the program, and default are told apart."""
    mapping = {"LIGHTBOX_THREADS": "3", "CROP_PADDING_X": "33", "LIGHTBOX_PORT": "80"}
    settings = replace(Settings.from_env(mapping), port=81)
    found = {value.doc.name: value for value in in_force(settings, mapping)}
    told = {name: (found[name].value, found[name].origin, found[name].variable) for name in (
        "LIGHTBOX_THREADS", "LIGHTBOX_CROP_PADDING_X", "LIGHTBOX_PORT", "LIGHTBOX_MAX_FRAMES",
    )}  # fmt: skip
    assert told == {
        "LIGHTBOX_THREADS": ("3", "environment", "LIGHTBOX_THREADS"),
        "LIGHTBOX_CROP_PADDING_X": ("33", "older name", "CROP_PADDING_X"),
        "LIGHTBOX_PORT": ("81", "program", ""),
        "LIGHTBOX_MAX_FRAMES": ("32", "default", ""),
    }
    assert [value.doc for value in in_force(settings, {})] == list(described())
    assert found["LIGHTBOX_HOME"].origin == "default"


def test_no_value_shows_a_secret() -> None:
    """Secrets are said to be set, and what stands before the @ of an address is hidden."""
    secret = "0123456789abcdef0123456789abcdef-very-long"
    names = [doc.name for doc in described() if doc.is_secret]
    mapping = dict.fromkeys(names, secret)
    mapping["LIGHTBOX_MODEL_API_URL"] = "https://ann:hunter2@model.example/find"
    shown = {v.doc.name: v for v in in_force(Settings.from_env(mapping), mapping)}
    assert secret not in repr(shown)
    assert {shown[name].value for name in names} == {"set, not shown"}
    assert {shown[name].origin for name in names} == {"environment"}
    assert shown["LIGHTBOX_MODEL_API_URL"].value == "https://…@model.example/find"
