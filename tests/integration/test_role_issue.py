# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role acme_certificates and the playbook issue: from a table to three stores, by a real ACME server and DNS."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.role_issue import BUCKET, TABLE, IssueScene, by_name, fact
from cryptography import x509

ROLE = "certops.rotation.acme_certificates"


@pytest.fixture(scope="module")
def pebble(aws_dns_server: AwsWithDns) -> t.Iterator[Pebble]:
    with Pebble(aws_dns_server.nameservers[0]) as server:
        yield server


@pytest.fixture
def scene(aws_dns: AwsWithDns, pebble: Pebble) -> IssueScene:
    return IssueScene(aws_dns, pebble)


def play(*calls: t.Mapping[str, t.Any], **keywords: t.Any) -> list[dict[str, t.Any]]:
    """Of the role, once for each call's variables."""
    tasks = [{"ansible.builtin.include_role": {"name": ROLE}, "vars": dict(variables)} for variables in calls]
    return [{"hosts": "localhost", "gather_facts": False, "tasks": tasks, **keywords}]


def test_from_the_table_to_three_stores(scene: IssueScene) -> None:
    """Check, run, check, run: a row with one domain, one with several, a wildcard."""
    scene.add_row("one.example.com")
    scene.add_row(" shop.example.com , www.shop.example.com,")
    scene.add_row("*.example.com, example.com")
    predicted = scene.issue(check=True, table=TABLE)
    assert predicted.returncode == 0, predicted.output[-3000:]
    assert {name: each["action"] for name, each in by_name(predicted).items()} == {
        "one.example.com": "issued",
        "shop.example.com": "issued",
        "wildcard.example.com": "issued",
    }
    assert scene.names() == []
    assert scene.objects() == {}

    done = scene.issue(table=TABLE)
    assert done.returncode == 0, done.output[-3000:]
    assert done.modules == ["domain_table_info", "certificate_issue"]
    assert scene.names() == ["one.example.com", "shop.example.com", "wildcard.example.com"]
    shop = by_name(done)["shop.example.com"]
    assert (shop["action"], shop["status"]) == ("issued", "success")
    assert shop["message"] == (
        "A new certificate has been provisioned and uploaded to both S3 and ACM for: shop.example.com"
    )
    assert shop["issuer"] == scene.pebble.directory_url
    leaf = scene.leaf("shop.example.com")
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(names.get_values_for_type(x509.DNSName)) == ["shop.example.com", "www.shop.example.com"]
    assert scene.in_acm()[shop["acm_arn"]] == shop["fingerprint_sha256"] == scene.fingerprint("shop.example.com")
    objects = scene.objects()
    files = ("cert.pem", "chain.pem", "fullchain.pem", "privkey.pem")
    folders = ("example.com", "one.example.com", "shop.example.com")
    assert sorted(objects) == sorted(f"certs/{folder}/{file}" for folder in folders for file in files)
    document = scene.document("shop.example.com")
    assert objects["certs/shop.example.com/cert.pem"].decode().strip() == document["certificate"].strip()
    assert objects["certs/shop.example.com/chain.pem"].decode().strip() == document["certificate_chain"].strip()
    assert scene.aws.txt(scene.zone) == {}
    assert fact(done, "acme_certificates_output") == {
        "certbot_server": scene.pebble.directory_url,
        "domains": ["shop.example.com,www.shop.example.com", "*.example.com,example.com", "one.example.com"],
        "email": "certbot@example.com",
        "s3_bucket": BUCKET,
    }

    orders = scene.pebble.counts()["orders"]
    for check in (True, False):
        again = scene.issue(check=check, table=TABLE)
        assert again.returncode == 0, again.output[-3000:]
        assert again.changed == []
        assert {each["action"] for each in by_name(again).values()} == {"unchanged"}
    kept = by_name(again)["shop.example.com"]
    assert kept["message"].endswith("until expiration already exists in both S3 and ACM for: shop.example.com")
    assert kept["status"] == "success"
    assert kept["arn"] == shop["arn"]
    assert scene.pebble.counts()["orders"] == orders


def test_one_that_fails_holds_up_no_other(scene: IssueScene) -> None:
    """Neither in the run nor, with the rotation after it, on the hosts."""
    wanted = [{"domains": domains} for domains in ("a.example.com", "b.example.net", "c.example.com")]
    run = scene.issue(list=wanted)
    assert run.returncode == 2
    assert {name: each["status"] for name, each in by_name(run).items()} == {
        "a.example.com": "success",
        "b.example.net": "failed",
        "c.example.com": "success",
    }
    assert "b.example.net" in run.error
    assert "a.example.com" not in run.error
    assert scene.names() == ["a.example.com", "c.example.com"]
    # The role alone, in a play of one's own: it fails itself, at its end.
    in_a_play = scene.issue(playbook=play({"acme_certificates_list": wanted}))
    assert in_a_play.returncode == 2
    assert [task.task for task in in_a_play.tasks if task.status == "failed"] == ["Name those that failed"]
    assert in_a_play.error == run.error


