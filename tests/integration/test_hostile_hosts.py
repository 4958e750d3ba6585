# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that lie to the controller: they get no secret, move no label, and decide nothing there."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.lying_host import LyingHost
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook

SYNCED = {"changed": False, "certificates": [], "pending": [], "retired": [], "failures": []}


@pytest.fixture
def liar(tmp_path: pathlib.Path) -> LyingHost:
    return LyingHost(tmp_path / "liar")


@pytest.fixture
def sync(liar: LyingHost, faults: AwsFaults, tmp_path: pathlib.Path) -> t.Callable[..., PlaybookRun]:
    """certificate_sync with source=controller for web/ on the host that lies."""

    def sync(**more: t.Any) -> PlaybookRun:
        options = {"source": "controller", "name_prefix": "web/", "path": str(tmp_path / "certs")}
        play = {
            "hosts": "haproxy",
            "gather_facts": False,
            "tasks": [{"name": "Bring them", "certops.rotation.certificate_sync": options, "register": "synced"}],
        }
        variables = {**liar.connection, **more}
        return run_playbook(variables, playbook=[play], env=faults.env, hosts=["liar"])

    return sync


def described(aws: MotoServer, name: str) -> tuple[str, list[str]]:
    """Its ARN, and its versions, the current one first."""
    secret = aws.client().describe_secret(SecretId=name)
    stages = secret["VersionIdsToStages"]
    return secret["ARN"], sorted(stages, key=lambda version: "AWSCURRENT" not in stages[version])


