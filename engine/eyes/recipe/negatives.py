"""Pictures that show no eye, by kind, so that whole kinds can be held out.

Sources: drawings that we make, pictures that ship inside installed packages, medical pictures of
other areas when their folder is there, and skin cut from the photographs beside the eye.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.eyes import framing
from engine.eyes.recipe.samples import NOT_AN_EYE, Sample, read_picture
from engine.eyes.rendered import KINDS, render_not_an_eye

__all__ = ["kinds_of", "no_eyes", "scrambled", "skin_beside_eyes"]

# Where a packaged picture shows a person's eyes: (x, y, width, height) that no tile may touch.
# A cat's eyes are no eyes here.
_EYES_IN: Final = {
    "astronaut": ((170, 80, 110, 60),),
    "grace_hopper": ((200, 190, 170, 90),),
}
_SKIMAGE: Final = [
    "astronaut",
    "brick",
    "camera",
    "cell",
    "chelsea",
    "chessboard_RGB",
    "clock_motion",
    "coffee",
    "coins",
    "color",
    "grass",
    "gravel",
    "horse",
    "ihc",
    "logo",
    "microaneurysms",
    "moon",
    "motorcycle_left",
    "page",
    "rocket",
    "text",
    "hubble_deep_field",
    "retina",
]
_SKLEARN: Final = ("china", "flower")
_MIN_CONTRAST: Final = 3.0


def no_eyes(
    folder: Path | None, *, per_kind: int, seed: int = 0, drawn_per_kind: int | None = None
) -> list[Sample]:
    """Return samples labelled :data:`NOT_AN_EYE`, ``per_kind`` of each kind that can be had.

    Parameters
    ----------
    folder
        Folder of medical pictures of other areas (``cells/``, ``seg/``, ``ct/``…), if any.
    per_kind
        Tiles for each packaged picture and each kind of medical picture.
    seed
        Of the choice of tiles.
    drawn_per_kind
        Drawings for each kind of :data:`engine.eyes.rendered.KINDS`; ``per_kind`` by default.
    """
    rng = np.random.default_rng([11, seed])
    found: list[Sample] = []
    for kind in KINDS:
        for index in range(per_kind if drawn_per_kind is None else drawn_per_kind):
            own = np.random.default_rng([13, seed, index, KINDS.index(kind)])
            found.append(_sample(render_not_an_eye(own, kind=kind), f"drawn:{kind}", index))
    for kind, maker in (("noise", _noise), ("discs", _discs), ("gradient", _gradient)):
        found += [_sample(maker(rng), f"made:{kind}", i) for i in range(per_kind)]
    for name, path in _packaged():
        found += _tiles(read_picture(path), f"picture:{name}", per_kind, rng, _EYES_IN.get(name))
    for kind, pictures in _medical(folder, rng, per_kind):
        found += [_sample(p, f"medical:{kind}", i) for i, p in enumerate(pictures)]
    return found


def kinds_of(samples: Sequence[Sample]) -> list[str]:
    """Return the kinds that occur, sorted."""
    return sorted({sample.kind for sample in samples})


def skin_beside_eyes(photograph: Sample, rng: np.random.Generator) -> Sample | None:
    """Cut skin, brow or hair from a photograph beside its eye, or ``None`` where there is none."""
    (ax, ay), (bx, by) = photograph.corners
    eye = math.hypot(bx - ax, by - ay)
    height, width = photograph.pixels.shape[:2]
    # Rows that are surely outside the lids: more than 0.42 eye widths from the corners' line.
    above, below = min(ay, by) - 0.42 * eye, max(ay, by) + 0.42 * eye
    spans = [(0.0, above), (below, float(height))]
    y0, y1 = spans[int(rng.integers(2))]
    y0, y1 = max(y0, 0.0), min(y1, float(height))
    if y1 - y0 < 30:
        return None
    tall = rng.uniform(30, y1 - y0)
    top = rng.uniform(y0, y1 - tall)
    wide = min(tall * rng.uniform(1.0, 1.4), width)
    left = rng.uniform(0, width - wide)
    part = photograph.pixels[int(top) : int(top + tall), int(left) : int(left + wide)]
    if part.shape[0] < 24 or part.shape[1] < 24:
        return None
    sample = _sample(np.ascontiguousarray(part), "skin", 0)
    return Sample(
        pixels=sample.pixels,
        corners=sample.corners,
        label=NOT_AN_EYE,
        group=photograph.group,
        key=f"skin-{photograph.key}",
        kind="skin",
    )


def scrambled(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shuffle a crop's tiles: an eye's colours and edges without its shape."""
    rows, columns = ((2, 3), (3, 3), (4, 4), (4, 6))[rng.integers(4)]
    height, width = pixels.shape[0] // rows, pixels.shape[1] // columns
    tiles = [
        pixels[r * height : (r + 1) * height, c * width : (c + 1) * width]
        for r in range(rows)
        for c in range(columns)
    ]
    order = rng.permutation(len(tiles))
    turned = [np.rot90(tiles[i], 2 * int(rng.integers(2))) for i in order]
    mixed = np.vstack([np.hstack(turned[r * columns : (r + 1) * columns]) for r in range(rows)])
    return cv2.resize(mixed, pixels.shape[1::-1]).astype(np.uint8, copy=False)


