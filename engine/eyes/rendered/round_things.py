"""Discs, balls, rings and other round things that resemble an eye without being the outside of one.

Every function returns planes ``(3, H, W) float32`` in 0..1.
"""

from __future__ import annotations

import cv2
import numpy as np

from engine.eyes.rendered.noise import (
    Colour,
    Field,
    blend,
    cloud,
    fractal,
    gaussian,
    polar,
    smoothstep,
    soften,
)
from engine.eyes.rendered.plain_scenes import colour, fur, plane_of, skin

__all__ = ["animal_eye", "ball", "cells", "drawn_eye", "fundus", "rings", "wheel"]


def _polar(
    rng: np.random.Generator, size: tuple[int, int], *, low: float = 0.15, high: float = 0.5
) -> tuple[Field, Field, float]:
    """Return distance (1 at the rim of a random disc), angle, and the disc's radius in pixels."""
    height, width = size
    radius = float(rng.uniform(low, high) * min(size))
    cx, cy = width * rng.uniform(0.35, 0.65), height * rng.uniform(0.35, 0.65)
    x = (np.arange(width, dtype=np.float32) - np.float32(cx))[None, :] / np.float32(radius)
    y = (np.arange(height, dtype=np.float32) - np.float32(cy))[:, None] / np.float32(radius)
    y = y * np.float32(np.exp(rng.normal(0, 0.06)))
    distance, angle = polar(
        np.ascontiguousarray(np.broadcast_to(x, size)),
        np.ascontiguousarray(np.broadcast_to(y, size)),
    )
    return distance, angle, radius


