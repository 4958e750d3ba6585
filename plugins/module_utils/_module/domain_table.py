# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""domain_table: parameters to a table and its rows, what was done to the result."""

from __future__ import annotations

import collections
import typing as t

from .._core.acme.domain_rows import OPTIONS, DomainRow, split_domains
from .._core.acme.domain_table import WantedTable
from .._core.acme.names import canonical_identifier
from .._core.acme.wanted import KEY_TYPES
from .._errors import InvalidOption
from .._flows.issue.domain_table import absent, present
from .._ports.aws.domain_table import DomainTable
from .boundary import module_boundary
from .options import tag_texts

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "table": {"type": "str", "required": True, "aliases": ["name"]},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "domains": {"type": "raw"},
    "certificates": {
        "type": "list",
        "elements": "dict",
        "options": {
            "domains": {"type": "raw", "required": True},
            "name": {"type": "str"},
            "key_type": {"type": "str", "choices": [*KEY_TYPES], "no_log": False},
            "profile": {"type": "str"},
            "stores": {"type": "list", "elements": "str"},
            "renew_before_days": {"type": "int"},
        },
    },
    "billing_mode": {"type": "str", "choices": ["provisioned", "pay_per_request"]},
    "read_capacity_units": {"type": "int"},
    "write_capacity_units": {"type": "int"},
    "kms_key_id": {"type": "str"},
    "deletion_protection": {"type": "bool"},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "wait_timeout": {"type": "int", "default": 300},
}
MUTUALLY_EXCLUSIVE = [["domains", "certificates"]]


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        rows = _rows(params)
        table = DomainTable(module.client("dynamodb"), module.retry, params["table"])
        if params["state"] == "absent":
            if not rows:
                raise InvalidOption("state: absent removes rows: name their domains. Tables are not removed here.")
            result = absent(table, rows, check_mode=module.check_mode)
        else:
            timeout, check_mode = params["wait_timeout"], module.check_mode
            result = present(table, _table(params), rows, timeout=timeout, check_mode=check_mode)
        diff = result.pop("diff")
        shown = {"diff": diff} if module._diff else {}
        module.exit_json(**result, table=table.name, api_calls=dict(table.api_calls), **shown)


def _table(params: t.Mapping[str, t.Any]) -> WantedTable:
    """Raises InvalidOption."""
    read, write = params["read_capacity_units"], params["write_capacity_units"]
    for name, value in (("read_capacity_units", read), ("write_capacity_units", write)):
        if value is not None and value < 1:
            raise InvalidOption(f"{name}: a table has one unit at least.")
        if value is not None and params["billing_mode"] == "pay_per_request":
            raise InvalidOption(f"{name}: a table that is paid per request has no units.")
    return WantedTable(
        params["table"],
        params["billing_mode"],
        read,
        write,
        params["kms_key_id"],
        params["deletion_protection"],
        None if params["tags"] is None else tag_texts(params["tags"]),
    )


def _rows(params: t.Mapping[str, t.Any]) -> list[DomainRow]:
    """Raises InvalidOption, also for two that are one certificate."""
    given = params["certificates"] or ([{"domains": params["domains"]}] if params["domains"] is not None else [])
    rows = [_row(each) for each in given]
    counted = collections.Counter(row.names for row in rows)
    for row in rows:
        if counted[row.names] > 1:
            raise InvalidOption(f"certificates: {row.key} is listed twice. A row is known by its domains.")
    return rows


def _row(given: t.Mapping[str, t.Any]) -> DomainRow:
    domains = given["domains"]
    texts = domains if isinstance(domains, list) else [domains]
    for text in texts:
        if not isinstance(text, str):
            raise InvalidOption(f"domains: {text!r} is not text. Write names, in quotes if need be.")
    names = tuple(dict.fromkeys(map(canonical_identifier, split_domains(texts))))
    if not names:
        raise InvalidOption("domains: name at least one.")
    options = {name: given[name] for name in OPTIONS if given.get(name) is not None}
    return DomainRow(",".join(names), names, options)
