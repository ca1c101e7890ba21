"""What OpenAPI says about the plain routes: bodies, answers and problems."""

from __future__ import annotations

from typing import Any, Final

from engine.spine.segmenters import BACKENDS, TASKS

__all__ = [
    "DETECT_ANSWER",
    "DETECT_BODY",
    "DOWNLOAD_ANSWER",
    "HEALTH_ANSWER",
    "MODELS_ANSWER",
    "PROBLEMS",
]

Schema = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]


def _object(properties: Schema, *required: str, text: str = "") -> Schema:
    found: Schema = {"type": "object", "properties": properties}
    if required:
        found["required"] = list(required)
    if text:
        found["description"] = text
    return found


def _numbers(*names: str, text: str = "") -> Schema:
    return _object({name: {"type": "number"} for name in names}, *names, text=text)


def _json(schema: Schema, text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


_XYZ: Final = ("x", "y", "z")
_WISH: Final[Schema] = {
    "backend": {
        "type": "string",
        "enum": list(BACKENDS),
        "default": "embedded",
        "description": "embedded is always there; the others need weights.",
    },
    "task": {
        "type": "string",
        "enum": list(TASKS),
        "default": "total_fast",
        "description": "Weights of nnunet and totalsegmentator.",
    },
    "transitional": {
        "type": "boolean",
        "default": True,
        "description": "Consider T13, L6, and spines with a vertebra less or more.",
    },
}

DETECT_BODY: Final[Schema] = {
    "multipart/form-data": {
        "schema": _object(
            {
                "files": {
                    "type": "array",
                    "items": {"type": "string", "format": "binary"},
                    "description": "One NIfTI, NRRD, MHA or ZIP, or the files of a DICOM series.",
                },
                **_WISH,
            },
            "files",
        )
    },
    "application/json": {
        "schema": _object(
            {
                "file_path": {
                    "type": "string",
                    "description": "A file or folder in the server's import folder.",
                },
                **_WISH,
            },
            "file_path",
        )
    },
}

_BOUNDS: Final = _object({"min": _numbers(*_XYZ), "max": _numbers(*_XYZ)}, "min", "max")
_VERTEBRA: Final = _object(
    {
        "label": {"type": "string", "examples": ["L1"]},
        "center": _numbers(*_XYZ, text="Voxel of the uploaded array."),
        "bounds": {**_BOUNDS, "description": "First and last voxel of the uploaded array."},
        "center_mm": _numbers(*_XYZ, text="Patient millimetres, RAS+."),
        "bounds_mm": {**_BOUNDS, "description": "Patient millimetres, RAS+."},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "volume_ml": {"type": ["number", "null"]},
        "height_mm": {"type": ["number", "null"]},
        "mean_hu": {"type": ["number", "null"]},
        "truncated": {"type": "boolean"},
        "flags": {"type": "array", "items": {"type": "string"}},
    },
    "label",
    "center",
    "bounds",
    "confidence",
)
DETECT_ANSWER: Final[Responses] = {
    200: _json(
        _object(
            {
                "success": {"type": "boolean"},
                "vertebrae": {"type": "array", "items": _VERTEBRA},
                "audit": {
                    "type": "object",
                    "description": "Whether the names can be trusted, and what else they could be.",
                },
                "processing_time_ms": {"type": "number"},
                "files": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": "Addresses of the result's files, for some minutes.",
                },
            },
            "success",
            "vertebrae",
            "processing_time_ms",
        ),
        "The vertebrae from the head down.",
    )
}

_MODEL: Final = _object(
    {
        "downloaded": {"type": "boolean"},
        "size_mb": {"type": "number"},
        "path": {"type": "string"},
    },
    "downloaded",
    "size_mb",
    "path",
)
MODELS_ANSWER: Final[Responses] = {
    200: _json({"type": "object", "additionalProperties": _MODEL}, "Each model by its name.")
}
DOWNLOAD_ANSWER: Final[Responses] = {
    200: {
        "description": (
            'Server-sent events: `data: {"status": "downloading", "progress": 0.45, '
            '"downloaded_mb": 900, "total_mb": 2000}` … `data: {"status": "complete", …}`.'
        ),
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
HEALTH_ANSWER: Final[Responses] = {
    200: _json(
        _object(
            {
                "status": {"type": "string"},
                "version": {"type": "string"},
                "models": {"type": "object"},
                "memory": {"type": "object"},
                "runs": {"type": "object"},
            },
            "status",
            "version",
        ),
        "It can be used.",
    )
}

_PROBLEM: Final = _object(
    {"error": _object({"code": {"type": "string"}, "message": {"type": "string"}})}, "error"
)
PROBLEMS: Final[Responses] = {
    400: _json(_PROBLEM, "The files are not one CT that can be read."),
    403: _json(_PROBLEM, "The path is not inside of the import folder."),
    404: _json(_PROBLEM, "What was named is not there."),
    409: _json(_PROBLEM, "The backend's library or weights are not installed."),
    413: _json(_PROBLEM, "Too many bytes, files or voxels."),
    422: _json(_PROBLEM, "A name or type is wrong."),
    429: _json(_PROBLEM, "The line is full; see Retry-After."),
    507: _json(_PROBLEM, "Too little free memory or disk."),
}
