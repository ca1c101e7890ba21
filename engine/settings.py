"""Every ``LIGHTBOX_*`` setting, validated once. The only module that reads the environment.

A variable may have an older name from the services that Lightbox succeeds; the ``LIGHTBOX_*`` name
wins where both are set. The table in the README is checked against :func:`described`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast, final, get_args

from engine.errors import SettingsError

__all__ = [
    "Device",
    "LogLevel",
    "Origin",
    "Precision",
    "Registration",
    "SettingDoc",
    "SettingValue",
    "Settings",
    "described",
    "in_force",
]

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "f32", "bf16"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Registration = Literal["off", "approve", "open"]
Origin = Literal["environment", "older name", "program", "default"]
"""Where a value comes from: its variable, one of the older names, whoever started us, nowhere."""
Parser = Callable[[str], Any]

_EYE_CLASSES = ("Cataract", "Conjunctivitis", "Healthy", "Stye")


def _integer(minimum: int, maximum: int) -> Parser:
    def parse(text: str) -> int:
        if not text.strip().lstrip("-").isdigit() or not minimum <= int(text) <= maximum:
            raise ValueError(f"a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def _choice(kind: Any) -> Parser:  # noqa: ANN401 – a Literal has no better type
    def parse(text: str) -> str:
        by_lower = {str(value).lower(): str(value) for value in get_args(kind)}
        if text.strip().lower() not in by_lower:
            raise ValueError("one of " + ", ".join(by_lower.values()))
        return by_lower[text.strip().lower()]

    return parse


def _log_level(text: str) -> str:
    """Return the level; a switch, as in ``DEBUG=1``, chooses between the usual and everything."""
    if text.strip().lower() in ("1", "on", "true", "yes"):
        return "DEBUG"
    if text.strip().lower() in ("0", "off", "false", "no"):
        return "INFO"
    return cast("str", _choice(LogLevel)(text))


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text.strip() else None


def _address(text: str) -> str:
    address = text.strip().rstrip("/")
    if not address.startswith(("https://", "http://")):
        raise ValueError("an address that begins with https:// or http://")
    return address


def _files_address(text: str) -> str:
    """Return ``s3://bucket/folder`` or a folder; the older setting is a bucket's name alone."""
    address = text.strip().rstrip("/")
    if re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", address):
        return f"s3://{address}"
    if re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#]*)?", address):
        return address
    folder = address.removeprefix("file://")
    if not folder.startswith(("/", "~")):
        raise ValueError("s3://BUCKET/FOLDER, a bucket's name or a folder's full path")
    return str(Path(folder).expanduser())


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _class_names(text: str) -> tuple[str, ...]:
    names = _names(text)
    if len(names) < 2 or len(set(names)) != len(names):
        raise ValueError("at least two different names with commas between them")
    return names


def _switch(text: str) -> bool:
    words = {"on": True, "true": True, "1": True, "yes": True}
    words |= {"off": False, "false": False, "0": False, "no": False}
    if text.strip().lower() not in words:
        raise ValueError("on or off")
    return words[text.strip().lower()]


def _jwt_secret(text: str) -> str:
    if len(text.strip().encode()) < 32:
        raise ValueError("at least 32 characters (RFC 7518, 3.2)")
    return text.strip()


def _long_secret(text: str) -> str:
    if len(text.strip()) < 16:
        raise ValueError("at least 16 characters")
    return text.strip()


def _rate(text: str) -> str:
    """Return a number of requests per unit of time, such as ``600/minute``."""
    found = re.fullmatch(r"([1-9]\d{0,6})\s*/\s*(second|minute|hour|day)", text.strip().lower())
    if found is None:
        raise ValueError("a number per second, minute, hour or day, such as 600/minute")
    return f"{found[1]}/{found[2]}"


