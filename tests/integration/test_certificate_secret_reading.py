# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_secret_info and the lookup certificate_secret, down to the push model: only the controller reads AWS."""

from __future__ import annotations

import json
import pathlib
import typing as t
from datetime import timedelta

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, warnings

LOOKUP = "certops.rotation.certificate_secret"


@pytest.fixture
def certificate(intermediate: CertificateAuthority) -> IssuedCertificate:
    return intermediate.issue(["www.example.com", "192.0.2.1"])


def info(target: SyncTarget, **args: t.Any) -> dict[str, dict[str, t.Any]]:
    """Name -> item."""
    run = target.modules.run("certificate_secret_info", args, env=target.env)
    assert not run.failed, run.result["msg"]
    assert run.result["changed"] is False
    return {item["name"]: item for item in run.result["secrets"]}


def store_all_kinds(aws: MotoServer, certificate: IssuedCertificate) -> None:
    aws.put_secret("web/good", certificate.secret_document(), tags={"Environment": "production", "Team": "shop"})
    aws.put_secret("web/p12", certificate.pkcs12(), tags={"Environment": "production-old"})
    aws.put_secret("web/mismatch", certificate.secret_document(private_key=certificate.private_key_pem[:-40]))
    aws.put_secret("web/binary", b"\xff\x00 noise")
    aws.client().create_secret(Name="web/empty")
    aws.put_secret("web/deleted", certificate.secret_document())
    aws.client().delete_secret(SecretId="web/deleted", RecoveryWindowInDays=7)
    aws.put_secret("other", "not a certificate")


def test_every_secret_gets_its_answer(target: SyncTarget, aws: MotoServer, certificate: IssuedCertificate) -> None:
    store_all_kinds(aws, certificate)
    names = ["web/good", "web/p12", "web/mismatch", "web/binary", "web/empty", "web/deleted", "web/absent", "other"]
    found = info(target, names=names)
    codes = {name: [problem["code"] for problem in found[name]["problems"]] for name in names}
    assert codes == {
        "web/good": [],
        "web/p12": [],
        "web/mismatch": ["pem_invalid"],
        "web/binary": ["document_invalid"],
        "web/empty": ["secret_no_current_version"],
        "web/deleted": ["secret_deleted"],
        "web/absent": ["secret_missing"],
        "other": ["document_invalid"],
    }
    good = found["web/good"]
    assert good["valid"] is True
    assert good["fingerprint_sha256"] == certificate.fingerprint_sha256
    assert good["subject_alternative_names"] == ["www.example.com", "192.0.2.1"]
    assert good["tags"] == {"Environment": "production", "Team": "shop"}
    assert good["arn"].startswith(f"arn:aws:secretsmanager:{REGION}:")
    assert good["versions"] == {good["version_id"]: ["AWSCURRENT"]}
    assert good["created_at"].endswith("Z")
    assert found["web/deleted"]["deleted_at"].endswith("Z")
    assert [found[name]["valid"] for name in ("web/binary", "web/empty")] == [False, None]
    assert not {"private_key", "certificate"} & set(good)


def test_selection_and_cost(
    target: SyncTarget, aws: MotoServer, faults: AwsFaults, certificate: IssuedCertificate
) -> None:
    store_all_kinds(aws, certificate)
    assert set(info(target, tags={"Environment": "production"})) == {"web/good"}
    assert set(info(target, name="web/good")) == {"web/good"}
    listed = info(target, name_prefix="", verify=False, include_tags=False)
    assert {"web/good", "other", "web/empty"} <= set(listed)
    assert "tags" not in listed["web/good"]
    assert listed["web/good"]["valid"] is None
    assert faults.counts().get("BatchGetSecretValue", 0) == 2, "verify: false must not read values"
    assert faults.counts().get("GetSecretValue", 0) == 0
    nothing = target.modules.run("certificate_secret_info", {}, env=target.env)
    assert "one of the following is required" in nothing.result["msg"]


