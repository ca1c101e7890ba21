"""``lightbox predict``: a class for every pixel of pictures, by a trained model folder."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from engine.cli.command import BAD_INPUT, OUR_FAULT, Command, Document, print_json
from engine.cli.predict_files import Target, replaced, targets
from engine.cli.progress import ProgressLine
from engine.errors import InputError, LightboxError
from engine.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.inference.tiled import Source
    from engine.segmentation.results import Segmentation
    from engine.segmentation.segmenter import Segmenter

__all__ = ["PREDICT"]

_LONGEST_OVERLAY_PX: Final = 4096
_BAND_ROWS: Final = 256


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL_DIR", help="folder with card.json")
    parser.add_argument(
        "pictures", nargs="+", type=Path, metavar="PICTURE", help="picture, or folder of pictures"
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="DIR/<stem>.png has the index of each pixel's class",
    )
    parser.add_argument(
        "--probabilities", action="store_true", help="also write DIR/<stem>.npz: (K, H, W)"
    )
    parser.add_argument(
        "--overlay", action="store_true", help="also write DIR/<stem>_overlay.png to look at"
    )
    parser.add_argument(
        "--pixel-size-um", type=float, metavar="UM", help="side of a pixel; gives areas in mm²"
    )
    parser.add_argument("--precision", default="auto", choices=("auto", "f32", "bf16"))
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from engine.segmentation.segmenter import open_segmenter

    del settings  # files on this machine's own disk: limits of uploads do not hold
    planned = targets(options.pictures, options.out)
    segmenter = open_segmenter(options.model, precision=options.precision, threads=options.threads)
    line = ProgressLine(is_shown=sys.stderr.isatty())
    results: list[Document] = []
    codes: list[int] = []
    for number, target in enumerate(planned):
        tell = _Telling(line, number, len(planned))
        result, code = _answer_of(target, segmenter, options, tell)
        line.clear()
        results.append(result)
        codes.append(code)
        if not options.json:
            print(_as_text(result), flush=True)
    if options.json:
        card = segmenter.card
        print_json({"model": card.label, "classes": list(card.classes), "results": results})
    return BAD_INPUT if BAD_INPUT in codes else max(codes)


def _answer_of(
    target: Target, segmenter: Segmenter, options: argparse.Namespace, tell: _Telling
) -> tuple[Document, int]:
    """Segment one picture and write its files; an error is an answer too."""
    from engine.inference.tiled_sources import open_source

    try:
        target.check()
        with open_source(target.picture) as source:
            found = segmenter.predict(
                source,
                probabilities=options.probabilities,
                pixel_size_um=options.pixel_size_um,
                tell=tell,
            )
            written = _written(target, found, source, options)
        found = dataclasses.replace(found, probabilities=None)  # measuring needs the room
    except (LightboxError, OSError) as error:
        code = BAD_INPUT if isinstance(error, InputError) else OUR_FAULT
        name = error.code if isinstance(error, LightboxError) else "cannot_write"
        text = str(error) if isinstance(error, LightboxError) else _unwritten(error)
        return {"file": str(target.picture), "error": {"code": name, "message": text}}, code
    return {"file": str(target.picture), **written, **_figures(found)}, 0


def _written(
    target: Target, found: Segmentation, source: Source, options: argparse.Namespace
) -> Document:
    """Write what was asked for; each file appears whole or not at all."""
    from engine.imaging import pictures
    from engine.segmentation import exports
    from engine.segmentation.drawing import overlay

    names = {"mask": target.mask}
    with replaced(target.mask) as path:
        path.write_bytes(exports.mask_png(found))
    if options.probabilities:
        names["probabilities"] = target.probabilities
        with replaced(target.probabilities) as path:
            exports.write_probabilities(found, path)
    if options.overlay:
        names["overlay"] = target.overlay
        picture, step = _looked_at(source)
        drawn = overlay(picture, found.mask[::step, ::step], found.classes)
        with replaced(target.overlay) as path:
            path.write_bytes(pictures.encode_png(drawn))
    return {name: str(path) for name, path in names.items()}


def _looked_at(source: Source) -> tuple[NDArray[np.uint8], int]:
    """Return every ``n``-th pixel of a picture, at most 4,096 a side, and ``n``."""
    import numpy as np

    step = -(-max(source.height, source.width) // _LONGEST_OVERLAY_PX)
    bands = []
    rows = _BAND_ROWS * step
    for top in range(0, source.height, rows):
        high = min(rows, source.height - top)
        bands.append(source.read(top, 0, high, source.width)[::step, ::step].copy())
    return np.concatenate(bands), step


def _figures(found: Segmentation) -> Document:
    from engine.segmentation.measuring import measure

    return {**measure(found, with_objects=False).to_json(), "seconds": round(found.seconds, 3)}


def _unwritten(error: OSError) -> str:
    return (
        f"Expected to write {error.filename or 'the result'}, but the system says "
        f"{error.strerror or error}; check rights and free space of --out."
    )


def _as_text(result: Document) -> str:
    if "error" in result:
        return f"{result['file']}: {result['error']['message']}"
    shares = ", ".join(_class_text(row) for row in result["classes"])
    return f"{result['file']}: {shares} → {result['mask']} ({result['seconds']:.1f} s)"


def _class_text(row: Document) -> str:
    words = f"{100 * row['share']:.1f} % {row['name']}"
    if row["objects"] is None:
        return words
    count = f"{row['objects']} object{'' if row['objects'] == 1 else 's'}"
    area = "" if row["area_mm2"] is None else f", {row['area_mm2']:.4g} mm²"
    return f"{words} ({count}{area})"


@final
class _Telling:
    """Turns a picture's own progress into that of all of them."""

    def __init__(self, line: ProgressLine, number: int, count: int) -> None:
        self._line = line
        self._number = number
        self._count = count
        self._began = time.monotonic()

    def __call__(self, done: float, text: str) -> None:
        spent_s = time.monotonic() - self._began
        left = (self._count - self._number - done) / max(done, 1e-6)  # as if all were alike
        words = f"picture {self._number + 1} of {self._count}, {text}"
        self._line.show((self._number + done) / self._count, words, spent_s * left)


PREDICT = Command(
    name="predict",
    help="say of every pixel of pictures what it shows",
    add_options=_add_options,
    run=_run,
)
