"""A browser with a fake webcam streams for minutes: frames per second, queue and memory.

``python -m benchmarks.webcam [--seconds N]``

The video is scikit-image's portrait a little too far from the camera, moving: the person is asked
to come closer and no result ends the stream. A queue that grew would show as fewer frames per
second and more requests in the house towards the end; a leak as memory.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import cv2
import httpx
import numpy as np
from playwright.sync_api import Page, sync_playwright
from skimage import data

from benchmarks.server_process import RunningServer, running_server


def write_video(path: Path, *, seconds: int = 6, rate: int = 30) -> None:
    """Write a face at 640×480 as concatenated JPEGs, which Chromium takes for a camera."""
    portrait = data.astronaut()[..., ::-1]
    with path.open("wb") as file:
        for number in range(seconds * rate):
            turn = 2 * np.pi * number / (seconds * rate)
            shift = (60 + 12 * np.sin(turn), -20 + 6 * np.cos(turn))
            matrix = np.array([[1.15, 0, shift[0]], [0, 1.15, shift[1]]], np.float64)
            frame = cv2.warpAffine(portrait, matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)
            file.write(cv2.imencode(".jpg", frame)[1].tobytes())


def sample(page: Page, server: RunningServer) -> dict[str, float]:
    """Return frames so far, requests in the house, and memory in MB."""
    health = httpx.get(f"{server.url}/health", timeout=30).json()
    return {
        "time": time.monotonic(),
        "frames": float(page.locator("[data-frames]").first.get_attribute("data-frames") or 0),
        "inside": float(health["requests"]["inside"]),
        "memory": server.memory_mb(),
    }


def stream(server: RunningServer, video: Path, *, seconds: int) -> list[dict[str, float]]:
    """Open the page, start the camera, and look every few seconds."""
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={video}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        page = browser.new_context(permissions=["camera"]).new_page()
        page.goto(f"{server.url}/eyes/")
        page.get_by_role("button", name="Start camera").click()
        page.wait_for_selector("[data-rate]", timeout=60_000)
        samples = []
        for _ in range(max(2, seconds // 5)):
            samples.append(sample(page, server))
            page.wait_for_timeout(5000)
        samples.append(sample(page, server))
        browser.close()
    return samples


def rate(samples: list[dict[str, float]]) -> float:
    """Return frames per second between the first and the last of some samples."""
    first, last = samples[0], samples[-1]
    return (last["frames"] - first["frames"]) / (last["time"] - first["time"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, running_server() as server:
        video = Path(folder) / "face.mjpeg"
        write_video(video)
        samples = stream(server, video, seconds=seconds)
    quarter = max(2, len(samples) // 4)
    print(f"processed frames per second: {rate(samples):.1f} over {seconds} s")
    print(f"first quarter {rate(samples[:quarter]):.1f}, last {rate(samples[-quarter:]):.1f}")
    print(f"most requests in the house: {max(s['inside'] for s in samples):.0f}")
    print(
        f"server memory: {samples[0]['memory']:.0f} MB at the start, "
        f"{samples[-1]['memory']:.0f} MB at the end"
    )


if __name__ == "__main__":
    main()
