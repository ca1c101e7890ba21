"""The SQS queue itself: receive, hold on to, let go, delete, send. Bodies are never logged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, final

from engine.errors import SettingsError
from engine.jobs.intake.cloud import cloud_client, telling
from engine.settings import Settings

__all__ = ["Message", "MessageQueue"]

_MOST_AT_ONCE: Final = 10


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as we received it; ``receipt`` is what we hold it by."""

    id: str
    receipt: str = field(repr=False)
    body: str = field(repr=False)


@final
class MessageQueue:
    """The queue of ``LIGHTBOX_SQS_QUEUE_URL``; every call raises RemoteError when it fails.

    Raises
    ------
    SettingsError
        When no queue is set.
    MissingBackendError
        When boto3 is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        if not settings.sqs_queue_url:
            raise SettingsError(
                "LIGHTBOX_SQS_QUEUE_URL is not set; set it to the SQS queue whose messages are to "
                "become jobs."
            )
        self._settings = settings
        self._url = settings.sqs_queue_url
        self._client = cloud_client(settings, "sqs")

    def receive(self, *, most: int, wait_s: int) -> list[Message]:
        """Return up to ``most`` messages, hidden from others for a while."""
        with self._telling():
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=max(1, min(most, _MOST_AT_ONCE)),
                WaitTimeSeconds=wait_s,
                VisibilityTimeout=self._settings.sqs_visibility_s,
            )
        return [_message(row) for row in answer.get("Messages", ())]

    def hold(self, message: Message, seconds: int) -> None:
        """Keep the message hidden for so many seconds from now; 0 gives it back at once."""
        with self._telling():
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=message.receipt, VisibilityTimeout=seconds
            )

    def delete(self, message: Message) -> None:
        """Remove the message for good."""
        with self._telling():
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)

    def send_to(self, url: str, body: str, reason: str) -> None:
        """Put a message into another queue, with the reason as an attribute."""
        is_fifo = {"MessageGroupId": "parked"} if url.endswith(".fifo") else {}
        with telling("the queue for parked messages to take one", self._settings):
            self._client.send_message(
                QueueUrl=url,
                MessageBody=body,
                MessageAttributes={"Reason": {"DataType": "String", "StringValue": reason}},
                **is_fifo,
            )

    def _telling(self) -> Any:  # noqa: ANN401 – a context
        return telling("the queue of LIGHTBOX_SQS_QUEUE_URL to answer", self._settings)


def _message(row: dict[str, Any]) -> Message:
    return Message(
        id=str(row["MessageId"]), receipt=str(row["ReceiptHandle"]), body=str(row["Body"])
    )
