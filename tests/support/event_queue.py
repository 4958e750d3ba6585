# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An SQS queue that EventBridge fills with what Secrets Manager, ACM and S3 tell, directly or through SNS.

Of a secret that is made there is no event.
"""

from __future__ import annotations

import concurrent.futures
import json
import typing as t

from .ministack import MinistackServer

PATTERN = {"source": ["aws.secretsmanager", "aws.acm", "aws.s3"]}


class EventQueue:
    """A rule and a queue of this name. sns: as None, "raw" or "enveloped"."""

    def __init__(self, aws: MinistackServer, name: str = "certificates", *, sns: str | None = None) -> None:
        self.aws, self.name = aws, name
        self._sqs = aws.client("sqs")
        self.make()
        target = self.arn
        if sns:
            topics = aws.client("sns")
            target = topics.create_topic(Name=name)["TopicArn"]
            raw = {"RawMessageDelivery": "true" if sns == "raw" else "false"}
            topics.subscribe(TopicArn=target, Protocol="sqs", Endpoint=self.arn, Attributes=raw)
        events = aws.client("events")
        events.put_rule(Name=name, EventPattern=json.dumps(PATTERN))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": target}])

    def make(self) -> None:
        self.url = self._sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.arn = self._attribute("QueueArn")

    def delete(self) -> None:
        self._sqs.delete_queue(QueueUrl=self.url)

    def send(self, *bodies: str | dict[str, t.Any]) -> None:
        texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
        batches = [texts[begin : begin + 10] for begin in range(0, len(texts), 10)]

        def send(batch: list[str]) -> None:
            entries = [{"Id": str(n), "MessageBody": text} for n, text in enumerate(batch)]
            assert not self._sqs.send_message_batch(QueueUrl=self.url, Entries=entries).get("Failed")

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(send, batches))

    def drain(self) -> list[str]:
        """The bodies of all messages, which are removed."""
        bodies = []
        while messages := self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in messages]
            entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
            self._sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
        return bodies

    @property
    def size(self) -> int:
        """Messages in it, hidden ones included."""
        return int(self._attribute("ApproximateNumberOfMessages")) + int(
            self._attribute("ApproximateNumberOfMessagesNotVisible")
        )

    def _attribute(self, name: str) -> str:
        answer = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])
        return str(answer["Attributes"][name])
