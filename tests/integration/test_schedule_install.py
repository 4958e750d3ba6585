# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role rotation_schedule installs: virtual environment, packages, collections, and the entry of cron."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import time
import typing as t
import zipfile

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import documented, pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost, visible_in_services

ROOT = pathlib.Path(__file__).parents[2]
CRON = "/etc/cron.d/certops-rotation"
PREPARED = {
    "rotation_schedule_virtualenv": sys.prefix,
    "rotation_schedule_requirements": [],
    "rotation_schedule_collections": [],
    "rotation_schedule_collections_path": str(ROOT / ".dev" / "collections"),
}


@pytest.fixture(scope="module")
def host() -> t.Iterator[SystemdHost]:
    with SystemdHost() as booted:
        yield booted


def schedule(host: SystemdHost, check: bool = False, **variables: t.Any) -> PlaybookRun:
    """Run the playbook; variables: of the role, without its prefix."""
    given = {f"rotation_schedule_{name}": value for name, value in variables.items()}
    return run_playbook(given, playbook="certops.rotation.schedule", inside=host, check=check)


def prepared(**variables: t.Any) -> dict[str, t.Any]:
    """With the environment of the tests."""
    return {**{name.removeprefix("rotation_schedule_"): value for name, value in PREPARED.items()}, **variables}


def wheel(directory: pathlib.Path) -> None:
    """A package of one module."""
    metadata = {
        "tiny.py": "answer = 42\n",
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(directory / "tiny-1.0-py3-none-any.whl", "w") as archive:
        for name, content in metadata.items():
            archive.writestr(name, content)


def test_the_virtual_environment_is_made_from_pinned_requirements(host: SystemdHost) -> None:
    wheel(host.shared)
    options = {
        "name": "own-environment",
        "scheduler": "cron",
        "python": sys.executable,
        "requirements": ["tiny==1.0"],
        "pip_options": ["--no-index", f"--find-links={host.shared}"],
        "collections": [],
    }
    made = schedule(host, **options)
    assert made.returncode == 0, made.output
    python = "/opt/own-environment/venv/bin/python"
    assert host.run(python, "-c", "import sys, tiny; print(sys.prefix, tiny.answer)").stdout.split()[1] == "42"
    assert schedule(host, **options).changed == []
    host.run("rm", "-r", "/opt/own-environment/venv")
    assert schedule(host, **options).returncode == 0
    host.run(python, "-c", "import tiny")
    failed = schedule(host, **{**options, "requirements": ["tiny==2.0"]})
    assert failed.returncode == 2
    assert "tiny==2.0" in failed.error + failed.output
    assert schedule(host, name="own-environment", state="absent").returncode == 0
    assert host.run("find", "/opt", "/etc", "/var/lib", "-name", "*own-environment*").stdout == ""


def run_by_cron(host: SystemdHost) -> None:
    """What is for the boot, and only of the schedule: the entries of this machine are not."""
    others = (
        "find /etc/cron.d /var/spool/cron -type f ! -name certops-rotation -delete; rm -f /etc/crontab /etc/anacrontab"
    )
    unit = host.run("sh", "-c", "if command -v crond >/dev/null; then echo crond; else echo cron; fi").stdout.strip()
    host.run("sh", "-c", f"{others}; systemctl start {unit}")
    deadline = time.monotonic() + 120
    while "PLAY [" not in host.run("journalctl", "--identifier=certops-rotation").stdout:
        assert time.monotonic() < deadline, "cron did not run it"
        time.sleep(0.5)
    host.run("systemctl", "stop", unit)  # it might be time for another run; the one that has begun goes on
    host.run("flock", "/var/lib/certops-rotation/lock", "true")


def test_cron_runs_the_playbook_of_an_installed_collection(
    host: SystemdHost, aws: MotoServer, intermediate: pki.CertificateAuthority
) -> None:
    """By a real one, which runs what is for the boot when it starts; then its line as cron runs it."""
    build = [
        pathlib.Path(sys.executable).with_name("ansible-galaxy"),
        "collection",
        "build",
        "--output-path",
        host.shared,
    ]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (archive,) = host.shared.glob("*.tar.gz")
    issued = intermediate.issue("a.example.com")
    aws.put_secret("web/a", issued.secret_document())
    options = prepared(
        scheduler="cron",
        interval=15,
        random_delay=0,
        retries=0,
        collections=[str(archive)],
        collections_path="",
        galaxy_options=["--offline", "--no-deps"],
        environment=aws.env,
        on_failure="echo $1 > /root/failed",
        variables={
            "haproxy_certificates_name_prefix": "web/",
            "haproxy_certificates_path": "/srv/certs",
            "haproxy_certificates_activate": False,
        },
    )
    assert schedule(host, check=True, **options).changed
    assert schedule(host, **options).returncode == 0
    assert schedule(host, **options).changed == []

    lines = host.run("cat", CRON).stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("*/15 * * * * root ")]
    (at_boot,) = [line for line in lines if line.startswith("@reboot root ")]
    command = line.removeprefix("*/15 * * * * root ")
    assert command == at_boot.removeprefix("@reboot root ")
    minimal = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": "", "ANSIBLE_COLLECTIONS_PATH": ""}
    run_by_cron(host)
    assert issued.certificate_pem in host.run("cat", "/srv/certs/web_a.pem").stdout
    assert "PLAY [Rotate certificates]" in host.run("journalctl", "--identifier=certops-rotation").stdout
    assert host.run("ls", "/root/failed", check=False).returncode

    host.run("rm", "-r", "/opt/certops-rotation/collections/ansible_collections/certops")
    host.run("/bin/sh", "-c", command, env=minimal)
    assert host.run("cat", "/root/failed").stdout == "certops-rotation\n"

    assert schedule(host, state="absent").returncode == 0
    assert host.run("find", "/opt", "/etc", "/var/lib", "-name", "*certops-rotation*").stdout == ""