def test_what_the_tags_leave_out_is_read_by_its_name(
    target: SyncTarget, aws: MotoServer, intermediate: CertificateAuthority
) -> None:
    """Of a selection by both, the tags win. A secret without them is out of it, and within reach all the same."""
    tagged, other = intermediate.issue("www.example.com"), intermediate.issue("api.example.com")
    aws.put_secret("web/tagged", tagged.secret_document(), tags={"Environment": "production"})
    aws.put_secret("web/other", other.secret_document())
    both = {"names": ["web/other"], "tags": {"Environment": "production"}}
    synced = target.sync(**both)
    assert not synced.failed
    assert [item["name"] for item in synced.result["certificates"]] == ["web/tagged"]

    by_name = info(target, names=["web/other"])
    assert {name: item["fingerprint_sha256"] for name, item in by_name.items()} == {
        "web/other": other.fingerprint_sha256
    }
    found = lookup("'web/other'")[3:-3]
    task = {"ansible.builtin.debug": {"msg": "{{ " + f"({found}).fingerprint_sha256" + " }}"}}
    assert f'"msg": "{other.fingerprint_sha256}"' in play(aws, [task]).output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name_prefix": "wev/"}, f"No secret was found by name_prefix 'wev/' in region {REGION}"),
        ({"tags": {"Environment": "prod"}}, "No secret was found by tags Environment=prod"),
        ({"names": []}, "Nothing is selected"),
        ({"name_prefix": "web/", "server_name": "other.example.com"}, "None of the 1 secrets that were found"),
        ({"name_prefix": "web/"}, ""),
    ],
    ids=str,
)
def test_an_empty_answer_is_told(
    target: SyncTarget, aws: MotoServer, certificate: IssuedCertificate, options: dict[str, t.Any], said: str
) -> None:
    aws.put_secret("web/good", certificate.secret_document())
    run = target.modules.run("certificate_secret_info", options, env=target.env)
    assert not run.failed
    assert bool(run.result["secrets"]) is not bool(said)
    assert said in warnings(run)
    assert bool(said) is (warnings(run) != "[]")


def test_tags_that_yaml_has_made_another_value_of(target: SyncTarget, certificate: IssuedCertificate) -> None:
    """True would be looked for, and stored, as a text that nobody has written."""
    given = {"name": "web/a", "certificate": certificate.combined_pem}
    for module, options in (
        ("certificate_secret_info", {}),
        ("certificate_secret", given),
        ("shared_ca", {}),
    ):
        run = target.modules.run(module, {**options, "tags": {"Production": True}}, env=target.env)
        assert run.failed
        assert "tags: Production: true is a boolean of YAML" in run.result["msg"]


def test_description_is_returned(target: SyncTarget, aws: MotoServer, certificate: IssuedCertificate) -> None:
    document = certificate.secret_document(description="for people")
    aws.client().create_secret(Name="a", Description="Web shop", SecretString=json.dumps(document))
    aws.put_secret("b", certificate.secret_document())
    found = info(target, names=["a", "b"])
    assert [(item["description"], item["valid"]) for item in found.values()] == [("Web shop", True), ("", True)]


def test_whole_days_remain(target: SyncTarget, aws: MotoServer, intermediate: CertificateAuthority) -> None:
    """Rounded down, as the metric is; what has expired, or has a wrong key, is told by its dates and names, too."""
    now, day, hour = pki.now(), timedelta(days=1), timedelta(hours=1)
    ends = {"long": now + 10 * day + hour, "short": now + hour, "over": now - hour, "gone": now - 2 * day + hour}
    for name, end in ends.items():
        certificate = intermediate.issue(f"{name}.example.com", not_before=now - 90 * day, not_after=end)
        aws.put_secret(name, certificate.secret_document())
    mismatch = intermediate.issue("mismatch.example.com", not_before=now, not_after=now + 10 * day + hour)
    aws.put_secret("mismatch", mismatch.secret_document(private_key=certificate.private_key_pem))
    found = info(target, names=[*ends, "mismatch"])
    remaining = {name: item["days_remaining"] for name, item in found.items()}
    assert remaining == {"long": 10, "short": 0, "over": -1, "gone": -2, "mismatch": 10}
    assert {name for name, item in found.items() if item["valid"]} == {"long", "short"}
    assert found["gone"]["subject_alternative_names"] == ["gone.example.com"]


