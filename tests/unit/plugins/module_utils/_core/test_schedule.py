# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role rotation_schedule makes of its variables, however they came."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter._rotation_schedule import rotation_schedule
from ansible_collections.certops.rotation.plugins.module_utils._core.schedule_settings import Settings

ROLE = pathlib.Path(__file__).parents[5] / "roles/rotation_schedule"
OPTIONS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
# What the others follow from, or what is read from a file.
UNSET = {"random_delay": 360, "watch": ["/etc/haproxy/certs"], "requirements": ["ansible-core==2.19"]}
DEFAULTS = {name.removeprefix("rotation_schedule_"): facts.get("default") for name, facts in OPTIONS.items()} | UNSET
REPOSITORY = "https://git.example.com/x"


def plan(has_systemd=True, **changed):
    return rotation_schedule({**DEFAULTS, **changed}, has_systemd)


def test_every_variable_of_the_role_is_what_its_specification_says():
    fields = {field.name: str(field.type) for field in dataclasses.fields(Settings)}
    elements = {"list": "list[str]", "dict": "dict[str, t.Any]", "path": "str"}
    specified = {
        name.removeprefix("rotation_schedule_"): elements.get(facts["type"], facts["type"])
        for name, facts in OPTIONS.items()
    }
    assert specified.pop("state") == "str"
    assert fields == specified


def as_text(value):
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"repository": REPOSITORY, "verify_commit": True, "options": ["--force"], "environment": {"A": "1"}},
        {"variables": {"haproxy_certificates_path": "/srv/certs"}, "hardening": False, "watch": [], "retries": 0},
    ],
)
def test_all_of_them_as_text_mean_the_same(changed):
    given = {**DEFAULTS, **changed}
    assert rotation_schedule({name: as_text(value) for name, value in given.items()}, True) == plan(**changed)


def test_text_that_means_nothing_is_refused_by_name():
    for name, text in {"interval": "hourly", "hardening": "perhaps", "variables": "a"}.items():
        with pytest.raises(AnsibleFilterError, match=rf"^rotation_schedule_{name} is to be "):
            plan(**{name: text})


def test_what_is_run():
    assert plan()["command"] == [
        "/opt/certops-rotation/venv/bin/ansible-playbook",
        "--inventory",
        "/etc/certops-rotation/inventory.json",
        "certops.rotation.rotate",
    ]
    pulled = plan(repository=REPOSITORY, version="v1", options=["--force"], playbook="site.yml", virtualenv="/v")
    assert pulled["command"] == [
        *("/v/bin/ansible-pull", "--url", REPOSITORY, "--directory", "/var/lib/certops-rotation/checkout", "--clean"),
        *("--inventory", "/etc/certops-rotation/inventory.json", "--checkout", "v1", "--force", "site.yml"),
    ]
    assert pulled["is_forced"]
    verified = plan(repository=REPOSITORY, version="v1", verify_commit=True, options=["--private-key=/k", "--x"])
    command = verified["command"]
    assert command[0] == "/opt/certops-rotation/verified"
    assert command[command.index("--url") + 1] == "file:///var/lib/certops-rotation/repository"
    assert command[command.index("--checkout") + 1] == "verified"
    assert (verified["ssh"], verified["is_forced"]) == ("ssh -o IdentitiesOnly=yes -i /k", False)
    assert plan(options=["--accept-host-key"])["ssh"] == "ssh -o StrictHostKeyChecking=accept-new"
    assert plan(options=["--key-file", "/a;b"])["ssh"] == "ssh -o IdentitiesOnly=yes -i '/a;b'"
    assert plan()["ssh"] == ""


def test_the_environment_is_text_and_the_users_wins():
    environment = plan(environment={"LC_ALL": "C", "N": 5}, verbosity=2)["environment"]
    assert (environment["LC_ALL"], environment["N"], environment["ANSIBLE_VERBOSITY"]) == ("C", "5", "2")


def test_what_may_be_written():
    variables = {
        "haproxy_certificates_path": "/etc/haproxy/certs",
        "haproxy_certificates_crt_list": "/crt-list.txt",
        "haproxy_certificates_metrics_textfile": "/var/lib/metrics/rotation.prom",
    }
    assert plan(variables=variables)["writable"] == ["/etc/haproxy", "/etc/haproxy/certs", "/var/lib/metrics"]
    assert "variables" not in plan(variables=variables), "they may hold secrets"