def test_the_rotation_on_request(scene: IssueScene, rotation_scene: rotation.Scene) -> None:
    variables = {
        **rotation_scene.variables,
        "haproxy_certificates_name_prefix": "",
        "haproxy_certificates_names": "a.example.com",
    }
    wanted = [{"domains": "a.example.com"}, {"domains": "b.example.net"}]
    run = scene.issue(list=wanted, hosts=["host"], inventory=variables, extra={"issue_rotate": "true"})
    assert run.returncode == 2, "the bad one"
    assert rotation_scene.served("a") == scene.fingerprint("a.example.com")
    order = [task.task for task in run.tasks if task.task in ("Issue what is due", "Rotate certificates", "Name them")]
    assert order == ["Issue what is due", "Rotate certificates", "Name them"]
    assert "b.example.net" in run.error
    # Without it, the hosts are left alone.
    run = scene.issue(list=wanted[:1], force=True, hosts=["host"], inventory=variables)
    assert run.returncode == 0, run.output[-3000:]
    assert "haproxy_rotation" not in run.modules
    assert rotation_scene.served("a") != scene.fingerprint("a.example.com")


@pytest.fixture
def rotation_scene(scene: IssueScene) -> t.Iterator[rotation.Scene]:
    authority = pki.CertificateAuthority()
    with HaproxyInstance({"default.pem": authority.issue("default.example.com").combined_pem}) as haproxy:
        yield rotation.Scene(scene.aws, haproxy, authority)


def test_one_by_its_domains(scene: IssueScene) -> None:
    """As the single event of an older service; the table is not looked at."""
    scene.add_row("other.example.com")
    run = scene.issue(table=TABLE, extra={"domains": "one.example.com, two.example.com"})
    assert run.returncode == 0, run.output[-3000:]
    assert run.modules == ["certificate_issue"]
    assert scene.names() == ["one.example.com"]
    assert by_name(run)["one.example.com"]["domains"] == ["one.example.com", "two.example.com"]