def test_found_by_domain(target: SyncTarget, aws: MotoServer, intermediate: CertificateAuthority) -> None:
    day = timedelta(days=1)
    wildcard = intermediate.issue(["*.shop.example.com", "192.0.2.7"])
    expired = intermediate.issue("www.shop.example.com", not_before=pki.now() - 9 * day, not_after=pki.now() - day)
    for name, certificate in (("web/wildcard", wildcard), ("web/expired", expired)):
        aws.put_secret(name, certificate.secret_document())
    store_all_kinds(aws, intermediate.issue("elsewhere.example.com"))
    by_name = {
        "www.shop.example.com": {"web/wildcard", "web/expired"},
        "WWW.shop.example.com.": {"web/wildcard", "web/expired"},
        "api.shop.example.com": {"web/wildcard"},
        "a.api.shop.example.com": set(),
        "192.0.2.7": {"web/wildcard"},
        "shop.example.com": set(),
    }
    unread = {"web/empty"}
    for server_name, names in by_name.items():
        assert set(info(target, name_prefix="", server_name=server_name)) == names | unread
    unread_names = {"server_name": "a", "name": "a", "verify": False}
    run = target.modules.run("certificate_secret_info", unread_names, env=target.env)
    assert "verify" in run.result["msg"]


def test_rules_of_verification(target: SyncTarget, aws: MotoServer, certificate: IssuedCertificate) -> None:
    aws.put_secret("a", certificate.secret_document())
    assert info(target, name="a", min_remaining="52w")["a"]["problems"][0]["code"] == "expires_too_soon"
    anchors = CertificateAuthority("Elsewhere").certificate_pem
    assert info(target, name="a", trust_anchors=anchors)["a"]["valid"] is False


def test_keys_only_where_they_are_not_printed(
    target: SyncTarget, aws: MotoServer, certificate: IssuedCertificate, tmp_path: pathlib.Path
) -> None:
    aws.put_secret("a", certificate.secret_document())
    refused = target.modules.run("certificate_secret_info", {"name": "a", "include_private_key": True}, env=target.env)
    assert refused.failed
    assert "no_log: true" in refused.result["msg"]
    path = tmp_path / "a.pem"
    secret = "stored.secrets[0]"
    tasks = [
        {
            "certops.rotation.certificate_secret_info": {"name": "a", "include_private_key": True},
            "no_log": True,
            "register": "stored",
        },
        pem_bundle_task(path, secret),
    ]
    run = play(aws, tasks)
    assert run.returncode == 0, run.output
    assert path.read_text() == certificate.combined_pem


def lookup(arguments: str, function: str = "lookup") -> str:
    """A template that calls it."""
    return "{{ " + f"{function}('{LOOKUP}', {arguments})" + " }}"


def pem_bundle_task(path: pathlib.Path, secret: str, **more: t.Any) -> dict[str, t.Any]:
    parts = ("certificate", "certificate_chain", "private_key")
    given = {part: "{{ " + f"{secret}.{part}" + " }}" for part in parts}
    return {"certops.rotation.pem_bundle": {"path": str(path), **given}, **more}


def play(aws: MotoServer, tasks: list[dict[str, t.Any]], check: bool = False) -> PlaybookRun:
    """At -vvvv --diff, all output searched for keys."""
    return run_playbook(
        {}, playbook=[{"hosts": "all", "gather_facts": False, "tasks": tasks}], env=aws.env, check=check
    )


def test_push_model(aws: MotoServer, intermediate: CertificateAuthority, tmp_path: pathlib.Path) -> None:
    """The lookup on the controller has the credentials, the module on the host has none."""
    certificate = intermediate.issue("www.example.com")
    aws.put_secret("web/www", certificate.secret_document())
    path = tmp_path / "www.pem"
    no_rights = dict.fromkeys(aws.env, "")
    task = pem_bundle_task(path, "stored", vars={"stored": lookup("'web/www'")}, environment=no_rights)
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        run = play(aws, [task], check=check)
        assert run.returncode == 0, run.output
        assert run.result("pem_bundle")["changed"] is changed
        assert path.exists() is not (check and changed)
    assert path.read_text() == certificate.combined_pem
    renewed = intermediate.issue("www.example.com")
    aws.put_secret("web/www", renewed.secret_document())
    assert play(aws, [task]).result("pem_bundle")["action"] == "updated"
    assert path.read_text() == renewed.combined_pem