def test_what_is_installed_again_when_it_changes():
    first, other = plan(), plan(pip_options=["--no-index"])
    assert first["requirements_stamp"].startswith("/opt/certops-rotation/venv/.requirements-")
    assert first["requirements_stamp"] != other["requirements_stamp"]
    assert first["collections_stamp"] == other["collections_stamp"]
    assert other["requirements_command"][-2:] == ["--no-index", "ansible-core==2.19"]
    assert plan(collections_path="/c")["collections_stamp"].startswith("/opt/certops-rotation/.collections-")


def test_the_units_that_are_wanted():
    assert list(plan(watch=[])["unit_templates"]) == ["certops-rotation.service", "certops-rotation.timer"]
    assert set(plan(on_failure="true", boot="try", wake="/w", events="q")["unit_templates"]) == set(plan()["units"])


def test_below_what_is_watched_only_where_certificates_are_compared():
    assert plan()["watches_below"]
    assert not plan(watch=[])["watches_below"]
    assert not plan(check=["/x/check"])["watches_below"]


def test_what_wakes_it_is_emptied_by_the_confined_service():
    assert plan(wake="/var/lib/x/wake")["writable"] == ["/etc/haproxy", "/var/lib/x/wake"]


def test_odd_paths_are_written_as_systemd_reads_them():
    odd = "/srv/50% of $HOME; x"
    given = plan(watch=[odd, "/b"], writable=[odd], virtualenv="/v%h w", collections_path="/c %i")
    assert given["problems"] == []
    assert given["watched_values"] == ["/srv/50%% of $HOME; x", "/b"]
    assert given["writable_words"] == ['"-/srv/50%% of $HOME; x"']
    assert plan(writable=['/a"b'], scheduler="cron", watch=[])["problems"] == [], "no unit has to hold it"
    assert given["check_environment"] == '"PYTHONPATH=/c %%i"'
    assert given["check_line"].startswith('"/v%%h w/bin/python" /opt/certops-rotation/check.py --delay=')
    assert given["check_line"].endswith(' -- "/srv/50%% of $$HOME; x" /b')


def test_cron_has_a_time_of_its_own():
    given = plan(has_systemd=False, on_calendar="Mon 09:00", cron="0 9 * * 1", interval=7)
    assert (given["cron_time"], given["problems"]) == ("0 9 * * 1", [])


@pytest.mark.parametrize(
    ("interval", "time"),
    [(1, "*/1 * * * *"), (15, "*/15 * * * *"), (60, "0 */1 * * *"), (480, "0 */8 * * *"), (1440, "0 0 * * *")],
)
def test_times_of_cron(interval, time):
    assert plan(has_systemd=False, interval=interval)["cron_time"] == time


def test_the_scheduler_and_what_it_needs():
    assert (plan()["scheduler"], plan(False)["scheduler"], plan(scheduler="cron")["scheduler"]) == (
        "systemd",
        "cron",
        "cron",
    )
    assert plan(False)["programs"] == ["flock", "timeout", "logger", "shuf", "python3"]
    assert plan(repository=REPOSITORY, virtualenv="/v")["programs"] == ["flock", "timeout", "git"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"interval": 0}, "rotation_schedule_interval, rotation_schedule_timeout and"),
        ({"watch_delay": -1}, "rotation_schedule_retries, _retry_delay, _random_delay and"),
        ({"version": "v1"}, "are about a rotation_schedule_repository"),
        ({"repository": REPOSITORY, "verify_commit": True, "options": ["-U", "x"]}, "rotation_schedule_options: -U"),
        ({"repository": "-x"}, "do not begin with a dash"),
        ({"inventory": "i", "variables": {"a": 1}}, "rotation_schedule_inventory and rotation_schedule_variables"),
        ({"environment": {"1a": 1, "b": 2}}, "not a name for a variable: 1a"),
        ({"scheduler": "cron", "on_calendar": "daily"}, "cron knows no"),
        ({"cron": "daily"}, "five fields"),
        ({"cron": "0 9 * * 1;reboot"}, "five fields"),
        ({"cron": "0 9 * * 1\n* * * * * root x"}, "five fields"),
        ({"wake": "wake"}, "rotation_schedule_wake: a path"),
        ({"wake": "/w%x"}, "rotation_schedule_wake: a path"),
        ({"wake": "/w x"}, "rotation_schedule_wake: a path"),
        ({"watch": ["certs"]}, "not with a slash in front: certs"),
        ({"watch": ["/a\nExecStart=/bin/x"]}, "control characters"),
        ({"writable": ['/a"b']}, "'/a\"b'"),
        ({"virtualenv": "/v\\x"}, "backslashes"),
        ({"variables": {"haproxy_certificates_path": "/it's"}}, "Quotes"),
        ({"variables": {"haproxy_certificates_path": "/certs "}}, "white space"),
        ({"collections_path": "/a:/b"}, "a colon would separate two"),
        ({"variables": {"haproxy_certificates_service": "a; reboot"}}, "no name of a unit: 'a; reboot.service'"),
        ({"variables": {"haproxy_certificates_service": "-a"}}, "no name of a unit"),
        ({"scheduler": "cron", "boot": "try"}, "cron starts no HAProxy"),
        ({"scheduler": "cron", "interval": 7}, "cron cannot run every 7 minutes"),
    ],
)
def test_what_is_wrong_is_said(changed, said):
    assert plan()["problems"] == []
    (problem,) = plan(**changed)["problems"]
    assert said in problem


