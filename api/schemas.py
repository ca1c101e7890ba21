"""What the plain routes take and answer, for the description at ``/docs``."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["PROBLEMS", "body"]

_PROBLEM: Final = {
    "application/json": {
        "schema": {
            "type": "object",
            "properties": {
                "error": {
                    "type": "object",
                    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
                }
            },
        }
    }
}

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "Nobody is signed in.", "content": _PROBLEM},
    403: {"description": "The role does not include it.", "content": _PROBLEM},
    422: {"description": "A name or type is wrong.", "content": _PROBLEM},
    429: {"description": "Too many requests; see Retry-After.", "content": _PROBLEM},
}


def body(*required: str, **kinds: str) -> dict[str, Any]:
    """Return the description of a JSON object as a route's ``openapi_extra``.

    ``kinds`` are JSON types by field; ``array`` is one of strings.
    """
    fields = {
        name: {"type": kind, **({"items": {"type": "string"}} if kind == "array" else {})}
        for name, kind in kinds.items()
    }
    schema = {"type": "object", "required": list(required), "properties": fields}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
