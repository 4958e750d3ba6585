# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role certificate_push makes of its variables and of the inventory, however they came."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter._certificate_push import certificate_push
from ansible_collections.certops.rotation.plugins.filter._push_targets import push_targets
from ansible_collections.certops.rotation.plugins.module_utils._core.push.pusher import PusherSettings

ROLE = pathlib.Path(__file__).parents[6] / "roles/certificate_push"
OPTIONS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
DEFAULTS = {name.removeprefix("certificate_push_"): facts.get("default") for name, facts in OPTIONS.items()} | {
    "targets": [{"name": "web", "domains": ["a.example"], "host_key": ["ssh-ed25519 AAAA"]}]
}
#: Of the role's tasks alone.
NOT_PLANNED = {
    *("state", "purge", "group", "target_defaults", "config", "on_failure"),
    "renew_force",
    "status_max_age",
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP+H3Nk/9uSa7LHNt8fvCPKKkNFnVE5SGC5tnthf6/OK"


def plan(config="", **changed):
    given = {name: value for name, value in DEFAULTS.items() if name not in NOT_PLANNED}
    return certificate_push({**given, **changed}, config)


def refusal(*arguments, **changed):
    with pytest.raises(AnsibleFilterError) as refused:
        plan(*arguments, **changed)
    return str(refused.value)


def test_every_variable_of_the_role_is_planned_or_of_the_tasks():
    assert {field.name for field in dataclasses.fields(PusherSettings)} == set(DEFAULTS) - NOT_PLANNED


def test_nothing_is_wrong_with_the_defaults_and_what_follows_from_them():
    made = plan()
    assert made["problems"] == []
    assert (made["wake"], made["stamp"]) == ("/var/lib/certops-push/wake", "/var/lib/certops-push.last-renewal")
    assert made["renew_on_calendar"] == "*-*-* 00:00:00"
    assert made["renew_random_delay"] == 3600


def test_all_of_them_as_text_mean_the_same():
    text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in DEFAULTS.items()}
    del text["config"]
    changed = plan(**{name: value for name, value in text.items() if name not in NOT_PLANNED})
    expected = plan()
    assert {**changed, "interval": 0} == {**expected, "interval": 0}


def test_the_confined_run_may_write_the_queue_and_the_metrics():
    assert plan()["writable"] == ["/var/lib/certops-push"]
    assert plan(metrics_textfile="/var/lib/m/push.prom")["writable"] == ["/var/lib/certops-push", "/var/lib/m"]


def test_a_run_is_told_all_that_it_needs():
    told = plan(passphrase="x")["of_a_run"]
    assert told["certificate_push_passphrase"] == "x"
    assert told["certificate_push_targets"] == DEFAULTS["targets"]
    assert set(told) <= set(OPTIONS)
    needed = (ROLE / "tasks/push.yml").read_text() + (ROLE / "tasks/renew.yml").read_text()
    for name in DEFAULTS:
        if f"__certificate_push_plan.{name} " in needed and name != "hosts":
            assert f"certificate_push_{name}" in told


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"queue": "var/lib/x"}, "certificate_push_queue is to begin with a slash"),
        ({"queue": "/var/lib/x y"}, "certificate_push_queue is to begin"),
        ({"queue": "/"}, "certificate_push_queue is to begin"),
        ({"queue": "/var"}, "not to be right below /."),
        ({"program": "/usr"}, "not to be right below /."),
        ({"queue": "/var/../etc"}, "certificate_push_queue is to begin"),
        ({"hooks": "/a;b"}, "certificate_push_hooks is to begin"),
        ({"program": "certops-push"}, "certificate_push_program is to begin"),
        ({"every": 0}, "certificate_push_every is to be"),
        ({"renew_timeout": 0}, "certificate_push_renew_timeout is to be"),
        ({"renew_every": 2, "renew_unit": "monday"}, "certificate_push_renew_unit is not to be a weekday"),
        ({"renew_at": "900"}, "certificate_push_renew_at is to be HH:MM"),
        ({"renew_exec": ""}, "certificate_push_renew_exec is to be"),
        ({"passphrase": "x"}, "A key that is made here has no passphrase"),
    ],
)
def test_what_is_wrong_is_said(changed, said):
    (problem,) = plan(**changed)["problems"]
    assert said in problem
    assert "'x'" not in problem


