"""The ``lightbox`` command. Exit code 0: done; 2: bad input; 1: our fault; 130: stopped by Ctrl-C.

With ``--json`` one JSON document, and nothing else, goes to standard output.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import engine
from engine.errors import InputError, LightboxError
from engine.settings import Settings
from engine.spine.choices import BACKENDS, TASKS

if TYPE_CHECKING:
    from engine.eyes.results import Screening
    from engine.eyes.screening import EyeScreener

__all__ = ["main"]

_BAD_INPUT, _OUR_FAULT, _STOPPED = 2, 1, 130
Document = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_env()
        logging.basicConfig(
            level=_log_level(options, settings),
            stream=sys.stderr,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
        command: Callable[[argparse.Namespace, Settings], int] = options.command
        return command(options, settings)
    except LightboxError as error:
        print(f"lightbox: {error}", file=sys.stderr)
        return _BAD_INPUT if isinstance(error, InputError) else _OUR_FAULT
    except KeyboardInterrupt:
        print("lightbox: stopped", file=sys.stderr)
        return _STOPPED


def _log_level(options: argparse.Namespace, settings: Settings) -> str:
    """Return the level: a server says what it does, other commands only what goes wrong."""
    is_quiet = options.command is not _serve and settings.log_level == "INFO"
    return "WARNING" if is_quiet else settings.log_level


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lightbox",
        description="Medical-imaging demos that run for real. Not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"lightbox {engine.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve everything on one port")
    serve.add_argument("--host", help="address to listen on (LIGHTBOX_HOST)")
    serve.add_argument("--port", type=int, help="port to listen on (LIGHTBOX_PORT)")
    serve.set_defaults(command=_serve)

    eyes = commands.add_parser("eyes", help="check the eyes in pictures")
    eyes.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE")
    eyes.add_argument("--json", action="store_true", help="print one JSON document")
    eyes.add_argument("--previews", type=Path, metavar="DIR", help="write crops and heat maps")
    eyes.add_argument("--mirrored", action="store_true", help="the pictures are mirror images")
    eyes.set_defaults(command=_eyes)

    _add_spine(commands)

    doctor = commands.add_parser("doctor", help="say what is installed and whether it works")
    doctor.add_argument("--json", action="store_true", help="print one JSON document")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_spine(commands: Any) -> None:  # noqa: ANN401 – argparse keeps its type to itself
    spine = commands.add_parser("spine", help="find and name the vertebrae in a CT")
    spine.add_argument(
        "ct", type=Path, metavar="CT", help="NIfTI, NRRD, MHA, DICOM file or folder, ZIP"
    )
    spine.add_argument("--backend", default="embedded", choices=BACKENDS, help="who looks for them")
    spine.add_argument(
        "--task", default="total_fast", choices=TASKS, help="weights of the other two backends"
    )
    spine.add_argument("--json", action="store_true", help="print one JSON document")
    spine.add_argument("--out", type=Path, metavar="DIR", help="write label map, table, meshes, …")
    spine.add_argument(
        "--no-transitional", action="store_true", help="count on 12 thoracic, 5 lumbar vertebrae"
    )
    spine.set_defaults(command=_spine)


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    import uvicorn

    from engine.eyes.screening import EyeScreener

    EyeScreener(settings).check()  # a wrong model folder is told before anything starts
    host, port = options.host or settings.host, options.port or settings.port
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host  # noqa: S104 – compared
    print(f"Lightbox starts at http://{shown}:{port}", file=sys.stderr)
    # Named by text: the command line knows that an application exists, not what is in it.
    uvicorn.run(
        "app:create_app",
        factory=True,
        host=host,
        port=port,
        root_path=settings.root_path,
        log_level=settings.log_level.lower(),
        access_log=settings.log_level == "DEBUG",
        timeout_graceful_shutdown=5,
    )
    return 0


def _eyes(options: argparse.Namespace, settings: Settings) -> int:
    from engine.eyes.screening import EyeScreener

    screener = EyeScreener(settings)
    results = [_eyes_of(path, screener, settings, options) for path in options.pictures]
    if options.json:
        print(json.dumps({"results": results}, ensure_ascii=False, allow_nan=False))
    else:
        for result in results:
            print(_eyes_text(result))
    return _BAD_INPUT if any("error" in result for result in results) else 0


def _eyes_of(
    path: Path, screener: EyeScreener, settings: Settings, options: argparse.Namespace
) -> Document:
    from engine.eyes.documents import screening_json
    from engine.eyes.judging import HeatMaps
    from engine.imaging import pictures

    try:
        data = _read(path, max_bytes=settings.max_upload_mb * 1_000_000)
        picture = pictures.decode(data, max_pixels=settings.max_megapixels * 1_000_000)
        screening = screener.screen(
            [picture], mirrored=options.mirrored, heat_maps=HeatMaps(tested=True)
        )
    except InputError as error:
        return {"file": str(path), "error": {"code": error.code, "message": str(error)}}
    if options.previews:
        _write_previews(screening, path.stem, options.previews)
    return {"file": str(path), **screening_json(screening)}


def _read(path: Path, *, max_bytes: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise InputError(
                f"{path} has {size / 1e6:.1f} MB; at most {max_bytes / 1e6:.0f} MB are read "
                "(LIGHTBOX_MAX_UPLOAD_MB)."
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Expected a picture at {path}, but it cannot be read ({error.strerror}); "
            "check the path."
        ) from error


def _write_previews(screening: Screening, stem: str, folder: Path) -> None:
    from engine.imaging import overlays, pictures

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, finding in (("left_eye", screening.left), ("right_eye", screening.right)):
            if finding is None:
                continue
            (folder / f"{stem}_{name}.png").write_bytes(pictures.encode_png(finding.crop))
            if finding.heat_map is not None:
                heat = overlays.heat_overlay(finding.crop, finding.heat_map.values)
                (folder / f"{stem}_{name}_heat.png").write_bytes(pictures.encode_png(heat))
    except OSError as error:
        raise InputError(
            f"Expected a folder for previews at {folder}, but it cannot be written "
            f"({error.strerror}); name another."
        ) from error


def _eyes_text(result: Document) -> str:
    if "error" in result:
        return f"{result['file']}: {result['error']['message']}"
    lines = [f"{result['file']}:"]
    for key in ("left_eye", "right_eye"):
        eye = result[key]
        scores = ", ".join(
            f"{name} {percent:.0f} %" for name, percent in eye.get("average_scores", {}).items()
        )
        line = f"  {key.replace('_', ' ')}: {eye['best_prediction']} ({eye['decision']}) {scores}"
        lines.append(line.rstrip())
        lines += [f"    {reason}" for reason in eye["reasons"]]
    return "\n".join(lines)


def _spine(options: argparse.Namespace, settings: Settings) -> int:
    from engine.spine import command

    line = _ProgressLine(is_shown=sys.stderr.isatty())
    try:
        found = command.detect_file(
            options.ct,
            settings,
            backend=options.backend,
            task=options.task,
            transitional=not options.no_transitional,
            tell=line.show,
        )
        written = command.write_files(found, options.out) if options.out else []
    except LightboxError as error:
        if not options.json:
            raise
        problem = {"code": error.code, "message": str(error)}
        _print_json({"file": str(options.ct), "success": False, "error": problem})
        return _BAD_INPUT if isinstance(error, InputError) else _OUR_FAULT
    finally:
        line.clear()
    document = {"file": str(options.ct), **found.document()}
    if options.json:
        _print_json(document)
    else:
        print(command.as_text(document))
        for path in written:
            print(f"wrote {path}")
    return 0


def _print_json(document: Document) -> None:
    print(json.dumps(document, ensure_ascii=False, allow_nan=False))


class _ProgressLine:
    """One line on a terminal's standard error that is written over; silent elsewhere."""

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown

    def show(self, done: float, text: str, remaining_s: float) -> None:
        if self._is_shown:
            words = f"{100 * done:3.0f} %  {text}  (about {remaining_s:.0f} s left)"
            print(f"\r\x1b[K{words[:100]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _doctor(options: argparse.Namespace, settings: Settings) -> int:
    from engine import doctor

    report = doctor.diagnose(settings)
    if options.json:
        print(json.dumps(report, ensure_ascii=False, allow_nan=False))
    else:
        for check in report["checks"]:
            print(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']}: {check['detail']}")
    return 0 if report["healthy"] else _OUR_FAULT


if __name__ == "__main__":
    sys.exit(main())