def _sample(pixels: NDArray[np.uint8], kind: str, index: int) -> Sample:
    height, width = pixels.shape[:2]
    if max(height, width) > 260:
        factor = 260 / max(height, width)
        size = (max(int(width * factor), 8), max(int(height * factor), 8))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        height, width = pixels.shape[:2]
    return Sample(
        pixels=np.ascontiguousarray(pixels),
        corners=framing.whole_picture_corners(height=height, width=width),
        label=NOT_AN_EYE,
        group=f"{kind}-{index}",
        key=f"{kind}-{index}",
        kind=kind,
    )


def _tiles(
    picture: NDArray[np.uint8],
    kind: str,
    count: int,
    rng: np.random.Generator,
    forbidden: Sequence[tuple[int, int, int, int]] | None,
) -> Iterator[Sample]:
    height, width = picture.shape[:2]
    made = tries = 0
    while made < count and tries < 40 * count:
        tries += 1
        tall = int(min(height, width / 1.125) * math.exp(rng.uniform(math.log(0.18), 0)))
        wide = int(tall * 1.125)
        x, y = int(rng.integers(width - wide + 1)), int(rng.integers(height - tall + 1))
        if tall < 16 or any(_overlap((x, y, wide, tall), box) for box in forbidden or ()):
            continue
        tile = picture[y : y + tall, x : x + wide]
        if tile.std() < _MIN_CONTRAST and rng.random() < 0.8:
            continue
        yield _sample(tile, kind, made)
        made += 1


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def _packaged() -> Iterator[tuple[str, Path]]:
    """Yield pictures that installed packages carry."""
    places = [
        ("skimage", "data", _SKIMAGE),
        ("sklearn", "datasets/images", _SKLEARN),
        ("matplotlib", "mpl-data/sample_data", ("grace_hopper",)),
        ("gradio", "media_assets/images", ("tower", "cheetah1", "lion")),
    ]
    for package, below, names in places:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        root = Path(spec.submodule_search_locations[0]) / below
        for name in names:
            for suffix in (".png", ".jpg"):
                if (root / f"{name}{suffix}").is_file():
                    yield name, root / f"{name}{suffix}"


