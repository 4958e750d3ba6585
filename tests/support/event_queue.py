# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A queue that EventBridge fills, directly or through a topic, with what Secrets Manager tells.

Of a secret that is made there is no event: see _emit_secret_label_updated of ministack.
"""

from __future__ import annotations

import json
import typing as t

from .ministack import MinistackServer

PATTERN = {"source": ["aws.secretsmanager"]}


class EventQueue:
    """arn, url: of the queue. through_topic: whether messages come in the envelope of SNS."""

    def __init__(self, aws: MinistackServer, name: str, *, through_topic: bool = False) -> None:
        self.name = name
        self._aws = aws
        self.url = ""
        self.arn = ""
        self.make()
        events = aws.client("events")
        events.put_rule(Name=name, EventPattern=json.dumps(PATTERN))
        target = self.arn
        if through_topic:
            target = aws.client("sns").create_topic(Name=name)["TopicArn"]
            aws.client("sns").subscribe(TopicArn=target, Protocol="sqs", Endpoint=self.arn)
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target}])

    def make(self) -> None:
        self.url = self._sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.arn = self._attributes("QueueArn")["QueueArn"]

    def delete(self) -> None:
        self._sqs.delete_queue(QueueUrl=self.url)

    def send(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def count(self) -> int:
        """Messages in it, whether somebody is at them or not."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(value) for value in self._attributes(*names).values())

    def _attributes(self, *names: str) -> dict[str, str]:
        return dict(self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(names))["Attributes"])

    @property
    def _sqs(self) -> t.Any:
        return self._aws.client("sqs")