def test_a_failed_run_is_tried_again_with_a_fresh_checkout(host: SystemdHost) -> None:
    options = prepared(scheduler="cron", repository="/nowhere", retries=1, retry_delay=0, random_delay=0)
    made = schedule(host, **options)
    assert made.returncode == 0, made.output
    host.write("/var/lib/certops-rotation/checkout/broken", "")
    run = host.run("/opt/certops-rotation/run", check=False)
    assert run.returncode
    assert re.findall(r"attempt \d of \d", run.stderr) == ["attempt 1 of 2", "attempt 2 of 2"]
    assert host.run("ls", "/var/lib/certops-rotation/checkout", check=False).returncode
    state = "/var/lib/certops-rotation"
    for command in (["chmod", "o+w", state], ["chown", "nobody", state]):  # the checkout would be what they like
        host.run(*command)
        refused = host.run("/opt/certops-rotation/run", check=False)
        assert (refused.returncode, "attempt" in refused.stderr) == (1, False)
        host.run("sh", "-c", refused.stderr.partition("As root run ")[2])
    assert "attempt 1 of 2" in host.run("/opt/certops-rotation/run", check=False).stderr
    assert schedule(host, state="absent").returncode == 0


REFUSED = [
    ({"name": "../x"}, "rotation_schedule_name"),
    ({"verbosity": 5}, "rotation_schedule_verbosity must be one of: 0, 1, 2, 3, 4"),
    ({"interval": 0}, "rotation_schedule_interval"),
    ({"interval": 7, "scheduler": "cron"}, "every 7 minutes"),
    ({"version": "main"}, "rotation_schedule_repository"),
    ({"environment": {"A B": "c"}}, "A B"),
    ({"on_calendar": "whenever"}, "whenever"),
]


@pytest.mark.parametrize(("options", "named"), REFUSED, ids=str)
def test_what_has_no_meaning_is_refused(host: SystemdHost, options: dict[str, t.Any], named: str) -> None:
    run = schedule(host, check=True, **prepared(**options))
    assert run.returncode == 2
    assert named in run.output


def test_issuing_is_scheduled_every_day(host: SystemdHost, aws_dns: AwsWithDns) -> None:
    """As docs/issuing.md has it: the timer's time, the packages, no watch; and a run of the service issues."""
    page = yaml.safe_load(documented.files("issuing.md")["schedule.yml"])["issuer"]["vars"]
    options = {name.removeprefix("rotation_schedule_"): value for name, value in page.items()}
    assert options["playbook"] == "certops.rotation.issue"
    unprepared = schedule(host, check=True, **options)
    assert unprepared.returncode == 0, unprepared.output
    commands = [task.result.get("cmd", []) for task in unprepared.tasks if task.task == "Install the Python packages"]
    packages = {word.partition("==")[0] for word in commands[0] if "==" in word}
    assert {"acme", "boto3", "dnspython", "ansible-core"} <= packages

    zone = aws_dns.zone("example.com")
    with Pebble(aws_dns.nameservers[0]) as pebble:
        host.write("/etc/https-ca.pem", pathlib.Path(pebble.ca_bundle).read_text())
        issuer = {**options["variables"]["acme_certificates_issuers"][0], "directory": pebble.directory_url}
        issuer["ca_bundle"] = "/etc/https-ca.pem"
        variables = {
            **options["variables"],
            "acme_certificates_issuers": [issuer],
            "acme_certificates_nameservers": aws_dns.nameservers,
            "acme_certificates_list": [{"domains": "daily.example.com"}],
        }
        local = {"environment": aws_dns.env, "service_options": visible_in_services(), "at_start": False}
        made = schedule(host, **prepared(**{**options, "variables": variables, **local}))
        assert made.returncode == 0, made.output
        name = options["name"]
        timer = host.run("systemctl", "show", "--property=TimersCalendar", f"{name}.timer").stdout
        assert "OnCalendar=*-*-* 17:00:00 UTC" in timer
        assert host.run("systemctl", "cat", f"{name}.path", check=False).returncode != 0, "nothing to watch"
        ended = host.run("systemctl", "start", f"{name}.service", check=False)
        log = host.run("journalctl", "--no-pager", "--unit", f"{name}.service").stdout
        assert ended.returncode == 0, log
        secrets_scan.assert_no_private_key(log)
    document = json.loads(aws_dns.client().get_secret_value(SecretId="daily.example.com")["SecretString"])
    assert document["domain_name"] == "daily.example.com"
    assert aws_dns.txt(zone) == {}
    assert schedule(host, **prepared(name=name, state="absent")).returncode == 0