QUESTIONS: dict[str, t.Callable[[str, list[str]], t.Any]] = {
    "another secret": lambda arn, versions: [["read", "other/x", arn, versions[0]]],
    "under a name that is selected": lambda arn, versions: [["read", "web/a", arn, versions[0]]],
    "all secrets": lambda _arn, _versions: [["discover", [], "", {}]],
    "by its name": lambda _arn, _versions: [["discover", ["other/x"], None, {}]],
    "no list": lambda arn, versions: json.dumps(["read", "other/x", arn, versions[0]]),
    "no text": lambda _arn, _versions: [{"read": "other/x"}],
    "no JSON": lambda _arn, _versions: ["\x1b[2Jread other/x"],
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_host_gets_no_secret_that_its_task_has_not_selected(
    liar: LyingHost,
    sync: t.Callable[..., PlaybookRun],
    aws: MotoServer,
    faults: AwsFaults,
    question: t.Callable[[str, list[str]], t.Any],
) -> None:
    """Neither names nor values, and AWS is not even asked."""
    aws.put_secret("web/a", pki.self_signed("a.example.com").secret_document())
    other = pki.self_signed("x.example.com")
    aws.put_secret("other/x", other.secret_document())
    asked = question(*described(aws, "other/x"))
    texts = [each if isinstance(each, (str, dict)) else json.dumps(each) for each in asked]
    liar.lies(certificate_sync={"changed": False, "questions": texts if isinstance(asked, list) else asked})
    run = sync()
    assert run.returncode == 2
    assert run.error.startswith("Host liar asked the controller for what this task has not selected for it: "), (
        run.error
    )
    assert "read" in run.error or "discover" in run.error
    assert "\x1b" not in run.output
    assert (faults.counts(), liar.calls("certificate_sync")) == ({"ListSecrets": 1}, 1)
    assert "other/x" not in liar.received()


def test_a_host_gets_the_version_that_was_found_and_each_once(
    liar: LyingHost, sync: t.Callable[..., PlaybookRun], aws: MotoServer, faults: AwsFaults
) -> None:
    old, new = pki.self_signed("a.example.com"), pki.self_signed("a.example.com")
    for issued in (old, new):
        aws.put_secret("web/a", issued.secret_document())
    arn, (current, previous) = described(aws, "web/a")
    asks_for = {
        version: {"questions": [json.dumps(["read", "web/a", arn, version])]} for version in (current, previous)
    }

    liar.lies(certificate_sync=asks_for[previous])
    assert f"has not selected for it: {asks_for[previous]['questions'][0]}" in sync().error
    assert faults.counts() == {"ListSecrets": 1}

    liar.lies(certificate_sync=asks_for[current])
    faults.requests.clear()
    assert "has not selected for it" in sync().error
    assert (faults.counts(), liar.calls("certificate_sync")) == ({"ListSecrets": 1, "BatchGetSecretValue": 1}, 2)
    assert secrets_scan.private_key_findings(liar.received()), "what is selected is given once"

    liar.lies(certificate_sync={"questions": asks_for[current]["questions"] * 100_000})
    faults.requests.clear()
    assert "has not selected for it" in sync().error
    assert faults.counts() == {"ListSecrets": 1}


def test_what_a_host_lacks_is_foreseen(
    liar: LyingHost, sync: t.Callable[..., PlaybookRun], aws: MotoServer, faults: AwsFaults, tmp_path: pathlib.Path
) -> None:
    """By the manifest on the host, whatever that says: the module runs once, and asks for what it was not given."""
    manifest = tmp_path / "certs/.certops/manifest.json"

    def run_of_the_module(**renewed: pki.IssuedCertificate) -> tuple[int, dict[str, int]]:
        for name, issued in renewed.items():
            aws.put_secret(f"web/{name}", issued.secret_document())
        liar.lies()
        faults.requests.clear()
        run = sync()
        assert run.returncode == 0, run.output
        for name, issued in renewed.items():
            assert (tmp_path / f"certs/web_{name}.pem").read_text() == issued.combined_pem
        return liar.calls("certificate_sync"), faults.counts()

    def issued(name: str) -> pki.IssuedCertificate:
        return pki.self_signed(f"{name}.example.com")

    read = {"ListSecrets": 1, "BatchGetSecretValue": 1}
    assert run_of_the_module(a=issued("a"), b=issued("b")) == (2, read), "nothing is known of a new host"
    assert run_of_the_module() == (1, {"ListSecrets": 1})
    assert not secrets_scan.private_key_findings(liar.received()), "an unchanged host gets no key"
    assert run_of_the_module(a=issued("a")) == (1, read)
    assert liar.received().count("BEGIN CERTIFICATE") == 1, "and no other than what it lacks"
    # A manifest that says anything: all that the controller may lose is one more run.
    known = manifest.read_bytes()
    manifest.write_bytes(known + b'"version_id": "x' * 700_000)
    assert run_of_the_module(b=issued("b"))[0] == 2
    manifest.write_bytes(b'{"version_id": "\x1b[2J$(touch here)"}')
    assert run_of_the_module()[0] == 1


SHADOWING = {
    "haproxy_certificates_name_prefix": "other/",
    "haproxy_certificates_rollback_delegate": "localhost",
    "rotation_report_file": "/tmp/elsewhere",
    "__shared_ca_rotation_plan": {},
    "rollback_secrets": True,
}


def only_the_liar(liar: LyingHost) -> dict[str, t.Any]:
    """Variables for hosts that are honest but for the one of this name."""
    python = f"{{{{ '{liar.interpreter}' if inventory_hostname == 'liar' else '{sys.executable}' }}}}"
    return {**liar.connection, "ansible_python_interpreter": python}


def test_facts_named_like_our_variables_stop_their_host_alone(liar: LyingHost) -> None:
    liar.lies(ping={"ping": "pong", "ansible_facts": SHADOWING})
    play = {
        "hosts": "haproxy",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.ping": {}},
            {"certops.rotation.certificate_secret_stage": {"secrets": []}},
        ],
    }
    run = run_playbook(only_the_liar(liar), playbook=[play], hosts=["liar", "good"])
    assert run.returncode == 2
    named = ", ".join(sorted(SHADOWING))
    assert run.error.startswith(f"Host liar sent facts that are named like variables of certops.rotation: {named}. ")
    assert {task.host: task.status for task in run.of("certificate_secret_stage")} == {"liar": "failed", "good": "ok"}
    assert liar.calls("certificate_secret_stage") == 0
    without = {"ANSIBLE_INJECT_FACT_VARS": "false"}
    run = run_playbook(only_the_liar(liar), playbook=[play], hosts=["liar", "good"], env=without)
    assert run.returncode == 0, run.output