QUEUE = "arn:aws:sqs:eu-central-1:123456789012:rotation"


def test_with_a_queue_a_service_waits_and_a_file_begins_a_run():
    assert "certops-rotation-events.service" not in plan()["unit_templates"]
    listening = plan(events=QUEUE, wake="/w")
    assert {"certops-rotation-events.service", "certops-rotation-wake.path"} < set(listening["unit_templates"])
    assert listening["wakes"] == ["/w", "/var/lib/certops-rotation/events"]
    assert plan(wake="/w")["wakes"] == ["/w"]
    assert "/etc/certops-rotation/events.json" in plan()["absent_programs"]
    assert not {"/opt/certops-rotation/listen", "/opt/certops-rotation/quick.py"} & set(listening["absent_programs"])


def test_options_of_aws_are_not_told():
    assert "hidden" not in json.dumps(plan(events=QUEUE, events_aws={"secret_key": "hidden"}))


@pytest.mark.parametrize(
    "queue", ["rotation", "rotation.fifo", QUEUE, "https://sqs.eu-central-1.amazonaws.com/1/rotation"]
)
def test_names_of_queues(queue):
    assert plan(events=queue)["problems"] == []


@pytest.mark.parametrize("queue", ["a b", "../x", "a;b", "arn:aws:sns:eu-central-1:123456789012:x", "-x y", "a.b"])
def test_what_is_no_queue_is_refused(queue):
    (problem,) = plan(events=queue)["problems"]
    assert problem.startswith("rotation_schedule_events ")


def test_messages_do_not_wait_longer_than_they_are_hidden():
    for name in ("events_gap", "events_spread"):
        for seconds in (-1, 21):
            assert len(plan(events=QUEUE, **{name: seconds})["problems"]) == 1


def test_whether_the_variables_say_all_that_is_read():
    assert plan()["variables_are_all"]
    assert plan(playbook="certops.rotation.rotate", options=["--diff"], verbosity=1)["variables_are_all"]
    for other in ({"repository": REPOSITORY}, {"inventory": "/srv/inventory"}, {"playbook": "site.yml"}):
        assert not plan(**other)["variables_are_all"]


TAKES_A_PLAYBOOK = {
    "nothing waits": {"events": ""},
    "a repository": {"repository": REPOSITORY},
    "an inventory": {"inventory": "/srv/inventory"},
    "a playbook": {"playbook": "site.yml"},
    "options": {"options": ["--diff"]},
    "a check": {"check": ["true"]},
    "verbosity": {"verbosity": 1},
    "settings of Ansible": {"environment": {"ANSIBLE_LOG_PATH": "/x"}},
    "variables of Ansible": {"variables": {"ansible_become": True}},
    "variables of the playbook": {"variables": {"rotation_report_file": "/x"}},
    "templates": {"variables": {"haproxy_certificates_tags": {"a": ["{{ b }}"]}}},
}


@pytest.mark.parametrize("changed", TAKES_A_PLAYBOOK.values(), ids=TAKES_A_PLAYBOOK)
def test_what_only_ansible_understands_takes_a_playbook(changed):
    assert plan(events=QUEUE, environment={"AWS_REGION": "x"}, variables={"haproxy_certificates_path": "/c"})[
        "is_quick"
    ]
    assert not plan(**{"events": QUEUE, **changed})["is_quick"]