@pytest.mark.parametrize(
    ("variables", "extra", "message"),
    [
        ({"issuers": None}, {}, "acme_certificates_issuers"),
        ({"issuers": []}, {}, "issuers"),
        ({"issuers": [{"directory": "", "account_secret": "a"}]}, {}, "directory"),
        ({}, {"domains": ""}, "domains is empty"),
        ({"list": [{"domains": ""}]}, {}, "domains"),
        ({"stores": [{"type": "s3", "bucket": ""}]}, {"domains": "a.example.com"}, "bucket"),
        ({}, {}, "acme_certificates_table, acme_certificates_list and acme_certificates_domains are empty"),
        ({"table": "missing"}, {}, "missing"),
        ({"force": "perhaps"}, {"domains": "a.example.com"}, "acme_certificates_force"),
        ({"aws": "eu-central-1"}, {"domains": "a.example.com"}, "acme_certificates_aws"),
        ({}, {"domains": "a.example.com", "issue_rotate": "perhaps"}, "issue_rotate"),
        ({}, {"domains": "a.example.com", "issue_rotate": "true"}, "The inventory has no hosts in the group haproxy"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(map(str, value)),
)
def test_what_is_missing_or_empty_is_named(
    scene: IssueScene, variables: dict[str, t.Any], extra: dict[str, t.Any], message: str
) -> None:
    """Before anything is done."""
    run = scene.issue(extra=extra, **{"retries": 0, **variables})
    assert run.returncode != 0
    assert message in run.error or message in run.output
    assert scene.names() == []
    assert "ChangeResourceRecordSets" not in scene.aws.operations()


def test_an_empty_table_is_an_error(scene: IssueScene) -> None:
    scene.create_table()
    run = scene.issue(table=TABLE, retries=0)
    assert run.returncode != 0
    assert TABLE in run.error
    assert run.of("certificate_issue") == []


def test_all_variables_as_text(scene: IssueScene) -> None:
    """As -e name=value, INI files and surveys have them."""
    scene.add_row("text.example.com")
    texts = {
        "table": TABLE,
        "contacts": "certbot@example.com,ops@example.com",
        "terms_agreed": "yes",
        "nameservers": ",".join(scene.aws.nameservers),
        "renew_before_days": "30",
        "renewal_info": "false",
        "force": "no",
        "concurrency": "4",
        "timeout": "300",
        "retries": "1",
        "delay": "0",
        "fail_late": "false",
        "aws": json.dumps({"region": "eu-central-1"}),
    }
    run = scene.issue(**texts, env={"AWS_REGION": "", "AWS_DEFAULT_REGION": ""})
    assert run.returncode == 0, run.output[-3000:]
    assert scene.names() == ["text.example.com"]
    again = scene.issue(**texts)
    assert by_name(again)["text.example.com"]["message"].startswith("A certificate with at least 30 days until")


def test_once_for_all_hosts_whatever_the_strategy(scene: IssueScene) -> None:
    """And all of them know what became of it."""
    tell = {"ansible.builtin.debug": {"msg": "{{ acme_certificates_result.certificates | map(attribute='name') }}"}}
    for strategy, calls in (("linear", 1), ("free", 3)):
        name = f"{strategy}.example.com"
        role = {"role": ROLE, "acme_certificates_domains": name}
        plays = play(hosts="haproxy", strategy=strategy, roles=[role], tasks=[tell])
        before = scene.pebble.counts()["orders"]
        run = scene.issue(playbook=plays, hosts=["h1", "h2", "h3"])
        assert run.returncode == 0, run.error
        assert len(run.of("certificate_issue")) == calls
        told = {task.host: task.result["msg"] for task in run.tasks if task.result.get("msg") == [name]}
        assert set(told) == {"h1", "h2", "h3"}
        assert scene.pebble.counts()["orders"] == before + 1


def test_it_is_tried_again_when_aws_does_not_answer(scene: IssueScene) -> None:
    """Until it does; and a certificate that cannot be issued is not tried again at once."""
    scene.aws.fail("DescribeSecret", "AccessDeniedException", times=2, containing="issuance/journal")
    run = scene.issue(list=[{"domains": "late.example.com"}], retries=2)
    assert run.returncode == 0, run.output[-3000:]
    assert scene.names() == ["late.example.com"]
    assert run.result("certificate_issue")["attempts"] == 3
    scene.aws.forget()
    run = scene.issue(list=[{"domains": "nowhere.example.net"}], retries=2)
    assert run.returncode == 2
    assert run.result("certificate_issue")["attempts"] == 1


def test_a_run_ends_in_time(scene: IssueScene) -> None:
    """With an authority where nobody answers."""
    issuer = {**scene.issuer(scene.pebble), "directory": f"https://127.0.0.1:{free_port()}/dir"}
    run = scene.issue(list=[{"domains": "late.example.com"}], issuers=[issuer], timeout=5, retries=0)
    assert run.returncode == 2
    assert by_name(run)["late.example.com"]["status"] == "failed"
    assert issuer["directory"] in run.error


def test_the_next_authority_steps_in(scene: IssueScene) -> None:
    """When the first one is down, whether there was an account already or not."""
    with Pebble(scene.aws.nameservers[0]) as first:
        issuers = [scene.issuer(first), scene.issuer(scene.pebble)]
        for names in ("a.example.com", "b.example.com"):
            run = scene.issue(domains=names, issuers=issuers)
            assert run.returncode == 0, run.error
            first.stop()
        assert by_name(run)["b.example.com"]["issuer"] == scene.pebble.directory_url


def test_a_misspelt_variable_is_named(scene: IssueScene) -> None:
    run = scene.issue(check=True, domains="a.example.com", extra={"acme_certificates_contact": ["a@example.com"]})
    sentence = (
        "acme_certificates_contact is no variable of the role acme_certificates. Is acme_certificates_contacts meant?"
    )
    assert sentence in " ".join(run.output.split())
    assert "acme_certificates_result is no variable" not in run.output


def test_options_of_the_play_and_of_the_role_are_added(scene: IssueScene) -> None:
    scene.add_row("a.example.com")
    elsewhere = {"AWS_ENDPOINT_URL": "", "AWS_DEFAULT_REGION": "", "AWS_REGION": ""}
    of_play = {"endpoint_url": scene.aws.endpoint_url, "region": "us-west-1"}
    plays = play({"acme_certificates_table": TABLE}, module_defaults={"group/certops.rotation.aws": of_play})
    run = scene.issue(playbook=plays, env=elsewhere, aws={"region": "eu-central-1"}, check=True)
    assert run.returncode == 0, run.output[-3000:]
    for module in ("domain_table_info", "certificate_issue"):
        given = run.result(module)["invocation"]["module_args"]
        assert (given["endpoint_url"], given["region"]) == (scene.aws.endpoint_url, "eu-central-1")


def test_no_key_is_left_on_the_controller(scene: IssueScene, tmp_path: pathlib.Path) -> None:
    """run_playbook searches the output; here is what might be left in files."""
    run = scene.issue(
        domains="a.example.com", env={"TMPDIR": str(tmp_path), "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local")}
    )
    assert run.returncode == 0, run.output[-3000:]
    key = scene.document("a.example.com")["private_key"].splitlines()[1]
    left = [path for path in tmp_path.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert left == []