def test_what_our_modules_return_is_data(liar: LyingHost) -> None:
    """No fact, no host, no statistics, no terminal control; and nothing in it is a template."""
    orders = {
        "ansible_facts": {"from_the_host": 1, "haproxy_certificates_names": ["other/x"], "ansible_user": "root"},
        "ansible_stats": {"data": {"a": 1}, "per_host": True, "aggregate": False},
        "add_host": {"host_name": "intruder", "groups": ["haproxy"], "host_vars": {}},
        "add_group": "intruders",
        "_ansible_no_log": False,
    }
    text = "\x1b]0;title\x07\x9b2J\u202egnp.exe {{ lookup('ansible.builtin.pipe', 'echo rendered') }}"
    liar.lies(haproxy_certificate_info={"changed": False, **orders, "certificates": [{"name": text, text: [text]}]})
    play = {
        "hosts": "haproxy",
        "gather_facts": False,
        "tasks": [
            {"certops.rotation.haproxy_certificate_info": {"socket": "/nowhere"}, "register": "seen"},
            {"ansible.builtin.set_fact": {"kept": "{{ seen | combine({'more': seen.certificates}) }}"}},
            {"ansible.builtin.debug": {"msg": "{{ kept }}"}, "when": "kept.certificates[0].name is defined"},
            {
                "ansible.builtin.assert": {
                    "that": [
                        "from_the_host is not defined",
                        "haproxy_certificates_names is not defined",
                        "'intruder' not in groups.all and 'intruders' not in groups",
                    ]
                }
            },
        ],
    }
    run = run_playbook(liar.connection, playbook=[play], hosts=["liar"])
    assert run.returncode == 0, run.output
    result = run.result("haproxy_certificate_info")
    assert not {"ansible_facts", "ansible_stats", "add_host", "add_group"} & result.keys()
    escaped = "\\x1b]0;title\\x07\\x9b2J\\u202egnp.exe {{ lookup('ansible.builtin.pipe', 'echo rendered') }}"
    assert result["certificates"] == [{"name": escaped, escaped: [escaped]}]
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(run.output)
    assert "echo rendered" in run.output
    assert "exe rendered" not in run.output


def test_a_host_moves_no_label_that_nobody_named(liar: LyingHost, aws: MotoServer, faults: AwsFaults) -> None:
    """With the controller's rights. Of a secret that was named only the version before moves."""
    for name in ("web/a", "other/x"):
        for number in range(3):
            aws.put_secret(name, f"{name} {number}")

    def plan(name: str, version: int = 1) -> dict[str, t.Any]:
        """version: 0 for the current one, 1 for the one before."""
        arn, versions = described(aws, name)
        ordered = [versions[0], *sorted(versions[1:], key=lambda each: each != previous(name))]
        move = {"name": arn, "version_id": ordered[version], "from_version_id": ordered[0]}
        item = {"name": name, "action": "restored", "path": "/nonexistent/certs/a.pem", "fingerprint_sha256": None}
        return {"changed": True, "certificates": [item], "stage_moves": [move]}

    def previous(name: str) -> str:
        stages = aws.client().describe_secret(SecretId=name)["VersionIdsToStages"]
        return next(version for version, labels in stages.items() if "AWSPREVIOUS" in labels)

    def go_back(**more: t.Any) -> PlaybookRun:
        faults.requests.clear()
        extra = {"rollback_names": ["web/a"], "rollback_secrets": True, "rollback_delegate": "localhost", **more}
        variables = {**only_the_liar(liar), "haproxy_certificates_path": "/nonexistent/certs"}
        return run_playbook(
            variables, playbook="certops.rotation.rollback", env=faults.env, hosts=["liar"], extra=extra
        )

    before = [described(aws, name) for name in ("web/a", "other/x")]
    liar.lies(certificate_rollback=plan("other/x"))
    run = go_back()
    assert "liar wants other versions of secrets that nobody has named: other/x." in run.output
    assert (run.returncode, faults.counts()) == (2, {})

    liar.lies(certificate_rollback=plan("web/a", version=2))
    run = go_back()
    old = plan("web/a", version=2)["stage_moves"][0]["version_id"]
    assert f"web/a: version {old} is to be the current one, but {previous('web/a')} is expected" in run.error
    assert (run.returncode, faults.counts()) == (2, {"DescribeSecret": 1})
    assert [described(aws, name) for name in ("web/a", "other/x")] == before

    assert "UpdateSecretVersionStage" in faults_of(go_back(rollback_versions={"web/a": old}), faults)
    assert described(aws, "web/a")[1][0] == old


