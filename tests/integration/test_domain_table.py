# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""domain_table and domain_table_info against an emulated DynamoDB: a table, its rows, and what is read from it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.names import wanted_certificates
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, warnings

TABLE = "certificates"
KEY = "subject_alternative_name"
READS = {"DescribeTable", "Scan", "ListTagsOfResource"}


class Table:
    """The table TABLE, written by the module and looked at by boto3."""

    def __init__(self, target: SyncTarget, aws: MotoServer) -> None:
        self._target = target
        self.client = aws.client("dynamodb")

    def run(self, *, check: bool = False, diff: bool = True, **args: t.Any) -> ModuleRun:
        arguments = {"table": TABLE, "_ansible_diff": diff, **args}
        return self._target.modules.run("domain_table", arguments, check=check, env=self._target.env)

    def info(self, **args: t.Any) -> ModuleRun:
        return self._target.modules.run("domain_table_info", {"table": TABLE, **args}, env=self._target.env)

    def create(self, *rows: str | dict[str, t.Any], key: str = KEY) -> None:
        self.client.create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.add(*rows)

    def add(self, *rows: str | dict[str, t.Any]) -> None:
        for row in rows:
            self.client.put_item(TableName=TABLE, Item={KEY: {"S": row}} if isinstance(row, str) else row)

    def rows(self) -> dict[str, dict[str, t.Any]]:
        """By the text of the key."""
        items = self.client.scan(TableName=TABLE)["Items"]
        return {item[KEY]["S"]: {name: value for name, value in item.items() if name != KEY} for item in items}

    def state(self) -> t.Any:
        try:
            described = self.client.describe_table(TableName=TABLE)["Table"]
        except self.client.exceptions.ResourceNotFoundException:
            return None
        tags = self.client.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"]
        for volatile in ("ItemCount", "TableSizeBytes"):
            described.pop(volatile, None)
        return described, tags, self.rows()

    def four_times(self, changes: list[str], **args: t.Any) -> ModuleRun:
        """Check, run, check, run. Returns the first run."""
        before = self.state()
        check = self.run(check=True, **args)
        assert self.state() == before, "check mode has changed something"
        run = self.run(**args)
        after = self.state()
        rest = [self.run(check=True, **args), self.run(**args)]
        assert self.state() == after, "the second run has changed something"
        runs = [check, run, *rest]
        assert [each.failed for each in runs] == [False] * 4, [each.result.get("msg") for each in runs]
        assert [each.result["changes"] for each in runs] == [changes, changes, [], []]
        assert [each.result["changed"] for each in runs] == [bool(changes)] * 2 + [False] * 2
        assert [each.result["action"] for each in rest] == ["unchanged"] * 2
        assert check.result["diff"] == run.result["diff"]
        assert set(rest[1].result["api_calls"]) <= READS
        return run


@pytest.fixture
def table(target: SyncTarget, aws: MotoServer) -> Table:
    return Table(target, aws)


# Writing


