# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_issue with each kind of DNS provider; a real ACME server validates by what they have written."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.acme_faults import AcmeFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.issuing_scene import Scene, actions, items, pebble_for
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from ansible_collections.certops.rotation.tests.support.rfc2136_server import DnsUpdateServer

ROLE = "arn:aws:iam::999999999999:role/dns"
NAMES = [["example.com", "*.example.com"], "www.example.com"]
# A user's program, which writes to the server whose key it is given.
PROGRAM = """
import json, sys
import dns.query, dns.tsig, dns.update
port, name, secret, action = sys.argv[1:]
given = json.load(sys.stdin)
if action == "zones":
    print(json.dumps({"zones": ["example.com"]}))
for record in given.get("records", []):
    update = dns.update.UpdateMessage(given["zone"], keyring=dns.tsig.Key(name, secret, "hmac-sha256"))
    for value in record["values"]:
        write = update.add if action == "add" else update.delete
        write(record["name"] + ".", *([5] if action == "add" else []), "TXT", value)
    assert dns.query.tcp(update, "127.0.0.1", port=int(port), timeout=10).rcode() == 0
"""


@pytest.fixture(scope="module")
def knot() -> t.Iterator[DnsUpdateServer]:
    with DnsUpdateServer(["example.com", "sub.example.com"]) as server:
        yield server


@pytest.fixture(scope="module")
def knots_ca(knot: DnsUpdateServer) -> t.Iterator[Pebble]:
    with Pebble(knot.nameserver) as pebble:
        yield pebble


@pytest.fixture(scope="module")
def ca(issuing_aws: AwsWithDns) -> t.Iterator[AcmeFaults]:
    with pebble_for(issuing_aws) as pebble, AcmeFaults(pebble.directory_url, pebble.ca_bundle) as faults:
        yield faults


@pytest.fixture
def scene(issuing_aws: AwsWithDns, issuing: ModuleServer, ca: AcmeFaults) -> t.Iterator[Scene]:
    made = Scene(issuing_aws, issuing, ca)
    made.begin()
    yield made
    made.assert_clean()


@pytest.fixture
def knots_scene(
    issuing_aws: AwsWithDns, issuing: ModuleServer, knots_ca: Pebble, knot: DnsUpdateServer
) -> t.Iterator[Scene]:
    """The zone of Route53 is there, too, and nobody looks at it."""
    made = Scene(issuing_aws, issuing, knots_ca)
    made.begin()
    knot.add("example.com", "_acme-challenge.example.com", "TXT", "theirs")
    yield made
    made.assert_clean()
    assert knot.txt("example.com") == {"_acme-challenge.example.com": ["theirs"]}
    assert knot.txt("sub.example.com") == {}
    assert "ChangeResourceRecordSets" not in issuing_aws.operations()


def test_updates_with_a_key_from_secrets_manager(knots_scene: Scene, knot: DnsUpdateServer) -> None:
    clause = f'key "{knot.key.name}" {{ algorithm {knot.key.algorithm}; secret "{knot.key.secret}"; }};'
    knots_scene.aws.put_secret("dns/key", clause)
    provider = {"provider": "rfc2136", "server": knot.nameserver, "key_secret": "dns/key"}
    names = [*NAMES, "a.b.sub.example.com"]
    run = knots_scene.issue(names, dns=[provider], nameservers=[knot.nameserver])
    assert set(actions(run).values()) == {"issued"}, run.result
    assert len(actions(run)) == 3


def test_a_wrong_key_is_told_and_the_right_one_goes_on(knots_scene: Scene, knot: DnsUpdateServer) -> None:
    knots_scene.aws.put_secret("dns/key", json.dumps({"key_name": "nobody", "secret": knot.key.secret}))
    provider = {"provider": "rfc2136", "server": knot.nameserver, "key_secret": "dns/key"}
    run = knots_scene.issue(["www.example.com"], dns=[provider], nameservers=[knot.nameserver])
    assert run.failed
    assert "does not know the key nobody" in items(run)["www.example.com"]["problem"]
    knots_scene.aws.put_secret("dns/key", json.dumps({"key_name": knot.key.name, "secret": knot.key.secret}))
    run = knots_scene.issue(["www.example.com"], dns=[provider], nameservers=[knot.nameserver])
    assert not run.failed, run.result