def test_what_is_wrong_with_paths_counts_for_removal_too():
    made = plan(queue="/", every=0)
    (problem,) = made["path_problems"]
    assert problem in made["problems"]
    assert plan(every=0)["path_problems"] == []


def test_text_that_means_nothing_is_refused_by_name():
    for name, text in {"every": "hourly", "renew": "perhaps", "renew_every": "true", "targets": 5}.items():
        if name != "targets":
            assert refusal(**{name: text}).startswith(f"certificate_push_{name} is to be ")


def test_a_time_of_day_is_kept_to():
    assert plan(renew_at="00:00")["renew_random_delay"] == 0
    assert plan(renew_unit="hour", renew_every=6)["renew_random_delay"] == 0
    made = plan(renew_every=2, renew_at="15:00")
    assert (made["renew_on_calendar"], made["renew_cron"]) == ("*-*-* 15:00:00", "0 15 * * *")


def test_hosts_that_need_one_of_the_domains_get_a_lineage_again():
    targets = [
        {"name": "exact", "domains": ["WWW.a.example", "b.example"]},
        {"name": "all", "domains": "*"},
        {"name": "wildcard", "domains": ["x.a.example"], "wildcards": True},
        {"name": "other", "domains": ["x.a.example"]},
    ]

    def hosts(*domains):
        return plan(targets=targets, requeue=["a"], requeue_domains=list(domains))["requeue_hosts"]

    assert hosts() == ["exact", "all", "wildcard", "other"]
    assert hosts("www.a.example") == ["exact", "all"]
    assert hosts("*.a.example", "nowhere.example") == ["all", "wildcard"]
    assert hosts("nowhere.example") == ["all"]


# Of a file


def test_variables_of_a_file_go_before_all_others(tmp_path):
    file = tmp_path / "push.yml"
    file.write_text("certificate_push_mode: serial\ncertificate_push_retries: 7\n")
    assert (plan(str(file))["mode"], plan(str(file), retries=1)["retries"]) == ("serial", 7)


def test_certdeploys_own_file_is_taken_with_its_clients(tmp_path):
    clients = tmp_path / "clients"
    clients.mkdir()
    for name in ("b", "a"):
        (clients / name).write_text(f"address: {name}.example.com\npubkey: {KEY}\ndomains: [example.com]\n")
    file = tmp_path / "server.yml"
    file.write_text(
        f"privkey_filename: /etc/certdeploy/key\nclient_config_directory: {clients}\n"
        "log_level: DEBUG\nrenew_unit: monday\n"
    )
    made = plan(str(file))
    assert [target["name"] for target in made["targets"]] == ["a.example.com", "b.example.com"]
    assert (made["private_key_file"], made["renew"], made["renew_unit"]) == ("/etc/certdeploy/key", True, "monday")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "could not be read: No such file"),
        ("a: b: c", "is no YAML"),
        ("[]", "is to hold variables"),
        ("", "is to hold variables"),
        ("certificate_push_modus: serial", "has no variable certificate_push_modus"),
        ("certificate_push_mode: serial\nrotation_schedule_name: x", "has no variable rotation_schedule_name"),
        ("private_key_file: /k", "privkey_filename: it is missing"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, content, said):
    file = tmp_path / "push.yml"
    if content is not None:
        file.write_text(content)
    assert refusal(str(file)).startswith(str(file))
    assert said in refusal(str(file))


# Of the inventory


