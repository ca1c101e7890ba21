"""How fast one frame is screened, beside the pipeline that tutorials build from the same parts.

``python -m benchmarks.eye_screening [--frames N]``

The stream is scikit-image's portrait, moved and scaled a little from frame to frame as a person in
front of a webcam, at 640×480, its eyes about 60 px wide. Ours: tracking, both eyes, quality,
network, both heat maps. The peer: Haar cascade at scale 1.3 on each frame, dlib's 68 landmarks
where the predictor is installed, MobileNetV3-small in eager torch, pytorch-grad-cam for both eyes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def stream(frames: int) -> Iterator[Picture]:
    """Yield 640×480 RGB frames of a slowly moving face."""
    from skimage import data

    portrait = data.astronaut()
    for number in range(frames):
        angle = number / 15
        scale = 3.0 + 0.1 * np.sin(angle / 3)
        shift = (6 * np.sin(angle) - 340, 4 * np.cos(angle * 0.7) - 100)
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float64)
        yield cv2.warpAffine(portrait, matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)


def timed(step: Callable[[Picture], Any], frames: list[Picture]) -> list[float]:
    """Return milliseconds of each frame, after five frames of warm-up."""
    for frame in frames[:5]:
        step(frame)
    took = []
    for frame in frames:
        start = time.perf_counter()
        step(frame)
        took.append((time.perf_counter() - start) * 1000)
    return took


def ours_stream() -> Callable[[Picture], Any]:
    """Build our screening of a stream: the tracker remembers the face."""
    from engine.eyes.screening import EyeScreener
    from engine.settings import Settings

    screener = EyeScreener(Settings.from_env())
    followed = screener.new_followed_face()
    return lambda frame: screener.screen([frame], followed=followed)


def ours_still() -> Callable[[Picture], Any]:
    """Build our screening of lone pictures: nothing is remembered."""
    from engine.eyes.screening import EyeScreener
    from engine.settings import Settings

    screener = EyeScreener(Settings.from_env())
    return lambda frame: screener.screen([frame])


def naive() -> Callable[[Picture], Any]:
    """Build the peer from the parts that tutorials use."""
    import cv2.data
    import dlib
    import torch
    from pytorch_grad_cam import GradCAM
    from torchvision.models import mobilenet_v3_small

    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    predictor = landmark_predictor()
    network = mobilenet_v3_small(num_classes=4).eval()
    cam = GradCAM(model=network, target_layers=[network.features[-1]])

    def step(frame: Picture) -> None:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        faces = cascade.detectMultiScale(grey, 1.3, 5)
        x, y, w, h = (int(v) for v in faces[0]) if len(faces) else (200, 100, 240, 240)
        if predictor is not None:
            predictor(grey, dlib.rectangle(x, y, x + w, y + h))
        boxes = [(x + w // 8, y + h // 4), (x + w // 2, y + h // 4)]
        for left, top in boxes:
            crop = cv2.resize(frame[top : top + h // 4, left : left + 3 * w // 8], (224, 224))
            batch = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
            with torch.no_grad():
                network(batch).softmax(1)
            cam(input_tensor=batch, targets=None)

    return step


def landmark_predictor() -> Any:
    """Return dlib's 68-point predictor when the optional package is installed, else ``None``."""
    import dlib

    from engine.eyes.landmarks import packaged_predictor

    path = packaged_predictor()
    return dlib.shape_predictor(str(path)) if path else None


def report(name: str, took: list[float]) -> None:
    """Print one row."""
    ordered = sorted(took)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    print(f"{name:<28} median {statistics.median(took):6.1f} ms   p95 {p95:6.1f} ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=120)
    count = parser.parse_args().frames
    frames = list(stream(count))
    streamed = timed(ours_stream(), frames)
    still = timed(ours_still(), frames[: max(10, count // 4)])
    peer = timed(naive(), frames[: max(10, count // 4)])
    report("Lightbox, stream", streamed)
    report("Lightbox, lone picture", still)
    report("peer, every frame", peer)
    ratio = statistics.median(peer) / statistics.median(streamed)
    with_landmarks = landmark_predictor() is not None
    print(
        f"peer / Lightbox stream: {ratio:.1f} (peer {'with' if with_landmarks else 'without'} "
        "68 landmarks)"
    )


if __name__ == "__main__":
    main()