def test_a_missing_secret_is_told(knots_scene: Scene, knot: DnsUpdateServer) -> None:
    provider = {"provider": "rfc2136", "server": knot.nameserver, "key_secret": "dns/none"}
    run = knots_scene.issue(["www.example.com"], dns=[provider], nameservers=[knot.nameserver])
    assert run.failed
    assert "there is no secret dns/none (key_secret)" in json.dumps(run.result)


def test_a_program_of_the_user(knots_scene: Scene, knot: DnsUpdateServer, tmp_path: pathlib.Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    key = tmp_path / "key"
    key.write_text(knot.key.secret)
    # What is on a command line may be seen, so the key is in a file.
    text = PROGRAM.replace("port, name, secret, action = sys.argv[1:]", "port, name, path, action = sys.argv[1:]")
    program.write_text(text.replace("given = json", "secret = open(path).read()\ngiven = json", 1))
    command = [sys.executable, str(program), str(knot.port), knot.key.name, str(key)]
    provider = {"provider": "command", "command": command}
    run = knots_scene.issue(NAMES, dns=[provider], nameservers=[knot.nameserver])
    assert set(actions(run).values()) == {"issued"}, run.result


def test_zones_of_another_account_by_a_role(scene: Scene) -> None:
    """Its own zone, and one that a CNAME record of ours leads into."""
    credentials = scene.aws.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="test")["Credentials"]
    other = scene.aws.client_of(credentials, "route53")
    zones = [scene.aws.zone(name, client=other) for name in ("example.net", "acme.example.org")]
    scene.aws.put_record(scene.zone, "_acme-challenge.www.example.com", "CNAME", ["www.acme.example.org"])
    providers = [{"provider": "route53"}, {"provider": "route53", "role_arn": ROLE, "external_id": "agreed"}]
    run = scene.issue(["www.example.com", "api.example.net", "example.com"], dns=providers)
    assert set(actions(run).values()) == {"issued"}, run.result
    for zone in zones:
        left = other.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        assert {found["Type"] for found in left} == {"NS", "SOA"}
    scene.aws.change(scene.zone, "DELETE", "_acme-challenge.www.example.com", "CNAME", ["www.acme.example.org"])


def test_a_profile_in_place_of_the_tasks_credentials(
    scene: Scene, issuing: ModuleServer, tmp_path: pathlib.Path
) -> None:
    credentials = scene.aws.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="test")["Credentials"]
    other = scene.aws.client_of(credentials, "route53")
    scene.aws.zone("example.net", client=other)
    shared = tmp_path / "credentials"
    shared.touch(mode=0o600)
    shared.write_text(
        "[dns]\n"
        f"aws_access_key_id = {credentials['AccessKeyId']}\n"
        f"aws_secret_access_key = {credentials['SecretAccessKey']}\n"
        f"aws_session_token = {credentials['SessionToken']}\n"
    )
    args = scene.args(["www.example.net"], dns=[{"provider": "route53", "profile": "dns"}])
    env = {**scene.aws.env, "AWS_SHARED_CREDENTIALS_FILE": str(shared), "AWS_CONFIG_FILE": os.devnull}
    run = issuing.run("certificate_issue", args, env=env)
    assert actions(run) == {"www.example.net": "issued"}, run.result


def test_zones_by_id_without_the_right_to_list(scene: Scene) -> None:
    scene.aws.fail("ListHostedZones", "AccessDenied", "no", status=403)
    run = scene.issue(["www.example.com"], dns=[{"provider": "route53", "hosted_zone_ids": [scene.zone]}])
    assert actions(run) == {"www.example.com": "issued"}, run.result
    assert scene.aws.operations()["GetHostedZone"] == 1


@pytest.mark.parametrize(
    ("provider", "text"),
    [
        ({"provider": "rfc2136"}, "rfc2136 needs server"),
        ({"provider": "lexicon", "lexicon_service": "x"}, "needs zones and credentials_secret"),
        ({"provider": "route53", "server": "x"}, "no use for server"),
        ({"provider": "rfc2136", "server": "a:b:c"}, "dns: server: the host a:b:c has no address"),
    ],
)
def test_options_that_mean_nothing(scene: Scene, provider: dict[str, t.Any], text: str) -> None:
    run = scene.issue(["www.example.com"], dns=[provider])
    assert run.failed
    assert text in json.dumps(run.result)
    assert "ListHostedZones" not in scene.aws.operations()