def _background(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    kind = rng.uniform()
    if kind < 0.25:
        return skin(rng, size)
    planes = plane_of(colour(rng), size)
    if kind < 0.8:
        planes *= 1 + np.float32(0.3 * rng.uniform()) * fractal(rng, size, size[1] / 4)
    return planes


def _branches(rng: np.random.Generator, size: tuple[int, int], count: int) -> Field:
    """Draw a tree of vessels that starts at one place; return a mask (H, W)."""
    canvas = np.zeros(size, np.uint8)
    start = np.array([size[1] * rng.uniform(0.2, 0.8), size[0] * rng.uniform(0.35, 0.65)])
    step = size[1] / 22
    for _ in range(count):
        heading = rng.uniform(0, 2 * np.pi)
        turns = heading + np.cumsum(rng.normal(0, 0.28, 16))
        moves = np.stack([np.cos(turns), np.sin(turns)], axis=-1) * step
        path = np.rint(start + np.cumsum(moves, axis=0)).astype(np.int32)
        cv2.polylines(canvas, [path], False, int(rng.integers(90, 255)), int(rng.integers(1, 4)))
        if rng.uniform() < 0.6:
            start = path[int(rng.integers(2, 10))].astype(np.float64)
    return soften(canvas.astype(np.float32) / np.float32(255), 0.8)


def fundus(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw the inside of an eye: an orange disc on black with vessels and a pale optic disc."""
    distance, _, _ = _polar(rng, size, low=0.42, high=0.75)
    warm = (rng.uniform(0.55, 0.9), rng.uniform(0.2, 0.45), rng.uniform(0.05, 0.25))
    planes = plane_of((0.02, 0.02, 0.02), size)
    scene = plane_of(warm, size)
    scene *= 1 + np.float32(0.12) * fractal(rng, size, size[1] / 5)
    blend(scene, _branches(rng, size, int(rng.integers(8, 22))) * 0.75, (0.45, 0.08, 0.05))
    disc, _, _ = _polar(rng, size, low=0.05, high=0.1)
    blend(scene, smoothstep(disc, 1.15, 0.85), (0.98, 0.85, 0.6))
    macula, _, _ = _polar(rng, size, low=0.08, high=0.18)
    scene *= 1 - np.float32(0.45) * np.exp(-macula * macula)
    inside = smoothstep(distance, 1.01, 0.98)
    return planes + inside * (scene - planes)


def drawn_eye(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw a cartoon or pencil eye: outlines and flat colours."""
    paper = colour(rng) if rng.uniform() < 0.4 else (1.0, 1.0, float(rng.uniform(0.85, 1)))
    canvas = np.empty((*size, 3), np.float32)
    canvas[:] = paper
    height, width = size
    cx, cy = width * rng.uniform(0.4, 0.6), height * rng.uniform(0.4, 0.6)
    half, tall = width * rng.uniform(0.25, 0.42), height * rng.uniform(0.12, 0.3)
    t = np.linspace(0, np.pi, 24)
    power = rng.uniform(0.7, 1.4)
    upper = np.stack([cx - half * np.cos(t), cy - tall * np.sin(t) ** power], axis=-1)
    lower = np.stack([cx + half * np.cos(t), cy + tall * 0.7 * np.sin(t) ** power], axis=-1)
    almond = np.rint(np.concatenate([upper, lower])).astype(np.int32)
    ink = (0.05, 0.05, 0.08) if rng.uniform() < 0.8 else colour(rng)
    thick = int(rng.integers(1, 6))
    pencil = rng.uniform() < 0.35
    white = paper if pencil else (1.0, 1.0, 1.0)
    cv2.fillPoly(canvas, [almond], white, cv2.LINE_AA)
    radius = int(tall * rng.uniform(0.6, 1.0)) + 2
    middle = (int(cx + rng.normal(0, 0.08) * width), int(cy - 0.1 * tall))
    iris = white if pencil else colour(rng)
    cv2.circle(canvas, middle, radius, iris, -1, cv2.LINE_AA)
    cv2.circle(canvas, middle, radius, ink, max(1, thick - 1), cv2.LINE_AA)
    if pencil:
        for angle in np.linspace(0, 2 * np.pi, int(rng.integers(12, 50))):
            way = np.array([np.cos(angle), np.sin(angle)])
            ends = np.rint(np.array(middle) + np.outer((0.45, 0.95), way) * radius).astype(int)
            cv2.line(canvas, tuple(ends[0].tolist()), tuple(ends[1].tolist()), (0.4, 0.4, 0.4), 1)
    cv2.circle(canvas, middle, max(1, int(radius * rng.uniform(0.3, 0.6))), ink, -1, cv2.LINE_AA)
    glint = (middle[0] - radius // 3, middle[1] - radius // 3)
    cv2.circle(canvas, glint, max(1, radius // 5), (1.0, 1.0, 1.0), -1, cv2.LINE_AA)
    cv2.polylines(canvas, [almond], True, ink, thick, cv2.LINE_AA)
    for point in upper[2:-2:2] if rng.uniform() < 0.6 else []:
        tip = np.rint(point + (point - (cx, cy)) * rng.uniform(0.15, 0.4)).astype(int)
        cv2.line(
            canvas, tuple(np.rint(point).astype(int).tolist()), tuple(tip.tolist()), ink, thick
        )
    return np.ascontiguousarray(canvas.transpose(2, 0, 1))


def animal_eye(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw an eye in fur or feathers: slit, bar or round pupil, no white around the iris."""
    planes = fur(rng, size)
    distance, angle, radius = _polar(rng, size, low=0.12, high=0.38)
    x, y = distance * np.cos(angle), distance * np.sin(angle)
    rays = 1 + np.float32(0.12) * np.sin(angle * np.float32(rng.integers(20, 60)))
    body = plane_of(colour(rng), size) * rays * (1 - 0.3 * distance)
    kind = rng.uniform()
    if kind < 0.5:
        width, length = rng.uniform(0.06, 0.3), rng.uniform(0.7, 1.0)
        pupil = smoothstep((x / width) ** 2 + (y / length) ** 2, 1.1, 0.9)
    elif kind < 0.65:
        width, length = rng.uniform(0.4, 0.8), rng.uniform(0.1, 0.3)
        pupil = smoothstep((x / width) ** 4 + (y / length) ** 4, 1.1, 0.9)
    else:
        pupil = (
            smoothstep(distance, 0.03, -0.03) if kind > 0.85 else smoothstep(distance, 0.55, 0.5)
        )
        body *= np.float32(rng.uniform(0.15, 0.8))
    blend(body, pupil, (0.03, 0.03, 0.03))
    squint = np.abs(y) * np.float32(rng.uniform(0.7, 1.4))
    inside = smoothstep(np.maximum(distance, squint), 1.02, 0.97)
    dark = smoothstep(distance, 1.45, 1.0) * 0.8
    blend(planes, dark, (0.05, 0.04, 0.04))
    planes += inside * (body - planes)
    glint = np.exp(-((x + 0.3) ** 2 + (y + 0.35) ** 2) / np.float32(0.02))
    blend(planes, glint * inside, (1.0, 1.0, 1.0))
    return soften_planes(planes, 0.004 * radius)


def soften_planes(planes: Field, sigma_px: float) -> Field:
    """Return every plane blurred."""
    return np.stack([soften(plane, sigma_px) for plane in planes])


def ball(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw fruit, balls and coins: one or several shaded discs."""
    planes = _background(rng, size)
    for _ in range(int(rng.integers(1, 5))):
        distance, angle, _ = _polar(rng, size, low=0.1, high=0.45)
        x, y = distance * np.cos(angle), distance * np.sin(angle)
        lx, ly = rng.normal(0, 0.4), rng.uniform(-0.7, 0.1)
        shade = 1.1 - 0.6 * ((x - lx) ** 2 + (y - ly) ** 2) * rng.uniform(0.3, 0.8)
        body = plane_of(colour(rng), size) * np.clip(shade, 0.1, 1.3)
        body *= 1 + np.float32(0.12 * rng.uniform()) * fractal(rng, size, size[1] / 10)
        if rng.uniform() < 0.3:
            blend(body, smoothstep(np.abs(x - 0.2 * y * y), 0.08, 0.03), colour(rng))
        inside = smoothstep(distance, 1.02, 0.98)
        planes += inside * (body - planes)
        spot = np.exp(-((x - lx) ** 2 + (y - ly) ** 2) / np.float32(rng.uniform(0.01, 0.06)))
        blend(planes, spot * inside * np.float32(rng.uniform(0, 1)), (1.0, 1.0, 1.0))
    return planes


def rings(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw targets, plates, buttons, lenses: concentric rings, sometimes with holes."""
    planes = _background(rng, size)
    distance, angle, _ = _polar(rng, size, low=0.25, high=0.6)
    edges = np.sort(rng.uniform(0.1, 1, int(rng.integers(2, 7))))[::-1]
    for edge in (1.0, *edges.tolist()):
        soft = rng.uniform(0.005, 0.02)
        blend(planes, smoothstep(distance, edge + soft, edge - soft), colour(rng))
    holes = int(rng.choice((0, 0, 2, 4)))
    for k in range(holes):
        a = 2 * np.pi * k / holes
        away = (distance * np.cos(angle) - 0.25 * np.cos(a)) ** 2 + (
            distance * np.sin(angle) - 0.25 * np.sin(a)
        ) ** 2
        blend(planes, smoothstep(np.sqrt(away), 0.12, 0.09), (0.05, 0.05, 0.05))
    return planes


def wheel(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw car wheels, clock faces, fans and flowers: spokes around a hub."""
    planes = _background(rng, size)
    distance, angle, _ = _polar(rng, size, low=0.28, high=0.6)
    blend(planes, smoothstep(distance, 1.02, 0.98), colour(rng, dark=rng.uniform() < 0.5))
    blend(planes, smoothstep(distance, 0.82, 0.78), colour(rng))
    count = int(rng.integers(3, 24))
    wave = np.cos(angle * np.float32(count) + np.float32(rng.uniform(0, 6)))
    spoke = smoothstep(wave, 0.3, 0.7) * smoothstep(distance, 0.75, 0.7)
    blend(planes, spoke * smoothstep(distance, rng.uniform(0.0, 0.6), 0.62), colour(rng))
    blend(planes, smoothstep(distance, 0.16, 0.13), colour(rng, dark=True))
    return planes


def cells(rng: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw stained tissue or a blood smear: many small discs, pink and violet."""
    pale = (rng.uniform(0.85, 0.97), rng.uniform(0.7, 0.9), rng.uniform(0.82, 0.95))
    planes = plane_of(pale, size)
    planes *= 1 + np.float32(0.06) * fractal(rng, size, size[1] / 8)
    radius = rng.uniform(0.02, 0.09) * size[1]
    canvas, core = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for _ in range(int(rng.integers(15, 110))):
        at = (int(rng.uniform(0, size[1])), int(rng.uniform(0, size[0])))
        r = max(2, int(radius * rng.uniform(0.6, 1.3)))
        cv2.circle(canvas, at, r, int(rng.integers(120, 255)), -1, cv2.LINE_AA)
        cv2.circle(core, at, max(1, int(r * rng.uniform(0.3, 0.6))), 255, -1, cv2.LINE_AA)
    tint: Colour = (float(rng.uniform(0.6, 0.9)), float(rng.uniform(0.3, 0.6)), 0.65)
    blend(planes, canvas.astype(np.float32) / np.float32(255) * 0.8, tint)
    middle = pale if rng.uniform() < 0.4 else (0.32, 0.16, 0.5)
    blend(planes, soften(core.astype(np.float32) / np.float32(255), 1.0) * 0.8, middle)
    rim = gaussian(cloud(rng, size, size[1] / 5), 0, 0.05)
    blend(planes, rim * np.float32(0.3 * rng.uniform()), (0.8, 0.4, 0.6))
    return planes