def test_hosts_of_the_group_are_targets():
    facts = {
        "ssh_host_key_ed25519_public": "AAAA",
        "ssh_host_key_rsa_public": "BBBB",
        "ssh_host_key_rsa_public_keytype": "x",
    }
    hostvars = {
        "web": {
            "ansible_host": "192.0.2.1",
            "ansible_port": 2022,
            "ansible_facts": facts,
            "certificate_push_target": {"domains": ["a.example"], "retries": 5},
            "secret": "x",
        },
        "mail": {
            "certificate_receiver_sshd": "own",
            "certificate_receiver_user": "deploy",
            "ansible_facts": facts,
            "certificate_push_target": {"domains": ["*"], "host_key": [KEY], "port": 23},
        },
        "other": {},
    }
    assert push_targets(["web", "mail"], hostvars, {"retries": 2, "timeout": 9}) == [
        {
            "name": "web",
            "address": "192.0.2.1",
            "port": 2022,
            "host_key": ["ssh-ed25519 AAAA"],
            "domains": ["a.example"],
            "retries": 5,
            "timeout": 9,
        },
        {
            "name": "mail",
            "address": "mail",
            "user": "deploy",
            "port": 23,
            "host_key": [KEY],
            "domains": ["*"],
            "retries": 2,
            "timeout": 9,
        },
    ]
    assert push_targets([], hostvars, {}) == []


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({}, "web gets nothing: name its domains"),
        ({"certificate_push_target": "a.example"}, "web gets nothing"),
        ({"certificate_push_target": {"domains": []}}, "web gets nothing"),
        ({"certificate_push_target": {"domains": ["a"]}}, "web could not be told from another host"),
        ({"certificate_push_target": {"domains": ["a"]}, "ansible_facts": "x"}, "web could not be told from"),
    ],
)
def test_hosts_that_cannot_be_targets_are_named_before_anything_is_installed(known, said):
    (problem,) = plan(targets=push_targets(["web"], {"web": known}, {}))["problems"]
    assert problem.startswith(said)


def test_a_host_can_give_itself_nothing_by_facts(monkeypatch):
    """They win over the inventory, and the pusher's own tasks do not look at those of its receivers."""
    facts = {"certificate_push_target": {"domains": ["*"]}}
    hostvars = {"web": {**facts, "ansible_facts": facts}, "mail": {"certificate_push_target": {"domains": ["a"]}}}
    with pytest.raises(AnsibleFilterError, match=r"^Host web sent facts .*: certificate_push_target[.]"):
        push_targets(["mail", "web"], hostvars)
    assert [target["name"] for target in push_targets(["mail"], hostvars)] == ["mail"]
    monkeypatch.setattr(constants, "INJECT_FACTS_AS_VARS", False)
    assert len(push_targets(["mail", "web"], hostvars)) == 2


def test_a_host_has_the_inventorys_name():
    def targets(said, defaults=None):
        return push_targets(["web"], {"web": {"certificate_push_target": said}}, defaults or {})

    assert targets({"name": "web"})[0]["name"] == "web"
    with pytest.raises(AnsibleFilterError, match="certificate_push_target of web: its name is that of the inventory"):
        targets({"name": "mail"})
    with pytest.raises(AnsibleFilterError, match="certificate_push_target_defaults: a name is not for all"):
        targets({}, {"name": "mail"})


@pytest.mark.parametrize("target", [5, "web", {}, {"domains": ["*"]}])
def test_what_is_no_target_is_said(target):
    assert plan(targets=[target])["problems"] == ["certificate_push_targets: each is a dictionary with a name."]


def test_what_the_role_reads_of_the_plan_is_there():
    texts = [
        path.read_text() for path in (*ROLE.glob("tasks/*.yml"), *ROLE.glob("vars/*.yml"), *ROLE.glob("templates/*"))
    ]
    read = set(re.findall(r"__certificate_push_plan\.(\w+)", "".join(texts)))
    assert read
    assert read - set(plan()) == set()
