# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""domain_table_info: a table to the certificates that it names."""

from __future__ import annotations

import typing as t

from .._core.acme.domain_rows import read_rows
from .._errors import RotationError
from .._ports.aws.domain_table import DomainTable
from .boundary import module_boundary

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "table": {"type": "str", "required": True, "aliases": ["name"]},
    "on_empty": {"type": "str", "choices": ["fail", "warn", "ignore"], "default": "fail"},
}
#: As an older system says it, by which some look for it.
_EMPTY = "No domains returned from DynamoDB table scan."


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        table = DomainTable(module.client("dynamodb"), module.retry, module.params["table"])
        described = table.describe()
        if described is None:
            raise RotationError(
                f"Table {table.name} is not in {table.where}. Create it with certops.rotation.domain_table, or correct"
                " name and region."
            )
        rows, warnings = read_rows(table.items())
        for warning in warnings:
            module.warn(f"Table {table.name}: {warning}")
        if not rows:
            text = f"{_EMPTY} Table {table.name} has no rows: add one with certops.rotation.domain_table."
            if module.params["on_empty"] == "fail":
                raise RotationError(text)
            if module.params["on_empty"] == "warn":
                module.warn(text)
        module.exit_json(
            changed=False,
            table=table.name,
            table_arn=described["TableArn"],
            certificates=[row.as_certificate() for row in rows],
            rows=[",".join(row.domains) for row in rows if row.domains],
            api_calls=dict(table.api_calls),
        )
