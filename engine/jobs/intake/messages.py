"""What a message says: orders for work on S3 objects. Four forms are understood.

::

    {"task": "external_model", "object": "s3://BUCKET/KEY", "sample_id": "…", "payload": {…}}
    {"task": "external_model", "bucket": "BUCKET", "key": "KEY"}
    {"s3_key": "KEY"}                                    the older service's; its usual bucket
    {"Records": [{"s3": {"bucket": {"name": "…"}, "object": {"key": "…"}}}]}     S3's own notice

Each may lie in an envelope of SNS (``{"Type": "Notification", "Message": "…"}``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final
from urllib.parse import unquote_plus

from engine.errors import RequestError
from engine.jobs.intake.objects import ObjectName
from engine.settings import Settings

__all__ = ["Order", "orders_of"]

_MOST_ORDERS: Final = 100
_OBJECT_NAMES: Final = ("object", "s3", "s3_uri")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One job to be: a task, and its payload with the ``object`` in it."""

    task: str
    payload: Mapping[str, Any] = field(default_factory=dict)


def orders_of(body: str, settings: Settings) -> tuple[Order, ...]:
    """Return the orders of a message; none for the test notice that S3 sends once.

    Raises
    ------
    RequestError
        When it is none of the forms above, or names a bucket that messages may not name.
    """
    document = _object(body, "a message")
    if document.get("Type") == "Notification" and isinstance(document.get("Message"), str):
        document = _object(document["Message"], "the message in an envelope of SNS")
    if document.get("Event") == "s3:TestEvent":
        return ()
    if "Records" in document:
        return _from_notice(document["Records"], settings)
    return (_from_fields(document, settings),)


def _from_fields(document: Mapping[str, Any], settings: Settings) -> Order:
    task = document.get("task", settings.sqs_task)
    inner = document.get("payload", {})
    if not isinstance(task, str) or not isinstance(inner, dict):
        raise RequestError("Expected 'task' as text and 'payload' as an object in a message.")
    payload = {**inner, "object": str(_named(document, settings))}
    if document.get("sample_id") is not None:
        payload["sample_id"] = document["sample_id"]
    return Order(task=task, payload=payload)


def _from_notice(records: object, settings: Settings) -> tuple[Order, ...]:
    if not isinstance(records, list) or not 0 < len(records) <= _MOST_ORDERS:
        raise RequestError(f"Expected 1 to {_MOST_ORDERS} 'Records' in a notice of S3.")
    return tuple(
        Order(task=settings.sqs_task, payload={"object": str(_noticed(record, settings))})
        for record in records
    )


def _noticed(record: object, settings: Settings) -> ObjectName:
    try:
        told = record["s3"]  # type: ignore[index]  # anything else is caught
        bucket, key = told["bucket"]["name"], told["object"]["key"]
        # S3 writes keys as a form would: a blank is a plus sign.
        return _allowed(ObjectName(bucket, unquote_plus(key)), settings)
    except (TypeError, KeyError, AttributeError):
        raise RequestError(
            "Expected s3.bucket.name and s3.object.key in each record of a notice of S3."
        ) from None


def _named(document: Mapping[str, Any], settings: Settings) -> ObjectName:
    for name in _OBJECT_NAMES:
        if isinstance(document.get(name), str):
            return _allowed(ObjectName.parse(document[name]), settings)
    bucket = document.get("bucket", document.get("s3_bucket", _usual_bucket(settings)))
    key = document.get("key", document.get("s3_key"))
    if not isinstance(bucket, str) or not isinstance(key, str):
        raise RequestError(
            "Expected a message to name an S3 object: 'object' as s3://BUCKET/KEY, or 'bucket' "
            "and 'key'."
        )
    return _allowed(ObjectName(bucket, key), settings)


def _allowed(name: ObjectName, settings: Settings) -> ObjectName:
    usual = _usual_bucket(settings)
    allowed = settings.sqs_buckets or ((usual,) if usual else ())
    if allowed and name.bucket not in allowed:
        raise RequestError(
            f"A message names the bucket {name.bucket}, but only {', '.join(allowed)} may be "
            "named; add it to LIGHTBOX_SQS_BUCKETS if that is right."
        )
    return name


def _usual_bucket(settings: Settings) -> str:
    """Return the only bucket that messages may name, or that of our files."""
    if len(settings.sqs_buckets) == 1:
        return settings.sqs_buckets[0]
    rest = settings.files_url.removeprefix("s3://")
    return rest.partition("/")[0] if rest != settings.files_url else ""


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RequestError(f"Expected {what} to be a JSON object, but it is not.")
    return found
