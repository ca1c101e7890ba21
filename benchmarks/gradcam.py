"""What a heat map costs: closed form against one forward pass, autograd and pytorch-grad-cam.

Run: ``python -m benchmarks.gradcam [--repeats N]``. Prints times (medians of a batch of two
crops, 128×144), the cost of the closed form as a share of a forward pass, and how far it is from
autograd; ends with exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchvision

from engine.gradcam import closed_form
from engine.gradcam.hooks import GradCam, class_scores
from engine.inference import cards, export, runtimes
from engine.inference.processors import usable_cores

HEIGHT, WIDTH, CLASSES = 128, 144, 4
MAX_SHARE, MAX_DIFFERENCE = 0.2, 1e-4


class PooledMobileNet(torch.nn.Module):
    """MobileNetV3-small's features, global average pooling, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torchvision.models.mobilenet_v3_small().features
        self.head = torch.nn.Linear(576, CLASSES)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, 3, H, W) -> logits (N, K), features (N, 576, h, w)."""
        features = self.body(image)
        return self.head(features.mean(dim=(2, 3))), features


def lively_network() -> PooledMobileNet:
    """Return a network with random weights whose activations have an ordinary size.

    Fresh batch normalisation lets the signal of untrained weights fade to nothing, and nothing is
    easy to compute precisely; a few passes in training mode set it to the signal's own scale.
    """
    torch.manual_seed(0)
    net = PooledMobileNet().train()
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None  # the plain average of all passes
    with torch.no_grad():
        for _ in range(6):
            net(torch.randn(8, 3, HEIGHT, WIDTH))
    return net.eval()


class LogitsOnly(torch.nn.Module):
    """What pytorch-grad-cam and the hooks expect: a network that returns logits."""

    def __init__(self, net: PooledMobileNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, K)."""
        return self.net(image)[0]


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call in ms, after five unmeasured ones."""
    times = []
    for index in range(repeats + 5):
        start = time.perf_counter()
        run()
        if index >= 5:
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def open_exported(net: PooledMobileNet, folder: Path) -> runtimes.Runtime:
    """Export the network and open it as the application would."""
    example = np.random.default_rng(0).normal(size=(2, 3, HEIGHT, WIDTH)).astype(np.float32)
    export.export_openvino(net, example, folder, outputs=["logits", "features"])
    card = cards.ModelCard(
        name="benchmark",
        version="1",
        task="classification",
        architecture="mobilenet_v3_small",
        format="openvino",
        input=cards.InputSpec(height=HEIGHT, width=WIDTH),
        classes=tuple("abcd"),
        outputs={"logits": "logits", "features": "features"},
        licence="BSD-3-Clause",
        source="torchvision, random weights",
        data=(cards.DataSource(name="none", source="-", licence="-", images=0, groups=0),),
        split="none",
        created="2026-11-20",
    )
    cards.write(folder, card)
    return runtimes.open_runtime(folder)


def main() -> int:
    """Measure and print; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=100)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(usable_cores())
    net = lively_network()
    batch = np.random.default_rng(1).normal(size=(2, 3, HEIGHT, WIDTH)).astype(np.float32)
    tensor, classes = torch.tensor(batch), [1, 2]
    weights = net.head.weight.detach().numpy()
    with tempfile.TemporaryDirectory() as folder:
        runtime = open_exported(net, Path(folder))
        features = runtime.run(batch)["features"]

        def closed() -> np.ndarray:
            maps = closed_form.cam_for_pooled_linear(features, weights, classes)
            return closed_form.upsample(maps, (HEIGHT, WIDTH))

        forward_ms = median_ms(lambda: runtime.run(batch), repeats)
        closed_ms = median_ms(closed, repeats)
    plain = LogitsOnly(net)
    with torch.inference_mode():
        torch_ms = median_ms(lambda: plain(tensor), repeats)
        exact_features = net(tensor)[1].numpy().copy()
    with GradCam(plain, net.body) as gradcam:
        reference = gradcam(tensor, class_scores(classes))
        hooks_ms = median_ms(lambda: gradcam(tensor, class_scores(classes)), repeats // 4 + 1)
    peer_ms = pytorch_grad_cam_ms(plain, net, tensor, classes, repeats // 4 + 1)
    ours = closed_form.cam_for_pooled_linear(exact_features, weights, classes)
    difference = float(np.abs(ours - reference).max())
    share = closed_ms / forward_ms
    print(f"forward pass, OpenVINO {runtime.precision}   {forward_ms:8.3f} ms")
    print(f"forward pass, torch eager       {torch_ms:8.3f} ms")
    print(f"closed form, enlarged           {closed_ms:8.3f} ms")
    print(f"autograd with hooks             {hooks_ms:8.3f} ms")
    print(f"pytorch-grad-cam                {peer_ms:8.3f} ms")
    print(f"closed form / OpenVINO forward  {share:8.3f}     (target <= {MAX_SHARE})")
    print(f"largest difference to autograd  {difference:8.1e}     (target <= {MAX_DIFFERENCE:.0e})")
    return 0 if share <= MAX_SHARE and difference <= MAX_DIFFERENCE else 1


def pytorch_grad_cam_ms(
    plain: LogitsOnly,
    net: PooledMobileNet,
    tensor: torch.Tensor,
    classes: list[int],
    repeats: int,
) -> float:
    """Return the peer's time for the same maps; NaN when it is not installed."""
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError:
        return float("nan")
    targets = [ClassifierOutputTarget(index) for index in classes]
    with GradCAM(model=plain, target_layers=[net.body[-1]]) as peer:
        return median_ms(lambda: peer(input_tensor=tensor, targets=targets), repeats)


if __name__ == "__main__":
    sys.exit(main())