def test_lookup_of_many_in_one_request(
    aws: MotoServer, faults: AwsFaults, intermediate: CertificateAuthority, tmp_path: pathlib.Path
) -> None:
    names = [f"web/{index}" for index in range(5)]
    certificates = [intermediate.issue(f"w{index}.example.com") for index in range(5)]
    for name, certificate in zip(names, certificates):
        aws.put_secret(name, certificate.secret_document())
    first, second, arn = (aws.client().describe_secret(SecretId=name)["ARN"] for name in ("web/0", "web/1", "web/4"))
    # One of them by its name, its ARN and a part of that, and once more.
    terms = [*names[1:4], arn, first[:-7], second, second[:-7], "web/1", "web/absent"]
    task = {
        "certops.rotation.pem_bundle": {
            "path": str(tmp_path),
            "name": "{{ item.name }}",
            "certificate": "{{ item.pem }}",
        },
        "loop": lookup("*terms, on_missing='warn', passphrase='not needed', min_remaining='1d'", "query"),
        "vars": {"terms": terms},
        "loop_control": {"label": "{{ item.name }}"},
        "no_log": True,
    }
    play_vars = [{"hosts": "all", "gather_facts": False, "tasks": [task]}]
    run = run_playbook({}, playbook=play_vars, env=faults.env)
    assert run.returncode == 0, run.output
    assert "web/absent: " in run.output
    assert "secret_missing" in run.output
    for index, certificate in enumerate(certificates):
        assert (tmp_path / f"web_{index}.pem").read_text() == certificate.combined_pem
    assert faults.counts() == {"BatchGetSecretValue": 1}


@pytest.mark.parametrize(
    ("name", "policy", "text"),
    [
        ("web/absent", "on_missing", "does not exist"),
        ("web/empty", "on_missing", "AWSCURRENT"),
        ("web/deleted", "on_deleted", "marked for deletion"),
        ("web/denied", "on_denied", "IAM policy"),
        ("web/mismatch", "on_invalid", "pem_invalid"),
    ],
)
def test_policies(
    aws: MotoServer, faults: AwsFaults, certificate: IssuedCertificate, name: str, policy: str, text: str
) -> None:
    store_all_kinds(aws, certificate)
    aws.put_secret("web/denied", certificate.secret_document())
    faults.fail_in_batch("web/denied", "AccessDeniedException", "not for you")
    tasks = [
        {
            "name": choice or "default",
            "ansible.builtin.assert": {
                "that": f"query('{LOOKUP}', 'web/good', '{name}'{more}) | map(attribute='name') | list == ['web/good']"
            },
            "ignore_errors": True,
        }
        for choice in ("", "error", "warn", "skip")
        for more in [f", {policy}='{choice}'" if choice else ""]
    ]
    plays = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    run = run_playbook({}, playbook=plays, env=faults.env)
    results = {task.task: task for task in run.tasks}
    assert [results[choice].status for choice in ("default", "error", "warn", "skip")] == ["failed"] * 2 + ["ok"] * 2
    assert text in str(results["error"].result["msg"])
    assert f"Skipped. {name}: " in run.output.replace("\n", " ")


def test_an_arn_of_another_region(aws: MotoServer, certificate: IssuedCertificate) -> None:
    aws.put_secret("web/a", certificate.secret_document(), region="us-east-1")
    arn = aws.client(region="us-east-1").describe_secret(SecretId="web/a")["ARN"]
    task = {"ansible.builtin.debug": {"msg": lookup(f"'{arn}', on_missing='skip'")}}
    run = run_playbook({}, playbook=[{"hosts": "all", "gather_facts": False, "tasks": [task]}], env=aws.env)
    assert run.returncode != 0
    said = " ".join(run.output.split())
    assert "Set the region to us-east-1" in said
    assert "Create it" not in said


def test_a_lookup_that_returns_nothing_says_so(aws: MotoServer) -> None:
    for terms, said in (("*[]", "none is named"), ("'web/x', on_missing='skip'", "all of 1 secrets were skipped")):
        task = {"ansible.builtin.assert": {"that": f"{lookup(terms, 'query')[3:-3]} == []"}}
        run = run_playbook({}, playbook=[{"hosts": "all", "gather_facts": False, "tasks": [task]}], env=aws.env)
        assert run.returncode == 0, run.output
        assert f"No certificate is returned: {said}" in " ".join(run.output.split())


def test_lookup_failures_that_no_policy_covers(aws: MotoServer, faults: AwsFaults) -> None:
    faults.fail("BatchGetSecretValue", "UnrecognizedClientException", "The security token is invalid")
    for terms, text in (("'web/a'", "credentials"), ("'web/a', on_missing='maybe'", "maybe"), ("''", "not empty")):
        task = {"ansible.builtin.debug": {"msg": lookup(terms)}}
        run = run_playbook({}, playbook=[{"hosts": "all", "gather_facts": False, "tasks": [task]}], env=faults.env)
        assert run.returncode != 0
        assert text in run.output