def faults_of(run: PlaybookRun, faults: AwsFaults) -> dict[str, int]:
    """The requests of a run, which fails later as its host has no certificates."""
    assert run.of("certificate_secret_stage")[0].status == "ok", run.output
    return faults.counts()


REPORTED = {
    "certificates": "all",
    "pending": 5,
    "proven": {"a": 1},
    "failures": [["x"]],
    "activation": ["\x1b"],
}


@pytest.mark.parametrize("name", ["facts", *REPORTED])
def test_the_report_is_where_the_controller_wants_it_and_has_all_hosts(
    liar: LyingHost, tmp_path: pathlib.Path, name: str
) -> None:
    """Whatever one of them sends."""
    wanted, elsewhere = tmp_path / "report.json", tmp_path / "elsewhere.json"
    elsewhere.write_text("the controller's")
    result = {**SYNCED, "certificates": [{"name": "\x1b[2J", "action": "unchanged"}]}
    facts = {
        "rotation_report_file": str(elsewhere),
        "rotation_report_page": str(elsewhere),
        "haproxy_certificates_result": {"certificates": 5},
        "where": "../x",
    }
    liar.lies(
        ping={"ping": "pong", "ansible_facts": facts if name == "facts" else {}},
        certificate_sync={**result, **({name: REPORTED[name]} if name in REPORTED else {})},
    )
    play = {
        "hosts": "haproxy",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.ping": {}},
            {
                "certops.rotation.certificate_sync": {"path": str(tmp_path / "none"), "names": []},
                "ignore_errors": True,
            },
        ],
    }
    run = run_playbook(
        {**only_the_liar(liar), "rotation_report_file": str(wanted)},
        playbook=[play],
        hosts=["liar", "good"],
        env={"ANSIBLE_CALLBACKS_ENABLED": "task_log,certops.rotation.rotation_report"},
    )
    assert elsewhere.read_text() == "the controller's"
    assert "ROTATION" in run.output
    assert "\x1b" not in run.output
    hosts = json.loads(wanted.read_text())["hosts"]
    assert hosts["good"]["outcome"] == "unchanged"
    assert set(hosts) == {"liar", "good"}
    if name in REPORTED:
        assert hosts["liar"]["message"] == "The host sent something else than the result of certificate_sync."


def test_a_report_replaces_no_device(tmp_path: pathlib.Path) -> None:
    device, template = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(device)
    template.symlink_to(tmp_path / "target")
    play = {
        "hosts": "haproxy",
        "gather_facts": False,
        "tasks": [{"certops.rotation.certificate_sync": {"path": str(tmp_path / "none"), "names": []}}],
    }
    for path in (device, template):
        run = run_playbook(
            {"rotation_report_file": str(path)},
            playbook=[play],
            env={"ANSIBLE_CALLBACKS_ENABLED": "task_log,certops.rotation.rotation_report"},
        )
        assert "The report could not be written" in run.output
    assert device.is_fifo()
    assert template.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]
