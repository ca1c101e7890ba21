"""Messages: which forms are understood, and what is refused with which sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import RequestError
from engine.jobs.intake.messages import orders_of
from engine.settings import Settings

ANY = Settings(sqs_task="look")
OURS = Settings(sqs_task="look", files_url="s3://ours/lightbox")


def orders(document: Any, settings: Settings = ANY) -> list[tuple[str, dict[str, Any]]]:
    found = orders_of(json.dumps(document), settings)
    return [(order.task, dict(order.payload)) for order in found]


@pytest.mark.parametrize(
    "document",
    [
        {"task": "look", "object": "s3://bucket/a/b c.png"},
        {"task": "look", "s3": "s3://bucket/a/b c.png"},
        {"bucket": "bucket", "key": "a/b c.png"},
        {"s3_bucket": "bucket", "s3_key": "a/b c.png", "job_id": "of the older service"},
        {"Records": [{"s3": {"bucket": {"name": "bucket"}, "object": {"key": "a/b+c.png"}}}]},
        {"Type": "Notification", "Message": '{"bucket": "bucket", "key": "a/b c.png"}'},
    ],
)
def test_each_form_names_the_same_object(document: dict[str, Any]) -> None:
    """Ours, the older service's, S3's notice with its form-encoded key, and SNS around one."""
    assert orders(document) == [("look", {"object": "s3://bucket/a/b c.png"})]


def test_fields_for_the_task_go_along() -> None:
    """A sample and the task's own payload reach the job; other fields do not."""
    document = {
        "task": "other",
        "object": "s3://bucket/key",
        "sample_id": "s1",
        "payload": {"threshold": 0.7},
        "patient": "Jane Doe",
    }
    wanted = {"object": "s3://bucket/key", "sample_id": "s1", "threshold": 0.7}
    assert orders(document) == [("other", wanted)]


def test_a_key_alone_is_in_our_bucket() -> None:
    """The older service sends the key only."""
    assert orders({"s3_key": "k"}, OURS) == [("look", {"object": "s3://ours/k"})]


def test_a_notice_may_tell_of_several_objects() -> None:
    """Each becomes an order of its own."""
    rows = [{"s3": {"bucket": {"name": "bucket"}, "object": {"key": key}}} for key in "ab"]
    found = orders({"Records": rows})
    assert [payload["object"] for _, payload in found] == ["s3://bucket/a", "s3://bucket/b"]


def test_the_test_notice_of_s3_orders_nothing() -> None:
    """S3 sends it when notices are switched on."""
    assert orders({"Service": "Amazon S3", "Event": "s3:TestEvent"}) == []


def test_other_buckets_than_ours_are_refused() -> None:
    """A message cannot make the server read what its credentials could but nobody meant."""
    with pytest.raises(RequestError, match=r"bucket stranger, but only ours may be named"):
        orders({"object": "s3://stranger/secret"}, OURS)
    with pytest.raises(RequestError, match="only one, two may be named"):
        orders({"object": "s3://three/x"}, Settings(sqs_buckets=("one", "two")))
    assert orders({"object": "s3://two/x"}, Settings(sqs_buckets=("one", "two")))


@pytest.mark.parametrize(
    "body",
    [
        *("", "no json", "[]", '"text"', "1", "null", "{}", "[" * 100_000),
        *('{"task": 3, "object": "s3://bucket/k"}', '{"object": "http://bucket/k"}'),
        *('{"object": "s3://bucket"}', '{"object": "s3://Bu/k"}', '{"bucket": "bucket"}'),
        '{"bucket": "bucket", "key": 7}',
        '{"object": "s3://bucket/k", "payload": []}',
        '{"bucket": "../../etc", "key": "passwd"}',
        json.dumps({"bucket": "bucket", "key": "k" * 1025}),
        json.dumps({"bucket": "bucket", "key": "a\nb"}),
        *('{"Records": []}', '{"Records": 3}', '{"Records": [3]}', '{"Records": [{"s3": 1}]}'),
        '{"Records": [{"s3": {"bucket": {"name": "bucket"}, "object": {"key": 3}}}]}',
        '{"Type": "Notification", "Message": "no json"}',
    ],
)
def test_anything_else_is_refused_in_a_sentence(body: str) -> None:
    """Never an exception of another kind: a stranger wrote it."""
    with pytest.raises(RequestError, match="Expected"):
        orders_of(body, ANY)