def test_the_first_row_makes_the_table_as_the_older_system_had_it(table: Table) -> None:
    run = table.four_times(["CreateTable", "PutItem"], domains="www.example.com, example.com")
    assert run.result["action"] == "created"
    assert run.result["diff"] == {"before": {}, "after": {"www.example.com,example.com": {}}}
    described, _tags, rows = table.state()
    assert described["KeySchema"] == [{"AttributeName": KEY, "KeyType": "HASH"}]
    assert described["AttributeDefinitions"] == [{"AttributeName": KEY, "AttributeType": "S"}]
    throughput = described["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (25, 25)
    assert described["TableStatus"] == "ACTIVE"
    assert run.result["table_arn"] == described["TableArn"]
    assert list(rows) == ["www.example.com,example.com"]


def test_a_table_alone_with_all_its_properties(table: Table) -> None:
    properties = {
        "billing_mode": "pay_per_request",
        "kms_key_id": "11111111-2222-3333-4444-555555555555",
        "deletion_protection": True,
        "tags": {"Environment": "production"},
    }
    table.four_times(["CreateTable"], **properties)
    described, tags, rows = table.state()
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert described["DeletionProtectionEnabled"] is True
    assert described["SSEDescription"]["SSEType"] == "KMS"
    assert tags == [{"Key": "Environment", "Value": "production"}]
    assert rows == {}


def test_a_table_that_is_there_is_brought_to_what_is_given_and_no_further(table: Table) -> None:
    table.create()
    table.four_times([])
    table.four_times(["UpdateTable"], deletion_protection=True)
    table.four_times(["UpdateTable"], deletion_protection=False)
    table.four_times(["UpdateTable"], billing_mode="provisioned", read_capacity_units=5)
    throughput = table.state()[0]["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (5, 25)
    table.four_times(["UpdateTable"], write_capacity_units=7)
    throughput = table.state()[0]["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (5, 7)
    table.four_times(["TagResource"], tags={"a": "1"})
    table.four_times(["TagResource"], tags={"b": "2"})
    assert {tag["Key"] for tag in table.state()[1]} == {"a", "b"}


def test_a_row_is_known_by_its_domains_in_any_order(table: Table) -> None:
    table.create("example.com, WWW.example.com")
    table.four_times([], domains=["www.example.com", "example.com"])
    table.four_times(["PutItem"], domains="www.example.com")
    assert set(table.rows()) == {"example.com, WWW.example.com", "www.example.com"}


def test_options_are_set_and_other_attributes_stay(table: Table) -> None:
    table.create({KEY: {"S": "a.example.com"}, "owner": {"S": "team"}, "profile": {"S": "classic"}})
    certificates = [
        {"domains": "a.example.com", "key_type": "rsa2048", "stores": ["acm"], "renew_before_days": 20},
        {"domains": ["*.b.example.com", "b.example.com"], "name": "b"},
    ]
    run = table.four_times(["UpdateItem", "PutItem"], certificates=certificates)
    assert run.result["diff"]["before"] == {"a.example.com": {"profile": "classic"}}
    assert table.rows() == {
        "a.example.com": {
            "owner": {"S": "team"},
            "profile": {"S": "classic"},
            "key_type": {"S": "rsa2048"},
            "stores": {"L": [{"S": "acm"}]},
            "renew_before_days": {"N": "20"},
        },
        "*.b.example.com,b.example.com": {"name": {"S": "b"}},
    }
    assert table.info().result["certificates"] == [
        {"domains": ["*.b.example.com", "b.example.com"], "name": "b"},
        {
            "domains": ["a.example.com"],
            "profile": "classic",
            "key_type": "rsa2048",
            "stores": ["acm"],
            "renew_before_days": 20,
        },
    ]


def test_rows_are_removed_in_all_their_forms(table: Table) -> None:
    table.create("a.example.com,b.example.com", "b.example.com, a.example.com", "a.example.com")
    run = table.four_times(["DeleteItem", "DeleteItem"], domains="b.example.com,a.example.com", state="absent")
    assert run.result["diff"]["after"] == {"a.example.com": {}}
    assert set(table.rows()) == {"a.example.com"}


def test_nothing_is_removed_from_a_table_that_is_not_there(table: Table) -> None:
    table.four_times([], domains="a.example.com", state="absent")
    assert table.state() is None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"domains": "ex ample.com"}, "neither a host name"),
        ({"domains": ""}, "name at least one"),
        ({"domains": ["www.example.com", 5]}, "not text"),
        ({"domains": "bad_name.example.com"}, "underscore"),
        ({"state": "absent"}, "Tables are not removed here"),
        (
            {"certificates": [{"domains": "a.example.com,b.example.com"}, {"domains": "b.example.com,a.example.com"}]},
            "twice",
        ),
        ({"read_capacity_units": 0}, "one unit at least"),
        ({"read_capacity_units": 5, "billing_mode": "pay_per_request"}, "has no units"),
        ({"tags": {"a": True}}, "boolean of YAML"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_made(
    table: Table, args: dict[str, t.Any], message: str
) -> None:
    run = table.run(**args)
    assert run.failed
    assert message in run.result["msg"]
    assert table.state() is None


def test_a_table_with_another_key_is_left_alone(table: Table) -> None:
    table.create(key="id")
    for state in ("present", "absent"):
        run = table.run(domains="a.example.com", state=state)
        assert run.failed
        assert f"has the key id (HASH, type S), and rows of domains need {KEY}" in run.result["msg"]
    assert table.client.scan(TableName=TABLE)["Items"] == []


def test_a_row_that_somebody_adds_meanwhile_keeps_its_attributes(table: Table, faults: AwsFaults) -> None:
    table.create()

    def nothing_yet(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        return {**reply, "Items": []}

    table.add({KEY: {"S": "a.example.com"}, "owner": {"S": "team"}})
    faults.change("Scan", nothing_yet)
    run = table.run(certificates=[{"domains": "a.example.com", "key_type": "rsa2048"}])
    assert not run.failed
    assert table.rows() == {"a.example.com": {"owner": {"S": "team"}, "key_type": {"S": "rsa2048"}}}


@pytest.mark.parametrize(("status", "message"), [("CREATING", "still CREATING after 1 s"), ("ARCHIVED", "is ARCHIVED")])
def test_a_table_that_does_not_become_active_ends_the_run(
    table: Table, faults: AwsFaults, status: str, message: str
) -> None:
    def waits(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        reply["Table"]["TableStatus"] = status
        return reply

    faults.change("DescribeTable", waits)
    table.create()
    run = table.run(domains="a.example.com", wait_timeout=1)
    assert run.failed
    assert message in run.result["msg"]
    assert table.rows() == {}


# Reading


def test_certificates_are_what_the_rows_name(table: Table) -> None:
    table.create("www.example.com , example.com,", " a.example.com")
    info = table.info()
    assert not info.result["changed"]
    assert info.result["certificates"] == [
        {"domains": ["a.example.com"]},
        {"domains": ["www.example.com", "example.com"]},
    ]
    assert info.result["rows"] == ["a.example.com", "www.example.com,example.com"]
    assert info.result["api_calls"] == {"DescribeTable": 1, "Scan": 1}
    assert [each.identifiers for each in wanted_certificates(info.result["certificates"]).wanted] == [
        ("a.example.com",),
        ("www.example.com", "example.com"),
    ]


def test_the_whole_table_is_read_page_by_page_and_consistently(table: Table, faults: AwsFaults) -> None:
    table.create()
    padding = {"S": "x" * 300_000}
    names = [f"{number}.example.com" for number in range(8)]
    table.add(*({KEY: {"S": name}, "notes": padding} for name in names))
    assert sorted(table.info().result["rows"]) == names
    scans = faults.bodies("Scan")
    assert len(scans) > 2
    assert all(scan["ConsistentRead"] for scan in scans)


def test_an_empty_table_is_an_error_unless_told(table: Table) -> None:
    table.create()
    run = table.info()
    assert run.failed
    assert run.result["msg"].startswith("No domains returned from DynamoDB table scan.")
    warned = table.info(on_empty="warn")
    assert warned.result["certificates"] == []
    assert "No domains returned from DynamoDB table scan." in warnings(warned)
    ignored = table.info(on_empty="ignore")
    assert ignored.result["certificates"] == []
    assert not ignored.result.get("warnings")


def test_a_table_that_is_not_there_is_an_error_that_says_where(table: Table) -> None:
    run = table.info(on_empty="ignore")
    assert run.failed
    assert "Table certificates is not in region eu-central-1" in run.result["msg"]


def test_rows_of_other_types(table: Table) -> None:
    table.create(key="id")
    values: list[dict[str, t.Any]] = [
        {"SS": ["b.example.com", "a.example.com"]},
        {"L": [{"S": "c.example.com, d.example.com"}, {"S": "e.example.com"}]},
        {"N": "5"},
        {"B": b"f.example.com"},
        {"L": [{"S": "g.example.com"}, {"M": {}}]},
        {"NULL": True},
    ]
    table.add(*({"id": {"S": str(number)}, KEY: value} for number, value in enumerate(values)))
    table.add({"id": {"S": "without"}})
    run = table.info()
    certificates = run.result["certificates"]
    assert {"domains": ["a.example.com", "b.example.com"]} in certificates
    assert {"domains": ["c.example.com", "d.example.com", "e.example.com"]} in certificates
    assert certificates.count({"domains": []}) == 4
    assert "is of the type B, not text (S)" in warnings(run)
    assert f"it has no {KEY}" in warnings(run)
    judged = wanted_certificates(certificates)
    assert len(judged.wanted) == 2
    assert len(judged.refused) == 5  # the number among them


def test_rows_that_say_the_same_are_one_certificate(table: Table) -> None:
    table.create("b.example.com,a.example.com", "a.example.com, B.example.com")
    table.add({KEY: {"S": "a.example.com,b.example.com"}, "name": {"S": "other"}, "key_type": {"S": "rsa2048"}})
    run = table.info()
    assert run.result["rows"] == ["a.example.com,B.example.com", "a.example.com,b.example.com"]
    assert "Two rows have the same domains" in warnings(run)


@pytest.mark.parametrize("operation", ["DescribeTable", "Scan"])
def test_what_aws_refuses_is_told_with_what_to_allow(table: Table, faults: AwsFaults, operation: str) -> None:
    table.create("a.example.com")
    faults.fail(operation, "AccessDeniedException", "no")
    run = table.info()
    assert run.failed
    assert f"Allow dynamodb:{operation}" in run.result["msg"]
