# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of domains in DynamoDB: read as a whole, written row by row."""

from __future__ import annotations

import collections
import time
import typing as t

from ..._core.acme.domain_rows import DOMAINS, Item, RowChange, attribute
from ..._core.secrets.plan import Request
from ..._errors import AwsError, RotationError
from .calls import AwsCalls

if t.TYPE_CHECKING:
    from .secrets_manager import Retry

_GONE = "ResourceNotFoundException"
_COMING = ("CREATING", "UPDATING")
_INTERVAL = 1.0


class DomainTable:
    """client: of boto3, for ``dynamodb``. Every method raises AwsError."""

    def __init__(self, client: t.Any, retry: Retry, name: str) -> None:
        self.name = name
        self._calls = AwsCalls(client, retry, "dynamodb")

    @property
    def api_calls(self) -> collections.Counter[str]:
        return self._calls.api_calls

    @property
    def where(self) -> str:
        return self._calls.where

    def describe(self) -> dict[str, t.Any] | None:
        """None when there is no such table."""
        try:
            reply = self._call("describe_table", TableName=self.name)
        except AwsError as error:
            if error.code == _GONE:
                return None
            raise
        table: dict[str, t.Any] = reply["Table"]
        return table

    def tags(self, described: t.Mapping[str, t.Any]) -> dict[str, str]:
        pages = self._calls.pages(
            "list_tags_of_resource",
            token=("NextToken", "NextToken"),
            about=self.name,
            ResourceArn=described["TableArn"],
        )
        return {tag["Key"]: tag["Value"] for page in pages for tag in page.get("Tags") or []}

    def apply(self, request: Request) -> None:
        """A table that somebody else has begun to create meanwhile is no error."""
        try:
            self._call(request.operation, **request.parameters)
        except AwsError as error:
            if request.operation != "create_table" or error.code != "ResourceInUseException":
                raise

    def wait(self, timeout: float) -> dict[str, t.Any]:
        """Until it is active. timeout: seconds. Returns what describe does. Raises RotationError."""
        end = time.monotonic() + timeout
        while True:
            described = self.describe()
            status = described["TableStatus"] if described else "CREATING"  # DescribeTable lags behind CreateTable
            if described and status == "ACTIVE":
                return described
            if status not in _COMING:
                raise RotationError(f"Table {self.name} is {status}, and not to be used. See what AWS says of it.")
            if time.monotonic() > end:
                raise RotationError(f"Table {self.name} is still {status} after {timeout:g} s. Run again later.")
            time.sleep(_INTERVAL)

    def items(self) -> t.Iterator[Item]:
        """Of the whole table, as it is now and not as it was a moment ago."""
        pages = self._calls.pages(
            "scan",
            token=("LastEvaluatedKey", "ExclusiveStartKey"),
            about=f"table {self.name}",
            TableName=self.name,
            ConsistentRead=True,
        )
        for page in pages:
            yield from page.get("Items") or []

    def change(self, change: RowChange) -> None:
        """Other attributes of a row that is there stay, also of one that somebody else has added meanwhile."""
        key = {DOMAINS: {"S": change.key}}
        if change.action == "remove":
            self._call("delete_item", TableName=self.name, Key=key)
            return
        attributes = {name: attribute(value) for name, value in change.options.items()}
        if change.action == "add" and self._add({**key, **attributes}):
            return
        if attributes:
            # By way of placeholders: "name" is a reserved word.
            names = {f"#{number}": name for number, name in enumerate(attributes)}
            self._call(
                "update_item",
                TableName=self.name,
                Key=key,
                UpdateExpression="SET " + ", ".join(f"{mark} = :{mark[1:]}" for mark in names),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={f":{mark[1:]}": attributes[name] for mark, name in names.items()},
            )

    def _add(self, item: Item) -> bool:
        """False when there is such a row by now."""
        condition = f"attribute_not_exists({DOMAINS})"
        try:
            self._call("put_item", TableName=self.name, Item=item, ConditionExpression=condition)
        except AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _call(self, operation: str, **request: t.Any) -> dict[str, t.Any]:
        return self._calls.call(operation, about=f"table {self.name}", **request)
