"""``lightbox eyes``: the eye check on pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.command import BAD_INPUT, Command, Document, print_json
from engine.errors import InputError
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.eyes.results import Screening
    from engine.eyes.screening import EyeScreener

__all__ = ["EYES"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--previews", type=Path, metavar="DIR", help="write crops and heat maps")
    parser.add_argument("--mirrored", action="store_true", help="the pictures are mirror images")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from engine.eyes.screening import EyeScreener

    screener = EyeScreener(settings)
    results = [_answer_of(path, screener, settings, options) for path in options.pictures]
    if options.json:
        print_json({"results": results})
    else:
        for result in results:
            print(_as_text(result))
    return BAD_INPUT if any("error" in result for result in results) else 0


def _answer_of(
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


def _as_text(result: Document) -> str:
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


EYES = Command(name="eyes", help="check the eyes in pictures", add_options=_add_options, run=_run)