def _setting(default: Any, names: str, parse: Parser, text: str) -> Any:  # noqa: ANN401 – as field()
    first, *older = names.split()
    meta = {"name": first, "aliases": tuple(older), "parse": parse, "text": text, "secret": False}
    return field(default=default, metadata=meta)


def _secret(names: str, parse: Parser, text: str) -> Any:  # noqa: ANN401 – as field()
    """Return a setting that is never shown: not on a page, in a message, a log or a ``repr``."""
    first, *older = names.split()
    meta = {"name": first, "aliases": tuple(older), "parse": parse, "text": text, "secret": True}
    return field(default="", repr=False, metadata=meta)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one process; build with :meth:`from_env`."""

    home: Path = _setting(
        Path("~/.lightbox"),
        "LIGHTBOX_HOME",
        _path,
        "Where records, files and models live. /data/lightbox when /data is writable.",
    )
    host: str = _setting(
        "127.0.0.1", "LIGHTBOX_HOST", str.strip, "Address to listen on; 0.0.0.0 for everybody."
    )
    port: int = _setting(7860, "LIGHTBOX_PORT PORT", _integer(1, 65535), "Port to listen on.")
    root_path: str = _setting(
        "",
        "LIGHTBOX_ROOT_PATH",
        lambda text: text.strip().rstrip("/"),
        "Path under which a reverse proxy shows the server, such as /lightbox.",
    )
    allowed_origins: tuple[str, ...] = _setting(
        (),
        "LIGHTBOX_ALLOWED_ORIGINS ALLOWED_ORIGINS",
        _names,
        "Web pages (origins, with commas) that may call the API from a browser.",
    )
    log_level: LogLevel = _setting(
        "INFO",
        "LIGHTBOX_LOG_LEVEL LOG_LEVEL DEBUG",
        _log_level,
        "DEBUG, INFO, WARNING, ERROR; DEBUG=1 means the first.",
    )
    eye_model: Path | None = _setting(
        None,
        "LIGHTBOX_EYE_MODEL MODEL_PATH",
        _path,
        "Folder of your own eye model with a card; the one that ships when empty.",
    )
    eye_model_name: str = _setting(
        "",
        "LIGHTBOX_EYE_MODEL_NAME MODEL_NAME",
        str.strip,
        "Name that the eye model's card must carry; the start stops when it differs.",
    )
    eye_classes: tuple[str, ...] = _setting(
        _EYE_CLASSES,
        "LIGHTBOX_EYE_CLASSES CLASSES",
        _class_names,
        "Classes that callers expect; the start stops when the model has others.",
    )
    grad_cam_layer: str = _setting(
        "",
        "LIGHTBOX_GRAD_CAM_LAYER GRAD_CAM_LAYER",
        str.strip,
        "Output of the eye model that heat maps are made from; the card's when empty.",
    )
    crop_padding_x: int = _setting(
        20,
        "LIGHTBOX_CROP_PADDING_X CROP_PADDING_X",
        _integer(0, 200),
        "Margin left and right of an eye, in percent of its width.",
    )
    crop_padding_y: int = _setting(
        40,
        "LIGHTBOX_CROP_PADDING_Y CROP_PADDING_Y",
        _integer(0, 200),
        "Margin above and below an eye, in percent of its width.",
    )
    landmarks: Path | None = _setting(
        None,
        "LIGHTBOX_LANDMARKS",
        _path,
        "dlib's 68-point predictor file (research use only); cascades and geometry when empty.",
    )
    totalseg_home: Path | None = _setting(
        None,
        "LIGHTBOX_TOTALSEG_HOME TOTALSEG_HOME_DIR",
        _path,
        "Folder of TotalSegmentator; HOME/models/totalsegmentator when empty.",
    )
    totalseg_weights: Path | None = _setting(
        None,
        "LIGHTBOX_TOTALSEG_WEIGHTS TOTALSEG_WEIGHTS_PATH",
        _path,
        "Folder of TotalSegmentator's weights; nnunet/results in its folder when empty.",
    )
    weights_url: str = _setting(
        "https://github.com/wasserth/TotalSegmentator/releases/download",
        "LIGHTBOX_WEIGHTS_URL",
        _address,
        "Where its weights are downloaded from; a mirror has RELEASE/FOLDER.zip below it.",
    )
    device: Device = _setting(
        "auto", "LIGHTBOX_DEVICE", _choice(Device), "auto, cpu or cuda; auto takes a GPU if any."
    )
    precision: Precision = _setting(
        "auto", "LIGHTBOX_PRECISION", _choice(Precision), "auto, f32 or bf16 on the processor."
    )
    threads: int = _setting(
        0, "LIGHTBOX_THREADS", _integer(0, 256), "Threads for networks; 0 takes all cores."
    )
    memory_floor_mb: int = _setting(
        500,
        "LIGHTBOX_MEMORY_FLOOR_MB",
        _integer(0, 1_000_000),
        "Free memory (MB) that no step may use up.",
    )
    memory_wait_s: int = _setting(
        60,
        "LIGHTBOX_MEMORY_WAIT_S",
        _integer(0, 86_400),
        "Seconds that a long step pauses for memory before it stops with its state saved.",
    )
    worker: bool = _setting(
        True, "LIGHTBOX_WORKER", _switch, "Whether the server runs a worker for jobs beside it."
    )
    worker_cores: int = _setting(
        0, "LIGHTBOX_WORKER_CORES", _integer(0, 1024), "Cores that jobs may use; 0 takes all."
    )
    job_memory_mb: int = _setting(
        0,
        "LIGHTBOX_JOB_MEMORY_MB",
        _integer(0, 10_000_000),
        "Most memory (MB) of one job; 0 is what is free when it starts, less the floor.",
    )
    job_stuck_s: int = _setting(
        120,
        "LIGHTBOX_JOB_STUCK_S",
        _integer(1, 86_400),
        "Seconds without a sign of life after which a job counts as stuck.",
    )
    job_reset: bool = _setting(
        True,
        "LIGHTBOX_JOB_RESET",
        _switch,
        "Whether stuck jobs start again by themselves, while they have attempts left.",
    )
    job_grace_s: int = _setting(
        10,
        "LIGHTBOX_JOB_GRACE_S",
        _integer(0, 600),
        "Seconds that a job has to save its state when it is told to stop; then it is ended.",
    )
    max_upload_mb: int = _setting(
        20, "LIGHTBOX_MAX_UPLOAD_MB", _integer(1, 100_000), "Largest upload (MB) of a picture."
    )
    max_volume_mb: int = _setting(
        1000,
        "LIGHTBOX_MAX_VOLUME_MB",
        _integer(1, 1_000_000),
        "Largest upload (MB) of a CT, all files together.",
    )
    max_megapixels: int = _setting(
        50, "LIGHTBOX_MAX_MEGAPIXELS", _integer(1, 10_000), "Largest picture (million pixels)."
    )
    max_frames: int = _setting(
        32, "LIGHTBOX_MAX_FRAMES", _integer(1, 1000), "Most frames in one /predict request."
    )
    queue_size: int = _setting(
        32, "LIGHTBOX_QUEUE_SIZE", _integer(1, 10_000), "Requests that may wait; then 429."
    )
    spine_queue: int = _setting(
        8, "LIGHTBOX_SPINE_QUEUE", _integer(0, 1000), "CTs that may wait behind one at work."
    )
    import_dir: Path | None = _setting(
        None,
        "LIGHTBOX_IMPORT_DIR",
        _path,
        "Folder whose CTs the API may read by path; none when empty.",
    )
    temp_dir: Path | None = _setting(
        None,
        "LIGHTBOX_TEMP_DIR TEMP_IMAGES_DIR",
        _path,
        "Folder for uploads in flight, emptied on start; HOME/tmp when empty.",
    )
    saved_eyes_dir: Path | None = _setting(
        None,
        "LIGHTBOX_SAVED_EYES_DIR SAVED_EYES_DIR",
        _path,
        "Folder that keeps the eye crops; nothing is kept when empty.",
    )
    agents: bool = _setting(
        True, "LIGHTBOX_AGENTS", _switch, "Offer the API to agents (MCP) if the extra is there."
    )
    auth: bool = _setting(
        False,
        "LIGHTBOX_AUTH",
        _switch,
        "Ask for sign-in on every page and route; off: one visitor, everything allowed.",
    )
    admin_email: str = _setting(
        "",
        "LIGHTBOX_ADMIN_EMAIL ADMIN_EMAIL",
        str.strip,
        "E-mail of the first administrator, made when there is none.",
    )
    admin_password: str = _secret(
        "LIGHTBOX_ADMIN_PASSWORD ADMIN_PASSWORD",
        str,
        "Password of the first administrator; a one-time link is printed when empty.",
    )
    registration: Registration = _setting(
        "approve",
        "LIGHTBOX_REGISTRATION",
        _choice(Registration),
        "Who may register: off (nobody), approve (an administrator lets them in), open.",
    )
    session_hours: int = _setting(
        12,
        "LIGHTBOX_SESSION_HOURS",
        _integer(1, 720),
        "Hours without a request after which a sign-in ends; at most 30 days in all.",
    )
    jwt_secret: str = _secret(
        "LIGHTBOX_JWT_SECRET JWT_SECRET_KEY",
        _jwt_secret,
        "Key that signs API tokens; made and kept in HOME/secrets when empty.",
    )
    token_expiry_s: int = _setting(
        3600,
        "LIGHTBOX_TOKEN_EXPIRY_S ACCESS_TOKEN_EXPIRY",
        _integer(60, 2_592_000),
        "Seconds after which an API token ends.",
    )
    trusted_proxies: int = _setting(
        0,
        "LIGHTBOX_TRUSTED_PROXIES",
        _integer(0, 10),
        "Reverse proxies of yours in front, whose X-Forwarded-* headers are believed.",
    )
    rate_api: str = _setting(
        "600/minute",
        "LIGHTBOX_RATE_API",
        _rate,
        "Requests of one person (or address) to the plain routes; then 429.",
    )
    rate_sign_in: str = _setting(
        "20/minute",
        "LIGHTBOX_RATE_SIGN_IN",
        _rate,
        "Sign-ins and other password checks of one address; then 429.",
    )
    rate_register: str = _setting(
        "10/hour", "LIGHTBOX_RATE_REGISTER", _rate, "Registrations of one address; then 429."
    )
    recaptcha_secret: str = _secret(
        "LIGHTBOX_RECAPTCHA_SECRET RECAPTCHA_SECRET",
        str.strip,
        "Secret of Google reCAPTCHA; registration asks for it when set.",
    )
    recaptcha_site_key: str = _setting(
        "",
        "LIGHTBOX_RECAPTCHA_SITE_KEY RECAPTCHA_SITE_KEY",
        str.strip,
        "Its site key, for the registration page; without it people register by the API only.",
    )
    recaptcha_url: str = _setting(
        "https://www.google.com/recaptcha/api/siteverify",
        "LIGHTBOX_RECAPTCHA_URL",
        _address,
        "Where a reCAPTCHA answer is verified.",
    )
    metrics_token: str = _secret(
        "LIGHTBOX_METRICS_TOKEN",
        _long_secret,
        "Bearer token with which Prometheus may read /metrics when sign-in is on.",
    )
    files_url: str = _setting(
        "",
        "LIGHTBOX_FILES_URL S3_BUCKET_NAME",
        _files_address,
        "Where files live: s3://BUCKET/FOLDER or a folder; HOME/files when empty.",
    )
    files_links: bool = _setting(
        True,
        "LIGHTBOX_FILES_LINKS",
        _switch,
        "Send browsers to the bucket for downloads; off where they cannot reach it.",
    )
    aws_region: str = _setting(
        "",
        "LIGHTBOX_AWS_REGION AWS_REGION",
        str.strip,
        "Region of the bucket and the message queue; the one of your AWS profile when empty.",
    )
    aws_endpoint_url: str = _setting(
        "",
        "LIGHTBOX_AWS_ENDPOINT_URL AWS_ENDPOINT_URL",
        _address,
        "Address of an S3 and SQS service other than Amazon's, such as MinIO.",
    )
    sqs_queue_url: str = _setting(
        "",
        "LIGHTBOX_SQS_QUEUE_URL SQS_QUEUE_URL",
        _address,
        "SQS queue whose messages become jobs; none when empty.",
    )
    sqs_task: str = _setting(
        "external_model",
        "LIGHTBOX_SQS_TASK",
        str.strip,
        "Task of a message that names an object and no task, such as S3's own notices.",
    )
    sqs_buckets: tuple[str, ...] = _setting(
        (),
        "LIGHTBOX_SQS_BUCKETS",
        _names,
        "Buckets (with commas) that a message may name; the one of the files when empty.",
    )
    sqs_tries: int = _setting(
        3,
        "LIGHTBOX_SQS_TRIES",
        _integer(1, 100),
        "Failed jobs of one message before it is parked.",
    )
    sqs_visibility_s: int = _setting(
        120,
        "LIGHTBOX_SQS_VISIBILITY_S",
        _integer(4, 3600),
        "Seconds after which a message comes again when its reader was killed.",
    )
    sqs_parking_url: str = _setting(
        "",
        "LIGHTBOX_SQS_PARKING_URL",
        _address,
        "SQS queue for parked messages; the folder HOME/intake/parked when empty.",
    )
    model_api_url: str = _setting(
        "",
        "LIGHTBOX_MODEL_API_URL MODEL_API_URL",
        _address,
        "External model that finds cells in a sample; none when empty.",
    )
    model_api_key: str = _secret(
        "LIGHTBOX_MODEL_API_KEY HF_API_KEY", str.strip, "Key that is sent to it; never logged."
    )
    model_api_timeout_s: int = _setting(
        60,
        "LIGHTBOX_MODEL_API_TIMEOUT_S",
        _integer(1, 3600),
        "Longest wait (s) for one answer of it.",
    )
    backup_dir: Path | None = _setting(
        None,
        "LIGHTBOX_BACKUP_DIR",
        _path,
        "Folder for backups, best on another disk; HOME/backups when empty.",
    )
    backup_interval_h: int = _setting(
        24,
        "LIGHTBOX_BACKUP_INTERVAL_H",
        _integer(0, 8760),
        "Hours from one backup to the next; 0 makes none by the clock.",
    )
    backup_keep_daily: int = _setting(
        7,
        "LIGHTBOX_BACKUP_KEEP_DAILY",
        _integer(0, 1000),
        "Days of which the last good backup is kept.",
    )
    backup_keep_weekly: int = _setting(
        4,
        "LIGHTBOX_BACKUP_KEEP_WEEKLY",
        _integer(0, 1000),
        "Weeks of which the last good backup is kept.",
    )

    @classmethod
    def from_env(cls, mapping: Mapping[str, str] | None = None) -> Settings:
        """Read settings from ``mapping`` (the process environment when ``None``).

        Raises
        ------
        SettingsError
            When a value is not usable; the message names the variable.
        """
        environment = os.environ if mapping is None else mapping
        values: dict[str, Any] = {}
        for item in fields(cls):
            found = _first_set(environment, (item.metadata["name"], *item.metadata["aliases"]))
            if found is not None:
                values[item.name] = _parsed(*found, item.metadata, item.default)
        if values.get("home") is None:
            values["home"] = _default_home()
        values["home"] = cast("Path", values["home"]).expanduser()
        return cls(**values)

    def as_mapping(self) -> dict[str, str]:
        """Return variables from which :meth:`from_env` makes the same settings again.

        So that a worker process gets the settings of the process that starts it.
        """
        return {item.metadata["name"]: _written(getattr(self, item.name)) for item in fields(self)}

    @property
    def temp_folder(self) -> Path:
        """Folder for uploads in flight."""
        return self.temp_dir or self.home / "tmp"

    @property
    def backup_folder(self) -> Path:
        """Folder of the backups."""
        return self.backup_dir or self.home / "backups"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SettingDoc:
    """One row of the README's table."""

    name: str
    aliases: tuple[str, ...]
    default: str
    text: str
    is_secret: bool = False


