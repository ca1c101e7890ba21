"""The programming interface that clients rely on, pinned."""

from __future__ import annotations

import httpx

from tests.ui_gradio.serving import EyeServer

BOX = {
    "type": "object",
    "properties": {name: {"type": "number"} for name in ("x", "y", "w", "h")},
    "required": ["x", "y", "w", "h"],
}
FRAME = {
    "type": "object",
    "properties": {
        "image": {"type": "string"},
        "score": {"type": "number"},
        "blur": {"type": "number"},
        "box": BOX,
    },
}
PICTURE = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"url": {"type": "string"}, "path": {"type": "string"}}},
    ]
}
SWITCH = {"type": "boolean"}

ENDPOINTS = {
    "/predict": {"frames": {"type": "array", "items": FRAME}, "report": SWITCH},
    "/upload": {"image": PICTURE, "report": SWITCH},
    "/screen_frame": {
        "frame": PICTURE,
        "session": {"type": "string"},
        "finish": SWITCH,
        "report": SWITCH,
    },
    "/health": {},
}
DEFAULTS = {"report": False, "session": "", "finish": False}


def info_of(eyes: EyeServer) -> dict:
    return httpx.get(f"{eyes.page}gradio_api/info", timeout=30).json()


def test_endpoints_parameters_and_types_are_these(eyes: EyeServer) -> None:
    """Names, order and types of all parameters; nothing else is offered."""
    info = info_of(eyes)
    found = {
        name: {one["parameter_name"]: one["type"] for one in endpoint["parameters"]}
        for name, endpoint in info["named_endpoints"].items()
    }
    assert found == ENDPOINTS
    assert info["unnamed_endpoints"] == {}


def test_all_but_the_pictures_may_be_left_out(eyes: EyeServer) -> None:
    """Optional parameters have the defaults of the functions."""
    for endpoint in info_of(eyes)["named_endpoints"].values():
        for one in endpoint["parameters"]:
            name = one["parameter_name"]
            assert one["parameter_has_default"] == (name in DEFAULTS)
            assert one["parameter_default"] == DEFAULTS.get(name)


def test_every_endpoint_says_what_it_does_and_returns_one_object(eyes: EyeServer) -> None:
    """Descriptions come from the docstrings; each answer is one JSON object."""
    for endpoint in info_of(eyes)["named_endpoints"].values():
        assert len(endpoint["description"]) > 40
        assert [one["type"]["type"] for one in endpoint["returns"]] == ["object"]


def test_plain_routes_are_documented(eyes: EyeServer) -> None:
    """OpenAPI names the three routes and the bodies that they take."""
    paths = httpx.get(f"{eyes.url}/openapi.json", timeout=30).json()["paths"]
    assert set(paths) == {"/predict", "/upload", "/health"}
    assert set(paths["/upload"]["post"]["requestBody"]["content"]) == {
        "application/json",
        "multipart/form-data",
    }
    assert {"400", "413", "422", "429", "507"} <= set(paths["/predict"]["post"]["responses"])