def _medical(
    folder: Path | None, rng: np.random.Generator, count: int
) -> Iterator[tuple[str, list[NDArray[np.uint8]]]]:
    if folder is None:
        return
    readers: dict[str, tuple[str, Callable[[Path], NDArray[np.uint8]]]] = {
        "blood": ("cells/bccd/images/*.jpg", read_picture),
        "nuclei": ("seg/dsb2018/images/*.png", read_picture),
        "ct": ("ct/*/images/*.nii.gz", lambda path: _slice(path, rng)),
        "mr": ("volumes/*/images/*.nii.gz", lambda path: _slice(path, rng)),
        "histology": ("large/*/*.svs", _slide),
    }
    for kind, (pattern, read) in readers.items():
        paths = sorted(folder.glob(pattern))
        if not paths:
            continue
        chosen = [paths[int(i)] for i in rng.integers(len(paths), size=2 * count)]
        pictures: list[NDArray[np.uint8]] = []
        opened: dict[Path, NDArray[np.uint8]] = {}
        for path in chosen:
            if kind == "histology":
                opened.setdefault(path, read(path))
            picture = opened[path] if path in opened else read(path)
            pictures += [s.pixels for s in _tiles(picture, kind, 1, rng, None)]
        yield kind, pictures[: 2 * count]


def _slice(path: Path, rng: np.random.Generator) -> NDArray[np.uint8]:
    import nibabel

    values = np.asarray(nibabel.load(path).dataobj)  # type: ignore[attr-defined]  # images have it
    values = values[..., 0] if values.ndim == 4 else values
    axis = int(rng.integers(3))
    index = int(rng.integers(values.shape[axis] // 4, values.shape[axis] * 3 // 4 + 1))
    plane = np.take(values, min(index, values.shape[axis] - 1), axis=axis).astype(np.float32)
    low, high = np.percentile(plane, [rng.uniform(0, 40), rng.uniform(90, 100)])
    grey = np.clip((plane - low) / max(high - low, 1e-3) * 255, 0, 255).astype(np.uint8)
    return np.repeat(np.ascontiguousarray(np.rot90(grey))[..., None], 3, axis=2)


def _slide(path: Path) -> NDArray[np.uint8]:
    import tifffile

    pixels: NDArray[np.uint8] = np.asarray(tifffile.imread(path, key=0), np.uint8)
    return pixels


def _noise(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Noise at a random grain, grey or coloured."""
    cells = int(rng.integers(2, 90))
    field = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    if rng.random() < 0.4:
        field = np.repeat(field[..., :1], 3, axis=2)
    way = cv2.INTER_CUBIC if rng.random() < 0.7 else cv2.INTER_NEAREST
    return cv2.resize(field, (180, 160), interpolation=way).astype(np.uint8)


def _discs(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Discs and rings on a plain ground: balls, fruit, buttons, targets."""
    picture = np.empty((160, 180, 3), np.uint8)
    picture[:] = rng.integers(0, 256, 3)
    for _ in range(int(rng.choice([1, 1, 2, 5, 14]))):
        centre = (int(rng.integers(20, 160)), int(rng.integers(20, 140)))
        radius = int(rng.integers(6, 75))
        for shrink in np.linspace(1, 0.2, int(rng.integers(1, 5))):
            colour = tuple(int(c) for c in rng.integers(0, 256, 3))
            cv2.circle(picture, centre, max(int(radius * shrink), 1), colour, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.1, 2.5)).astype(np.uint8)


def _gradient(rng: np.random.Generator) -> NDArray[np.uint8]:
    """One colour, or a slow change between a few: a covered lens, a wall, the sky."""
    cells = rng.integers(0, 256, (int(rng.integers(1, 4)), int(rng.integers(1, 4)), 3))
    mixed = cells.mean(axis=(0, 1)) + (cells - cells.mean(axis=(0, 1))) * rng.uniform(0, 1)
    smooth = cv2.resize(mixed.astype(np.float32), (180, 160), interpolation=cv2.INTER_LINEAR)
    grain = rng.standard_normal((160, 180, 3)) * rng.uniform(0, 6)
    noisy: NDArray[np.uint8] = np.clip(smooth + grain, 0, 255).astype(np.uint8)
    return noisy
