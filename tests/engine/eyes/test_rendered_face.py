"""Rendered faces: found by real face finders, with eyes where the record says."""

from __future__ import annotations

import cv2
import dlib
import numpy as np
import pytest

from engine.errors import InputError
from engine.eyes.rendered import RenderedFace, render_face

SEEDS = range(8)


@pytest.fixture(scope="module")
def faces() -> list[RenderedFace]:
    """Eight faces of a webcam's size."""
    return [render_face(np.random.default_rng(seed), left="Cataract") for seed in SEEDS]


def test_the_record_is_about_the_whole_picture(faces: list[RenderedFace]) -> None:
    """Picture and labels are 480×640 and all corners lie inside the face's box."""
    for face in faces:
        assert face.picture.shape == (480, 640, 3)
        for eye in (face.left, face.right):
            assert eye.labels.shape == (480, 640)
            for x, y in eye.corners:
                assert face.box.x < x < face.box.x + face.box.width
                assert face.box.y < y < face.box.y + face.box.height


def test_left_is_the_persons_left(faces: list[RenderedFace]) -> None:
    """The person's left eye lies on the right of the picture, and shows what was asked."""
    for face in faces:
        assert face.left.iris_centre[0] > face.right.iris_centre[0]
        assert (face.left.side, face.right.side) == ("left", "right")
        assert (face.left.condition, face.right.condition) == ("Cataract", "Healthy")


def test_eyes_are_large_enough_to_judge(faces: list[RenderedFace]) -> None:
    """At a webcam's size each eye is at least 45 pixels wide."""
    assert min(face.left.eye_width_px for face in faces) > 45


def test_the_haar_cascade_finds_most(faces: list[RenderedFace]) -> None:
    """OpenCV's frontal face cascade finds at least six of eight, over both eyes."""
    folder = cv2.data.haarcascades
    cascade = cv2.CascadeClassifier(folder + "haarcascade_frontalface_default.xml")
    found = 0
    for face in faces:
        grey = cv2.cvtColor(face.picture, cv2.COLOR_RGB2GRAY)
        boxes = cascade.detectMultiScale(grey, 1.2, 4, minSize=(80, 80))
        found += any(_holds(box, face) for box in boxes)
    assert found >= 6


def test_dlibs_detector_finds_most(faces: list[RenderedFace]) -> None:
    """The HOG detector of dlib finds at least six of eight, over both eyes."""
    detector = dlib.get_frontal_face_detector()
    found = 0
    for face in faces:
        grey = cv2.cvtColor(face.picture, cv2.COLOR_RGB2GRAY)
        boxes = [(r.left(), r.top(), r.width(), r.height()) for r in detector(grey, 0)]
        found += any(_holds(box, face) for box in boxes)
    assert found >= 6


def _holds(box: tuple[int, int, int, int], face: RenderedFace) -> bool:
    x, y, width, height = box
    return all(
        x < eye.iris_centre[0] < x + width and y < eye.iris_centre[1] < y + height
        for eye in (face.left, face.right)
    )


def test_a_seed_is_a_face(faces: list[RenderedFace]) -> None:
    """The same generator state gives the same face."""
    again = render_face(np.random.default_rng(0), left="Cataract")
    assert np.array_equal(again.picture, faces[0].picture)


def test_too_small_a_face_is_refused() -> None:
    """Below 160 pixels there would be no eyes to see."""
    with pytest.raises(InputError, match="at least 160×160 px"):
        render_face(np.random.default_rng(0), size=(120, 200))
