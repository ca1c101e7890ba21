"""``lightbox cells``: boxes of blood cells in pictures of smears."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.command import BAD_INPUT, Command, Document, print_json
from engine.errors import InputError, RequestError
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.cells.detectors import CellDetector

__all__ = ["CELLS"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE")
    parser.add_argument("--backend", default="network", choices=("network", "opencv"))
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a parameter of the detector; may be given again",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from engine.cells.detecting import open_detector

    detector = open_detector(options.backend, _parameters(options.set), settings=settings)
    results = [_answer_of(path, detector, settings) for path in options.pictures]
    if options.json:
        print_json({"results": results})
    else:
        for result in results:
            print(_as_text(result))
    return BAD_INPUT if any("error" in result for result in results) else 0


def _parameters(given: list[str]) -> dict[str, float]:
    parameters = {}
    for pair in given:
        name, _, value = pair.partition("=")
        try:
            parameters[name.strip()] = float(value)
        except ValueError as error:
            raise RequestError(
                f"--set takes NAME=VALUE with a number, but got {pair[:60]!r}."
            ) from error
    return parameters


def _answer_of(path: Path, detector: CellDetector, settings: Settings) -> Document:
    from engine.cells.documents import found_json
    from engine.imaging import pictures

    try:
        picture = pictures.decode(
            _read(path),
            max_pixels=settings.max_megapixels * 1_000_000,
            max_bytes=settings.max_upload_mb * 1_000_000,
        )
        return {"file": str(path), **found_json(detector.detect(picture))}
    except InputError as error:
        return {"file": str(path), "error": {"code": error.code, "message": str(error)}}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Expected a picture at {path}, but it cannot be read ({error.strerror}); "
            "check the path."
        ) from error


def _as_text(result: Document) -> str:
    if "error" in result:
        return f"{result['file']}: {result['error']['message']}"
    counts = ", ".join(f"{number} {name}" for name, number in sorted(result["counts"].items()))
    lines = [f"{result['file']}: {counts or 'no cells'} ({result['detector']})"]
    return "\n".join([*lines, *(f"  {note}" for note in result["notes"])])


CELLS = Command(
    name="cells", help="find blood cells in pictures", add_options=_add_options, run=_run
)
