"""Tiled prediction against MONAI's sliding window, and what very large pictures take.

::

    python -m benchmarks.tiled_prediction [--quick]

One U-Net of 16 to 256 channels with random weights goes over one picture of 2,048² pixels in tiles
of 512² that overlap by a quarter: through MONAI's ``sliding_window_inference`` on eager torch in
float32, and through :mod:`engine.inference.tiled` on OpenVINO, on the same cores in the same run,
both with softmax and the best class at the end. Then several sizes for the cost by area, and in a
process of its own a TIFF of 9,000 × 10,000 pixels for the peak of memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.inference.processors import usable_cores

if TYPE_CHECKING:
    from engine.segmentation.segmenter import Segmenter

__all__ = ["main"]

_CHANNELS: Final = (16, 32, 64, 128, 256)
_TILE_PX: Final = 512
_OVERLAP: Final = 0.25
_SIDE_PX: Final = 2048
_LARGE: Final = (9000, 10000)
_CLASSES: Final = ("background", "unhealthy", "healthy")


def main(arguments: list[str] | None = None) -> int:
    """Print the figures as one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small form, to try it out")
    parser.add_argument("--large", nargs=2, metavar=("FOLDER", "TIFF"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.large:
        print(json.dumps(_large(Path(options.large[0]), Path(options.large[1]))))
        return 0
    with tempfile.TemporaryDirectory() as work:
        figures = _figures(Path(work), quick=options.quick)
    print(json.dumps(figures, indent=2))
    return 0


def _figures(work: Path, *, quick: bool) -> dict[str, Any]:
    import torch

    from engine.segmentation.segmenter import open_segmenter

    cores = usable_cores()
    torch.set_num_threads(cores)
    network = _u_net()
    model = _model_folder(network, work / "model")
    side = 1024 if quick else _SIDE_PX
    picture = _picture(side, side)
    monai_s, monai_mask = _by_monai(network, picture, repeats=1 if quick else 2)
    found: dict[str, Any] = {"cores": cores, "side_px": side, "monai_s": round(monai_s, 2)}
    for precision in ("f32", "auto"):
        segmenter = open_segmenter(model, precision=precision, threads=cores)
        seconds, mask = _by_tiles(segmenter, picture, repeats=3)
        found[precision] = {
            "precision": segmenter.precision,
            "seconds": round(seconds, 3),
            "times_monai": round(monai_s / seconds, 1),
            "same_class_share": round(float((mask == monai_mask).mean()), 5),
            "class_shares": np.round(np.bincount(mask.ravel()) / mask.size, 2).tolist(),
        }
    found["network_alone_s"] = round(_network_alone(segmenter, side), 3)
    found["by_area"] = _by_area(segmenter, (512, 1024) if quick else (512, 1024, 2048, 4096))
    found["large"] = _in_own_process(model, work, (1500, 2000) if quick else _LARGE)
    return found


def _u_net() -> Any:
    import torch
    from torch import nn

    def twice(before: int, after: int) -> nn.Sequential:
        parts: list[nn.Module] = []
        for inputs in (before, after):
            parts += [nn.Conv2d(inputs, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        return nn.Sequential(*parts)

    class Net(nn.Module):
        """Two convolutions on each of five levels, down and up."""

        def __init__(self) -> None:
            super().__init__()
            pairs = list(itertools.pairwise(_CHANNELS))
            self.first = twice(3, _CHANNELS[0])
            self.down = nn.ModuleList([twice(low, high) for low, high in pairs])
            self.grow = nn.ModuleList([nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairs])
            self.up = nn.ModuleList([twice(2 * low, low) for low, _ in pairs])
            self.last = nn.Conv2d(_CHANNELS[0], len(_CLASSES), 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            levels = [self.first(image)]
            for block in self.down:
                levels.append(block(nn.functional.max_pool2d(levels[-1], 2)))
            found = levels.pop()
            for grow, block in zip(reversed(self.grow), reversed(self.up), strict=True):
                found = block(torch.cat([levels.pop(), grow(found)], dim=1))
            answer: torch.Tensor = self.last(found)
            return answer

    torch.manual_seed(0)
    network = Net().requires_grad_(requires_grad=False)
    sample = torch.from_numpy(_normalised(_picture(256, 256)))[None]
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    network.train()(sample)  # sensible statistics, and each class as likely as the others
    network.eval().last.bias -= network(sample).mean(dim=(0, 2, 3))
    return network


def _model_folder(network: Any, folder: Path) -> Path:
    from engine.inference import cards, export
    from engine.inference.cards import DataSource, FreeSizeSpec, ModelCard

    example = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32)
    export.export_openvino(
        network, example, folder, outputs=["logits"], dynamic_sides=True, fp16_weights=True
    )
    card = ModelCard(
        name="random",
        version="1",
        task="segmentation",
        architecture="unet",
        format="openvino",
        input=FreeSizeSpec(
            side_multiple=16, normalised_by="engine.segmentation.normalising.normalise"
        ),
        classes=_CLASSES,
        outputs={"logits": "logits"},
        licence="MIT",
        source="random weights",
        data=(DataSource(name="none", source="none", licence="MIT", images=0, groups=0),),
        split="none",
        created="2026-12-01",
        details={"tile_px": _TILE_PX, "overlap": _OVERLAP},
    )
    cards.write(folder, card)
    return folder


def _picture(height: int, width: int) -> NDArray[np.uint8]:
    """Return smooth blobs with grain, the same on every call."""
    import cv2

    random = np.random.default_rng(1)
    coarse = random.integers(0, 256, (height // 32 + 2, width // 32 + 2, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = random.integers(0, 16, (height, 1), dtype=np.uint8)
    return np.asarray(cv2.add(smooth, np.repeat(grain, width, 1)[..., None].repeat(3, 2)), np.uint8)


def _normalised(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    from engine.segmentation.normalising import Normalisation, normalise

    return normalise(picture, Normalisation().measure(picture))


def _by_monai(
    network: Any,
    picture: NDArray[np.uint8],
    *,
    repeats: int,
) -> tuple[float, NDArray[np.uint8]]:
    import torch
    from monai.inferers.utils import sliding_window_inference

    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        batch = torch.from_numpy(_normalised(picture))[None]
        with torch.inference_mode():
            scores: Any = sliding_window_inference(
                batch, (_TILE_PX, _TILE_PX), 4, network, overlap=_OVERLAP, mode="gaussian"
            )
            mask = scores.softmax(dim=1).argmax(dim=1)[0].to(torch.uint8).numpy()
        times.append(time.perf_counter() - began)
    return min(times), mask


def _by_tiles(
    segmenter: Segmenter, picture: NDArray[np.uint8], *, repeats: int
) -> tuple[float, NDArray[np.uint8]]:
    found = [segmenter.predict(picture) for _ in range(repeats)]
    return min(one.seconds for one in found), found[0].mask


def _network_alone(segmenter: Segmenter, side: int) -> float:
    """Return how long the tiles alone take: what no better blending could save."""
    from engine.inference.tiled_grid import tiles_along

    tiles = tiles_along(side, segmenter.tiling)
    batch = np.random.default_rng(0).standard_normal((1, 3, tiles.side, tiles.side))
    began = time.perf_counter()
    for _ in range(len(tiles.starts) ** 2):
        segmenter.scores(batch.astype(np.float32))
    return time.perf_counter() - began


def _by_area(segmenter: Segmenter, sides: tuple[int, ...]) -> list[dict[str, float]]:
    rows = []
    for side in sides:
        seconds, _ = _by_tiles(segmenter, _picture(side, side), repeats=2)
        per_megapixel = seconds / (side * side / 1e6)
        rows.append({"side_px": side, "s_per_megapixel": round(per_megapixel, 3)})
    return rows


def _in_own_process(model: Path, work: Path, shape: tuple[int, int]) -> dict[str, Any]:
    """Write a TIFF of tiles, and let another process segment it."""
    import tifffile

    path = work / "large.tif"
    picture = _picture(*shape)
    tifffile.imwrite(path, picture, tile=(512, 512), photometric="rgb", compression="zlib")
    del picture
    command = [
        sys.executable,
        "-m",
        "benchmarks.tiled_prediction",
        "--large",
        str(model),
        str(path),
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def _large(model: Path, path: Path) -> dict[str, Any]:
    from engine.inference.tiled_sources import open_source
    from engine.segmentation.segmenter import open_segmenter

    segmenter = open_segmenter(model)
    with open_source(path) as source:
        found = segmenter.predict(source)
    return {
        "width": found.width,
        "height": found.height,
        "seconds": round(found.seconds, 1),
        "s_per_megapixel": round(found.seconds / (found.mask.size / 1e6), 3),
        "peak_rss_mb": round(_peak_mb()),
    }


def _peak_mb() -> float:
    """Return the peak of this process alone; ``ru_maxrss`` would hold that of its parent too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    lines = (line.split() for line in status.splitlines())
    return next(int(line[1]) * 1024 / 1e6 for line in lines if line[0] == "VmHWM:")


if __name__ == "__main__":
    sys.exit(main())