def described() -> tuple[SettingDoc, ...]:
    """Return name, older names, default and meaning of every setting, in order."""
    return tuple(
        SettingDoc(
            name=item.metadata["name"],
            aliases=item.metadata["aliases"],
            default=_shown(item.default),
            text=item.metadata["text"],
            is_secret=item.metadata["secret"],
        )
        for item in fields(Settings)
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SettingValue:
    """A setting as it is in force; ``value`` is for reading, and never shows a secret.

    ``variable`` is the name under which it was found, empty unless it is of the environment.
    """

    doc: SettingDoc
    value: str
    origin: Origin
    variable: str = ""


def in_force(
    settings: Settings, mapping: Mapping[str, str] | None = None
) -> tuple[SettingValue, ...]:
    """Return every setting's value and where it comes from, in the order of :func:`described`.

    ``mapping`` is the process environment when ``None``.
    """
    environment = os.environ if mapping is None else mapping
    values = []
    for item, doc in zip(fields(settings), described(), strict=True):
        value = getattr(settings, item.name)
        origin, variable = _origin(item, value, environment)
        shown = _masked(value) if doc.is_secret else _without_credentials(_shown(value))
        values.append(SettingValue(doc=doc, value=shown, origin=origin, variable=variable))
    return tuple(values)


def _origin(
    item: Field[Any],
    value: object,
    environment: Mapping[str, str],
) -> tuple[Origin, str]:
    names = (item.metadata["name"], *item.metadata["aliases"])
    found = _first_set(environment, names)
    if found is not None and _means(found[1], value, item.metadata["parse"]):
        return ("environment" if found[0] == names[0] else "older name"), found[0]
    usual = _default_home().expanduser() if item.name == "home" else item.default
    return ("default" if value == usual else "program"), ""


def _means(text: str, value: object, parse: Parser) -> bool:
    try:
        return bool(parse(text) == value)
    except ValueError:
        return False


def _masked(value: object) -> str:
    return "set, not shown" if value else "–"


def _without_credentials(text: str) -> str:
    """Hide what stands before the @ of an address: it may be a password."""
    return re.sub(r"://[^/@\s]+@", "://…@", text)


def _first_set(environment: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str] | None:
    for name in names:
        if environment.get(name, "").strip():
            return name, environment[name]
    return None


def _parsed(name: str, text: str, meta: Mapping[str, Any], default: object) -> Any:  # noqa: ANN401 – per field
    try:
        return meta["parse"](text)
    except ValueError as error:
        value = f"has {len(text.strip())}" if meta["secret"] else f"is {text!r}"
        raise SettingsError(
            f"{name} must be {error}, but {value}; "
            f"correct it or unset it (default: {_shown(default)})."
        ) from error


def _default_home() -> Path:
    """Return a Space's persistent disk when there is one, else a folder in the user's home."""
    disk = Path("/data")
    if disk.is_dir() and os.access(disk, os.W_OK):
        return disk / "lightbox"
    return Path("~/.lightbox")


def _shown(value: object) -> str:
    return _written(value) or "–"


def _written(value: object) -> str:
    """Return a value as a variable's text; empty for what is not set."""
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return str(value)
