# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of domains as it should be: there, as it is described, with these rows or without them."""

from __future__ import annotations

import typing as t

from ..._core.acme.domain_rows import DomainRow, RowChange, plan_rows, read_row
from ..._core.acme.domain_table import WantedTable, plan_table, why_not_usable
from ..._errors import RotationError
from ..._ports.aws.domain_table import DomainTable

_OPERATIONS: t.Final = {"add": "PutItem", "change": "UpdateItem", "remove": "DeleteItem"}


def present(
    table: DomainTable, wanted: WantedTable, rows: t.Sequence[DomainRow], *, timeout: float, check_mode: bool
) -> dict[str, t.Any]:
    """timeout: seconds until a table that is made or changed has to be active. Returns the result, with a diff."""
    described = table.describe()
    if described is not None and described["TableStatus"] != "ACTIVE" and not check_mode:
        described = table.wait(timeout)
    tags = table.tags(described) if described is not None and wanted.tags else {}
    requests = plan_table(described, tags, wanted)
    if not check_mode:
        for request in requests:
            table.apply(request)
            if request.operation != "tag_resource":
                table.wait(timeout)
    found = [read_row(item) for item in table.items()] if described is not None and rows else []
    changes = _rows(table, found, rows, absent=False, check_mode=check_mode)
    if described is None and not check_mode:
        described = table.describe()
    action = "created" if any(each.operation == "create_table" for each in requests) else "updated"
    return {
        **_result(described, found, changes, [request.name for request in requests]),
        "action": action if requests or changes else "unchanged",
    }


def absent(table: DomainTable, rows: t.Sequence[DomainRow], *, check_mode: bool) -> dict[str, t.Any]:
    """The rows, not the table."""
    described = table.describe()
    if described is None:
        return {**_result(None, [], [], []), "action": "unchanged"}
    problem = why_not_usable(described)
    if problem:
        raise RotationError(problem)
    found = [read_row(item) for item in table.items()]
    changes = _rows(table, found, rows, absent=True, check_mode=check_mode)
    return {**_result(described, found, changes, []), "action": "updated" if changes else "unchanged"}


def _rows(
    table: DomainTable,
    found: t.Sequence[DomainRow],
    wanted: t.Sequence[DomainRow],
    *,
    absent: bool,
    check_mode: bool,
) -> list[RowChange]:
    changes = plan_rows(found, wanted, absent=absent)
    if not check_mode:
        for change in changes:
            table.change(change)
    return changes


def _result(
    described: t.Mapping[str, t.Any] | None,
    found: t.Sequence[DomainRow],
    changes: t.Sequence[RowChange],
    operations: t.Sequence[str],
) -> dict[str, t.Any]:
    before = {row.key: dict(row.options) for row in found}
    after = {key: dict(options) for key, options in before.items()}
    for change in changes:
        if change.action == "remove":
            after.pop(change.key, None)
        else:
            after.setdefault(change.key, {}).update(change.options)
    return {
        "changed": bool(operations or changes),
        "table_arn": (described or {}).get("TableArn"),
        "changes": [*operations, *(_OPERATIONS[change.action] for change in changes)],
        "diff": {"before": before, "after": after},
    }
