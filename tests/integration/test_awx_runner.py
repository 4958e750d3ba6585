# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks as AWX runs them: with ansible-runner, in its directories, over its stream, with its credentials.

All that is left of a job (stream, artefacts, events, fact cache, output) is searched for private keys.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t

import jinja2
import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import rotation, secrets_scan
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples" / "awx"
RUNNER = pathlib.Path(sys.executable).with_name("ansible-runner")


class Unsafe(yaml.SafeLoader):
    """Reads what is marked with !unsafe as the text that it is."""


Unsafe.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
CONTROLLER = yaml.load((EXAMPLES / "controller.yml").read_text(encoding="utf-8"), Unsafe)


def template(name: str) -> dict[str, t.Any]:
    """A job template of the example."""
    return next(item for item in CONTROLLER["controller_templates"] if item["name"] == name)


def injected(aws: MotoServer) -> dict[str, str]:
    """The environment that AWX makes of the credential: inputs that were not given are empty."""
    (kind,) = CONTROLLER["controller_credential_types"]
    inputs = {field["id"]: "" for field in kind["inputs"]["fields"]}
    inputs |= {
        "access_key": aws.env["AWS_ACCESS_KEY_ID"],
        "secret_key": aws.env["AWS_SECRET_ACCESS_KEY"],
        "region": REGION,
    }
    assert set(kind["inputs"]["required"]) <= {name for name, value in inputs.items() if value}
    return {name: jinja2.Template(text).render(inputs) for name, text in kind["injectors"]["env"].items()}


class Job(t.NamedTuple):
    """status: as AWX shows it; stdout: of the playbook; events: in order."""

    status: str
    stdout: str
    events: list[dict[str, t.Any]]

    def result(self, task: str) -> dict[str, t.Any]:
        """What the last task of this name returned."""
        ended = [event["event_data"] for event in self.events if "res" in event.get("event_data", {})]
        results = [data["res"] for data in ended if data["task"] == task]
        assert results, self.stdout
        return dict(results[-1])


class Awx:
    """Runs job templates of the example against a scene."""

    def __init__(self, scene: rotation.Scene, directory: pathlib.Path) -> None:
        self._scene = scene
        self._directory = directory

    def launch(
        self, name: str, answers: t.Mapping[str, t.Any] | None = None, check: bool = False, **variables: t.Any
    ) -> Job:
        """answers: of the survey; check: as a job that only checks; variables: more of the inventory."""
        job = template(name)
        private = self._directory / "private"
        (private / "env").mkdir(parents=True)
        (private / "inventory").mkdir()
        shutil.copytree(EXAMPLES / "project", private / "project")
        (private / "env" / "extravars").write_text(json.dumps({**job.get("extra_vars", {}), **(answers or {})}))
        elsewhere = {
            name: self._scene.aws.env[name]
            for name in ("AWS_ENDPOINT_URL", "AWS_EC2_METADATA_DISABLED", "AWS_CONFIG_FILE")
        }
        (private / "env" / "envvars").write_text(json.dumps({**injected(self._scene.aws), **elsewhere}))
        (private / "env" / "settings").write_text(json.dumps({"fact_cache_type": "jsonfile"}))
        is_check = check or job["job_type"] == "check"
        more = [*(["--check"] if is_check else []), *(["--diff"] if job.get("diff_mode") else [])]
        (private / "env" / "cmdline").write_text(" ".join(["-vvvv", *more]))
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hostvars = {"host": {**host, **self._scene.variables, **variables}}
        groups = {group: {"hosts": ["host"]} for group in ("haproxy", "shared_ca")}
        inventory = {**groups, "_meta": {"hostvars": hostvars}}
        script = private / "inventory" / "hosts"
        script.write_text(f"#!{sys.executable}\nprint({json.dumps(inventory)!r})\n")
        script.chmod(0o700)
        try:
            return self._run(private, job["playbook"])
        finally:
            for leftover in self._directory.iterdir():
                shutil.rmtree(leftover)

    def _run(self, private: pathlib.Path, playbook: str) -> Job:
        """Transmit, work, process: what AWX, the execution node and AWX again do."""
        worker, received = self._directory / "worker", self._directory / "received"
        sent = self._runner("transmit", str(private), "-p", playbook, "-i", "1")
        worker.mkdir()
        stream = self._runner("worker", "--private-data-dir", str(worker), stdin=sent)
        self._runner("process", str(received), "-i", "1", stdin=stream)
        artifacts = received / "artifacts" / "1"
        for text in (stream, *map(pathlib.Path.read_bytes, self._files())):
            secrets_scan.assert_no_private_key(text.decode(errors="replace"))
        events = [json.loads(path.read_text()) for path in (artifacts / "job_events").glob("*-*.json")]
        events.sort(key=lambda event: event["counter"])
        assert events
        assert (worker / "artifacts" / "1" / "fact_cache").is_dir() or (artifacts / "fact_cache").is_dir()
        stdout = re.sub(r"\x1b\[[0-9;]*m", "", (artifacts / "stdout").read_text())
        return Job((artifacts / "status").read_text(), stdout, events)

    def _files(self) -> list[pathlib.Path]:
        return [path for path in self._directory.rglob("*") if path.is_file()]

    def _runner(self, command: str, *arguments: str, stdin: bytes = b"") -> bytes:
        words = [RUNNER, command, *arguments]
        return subprocess.run(words, input=stdin, stdout=subprocess.PIPE, timeout=120, check=False).stdout


@pytest.fixture
def awx(scene: rotation.Scene, tmp_path: pathlib.Path) -> Awx:
    directory = tmp_path / "awx"
    directory.mkdir()
    return Awx(scene, directory)


def test_the_job_templates(awx: Awx, scene: rotation.Scene) -> None:
    first = scene.store("a")
    rotated = awx.launch("Rotate certificates", {"rotation_batches": ["1", "25%"]})
    assert rotated.status == "successful", rotated.stdout
    assert scene.served("a") == first.fingerprint_sha256
    assert first.fingerprint_sha256 in rotated.stdout, "the diff"
    assert re.search(r"ROTATION \*+\s+host +outcome", rotated.stdout), "the table, where people look"

    renewed = scene.store("a")
    scene.store("b", private_key="no key")
    planned = awx.launch("Plan the rotation of certificates")
    assert planned.status == "failed", planned.stdout
    plan = "\n".join(planned.result("Show the plan")["msg"])
    assert re.search(r"^updated .* web/a$", plan, re.MULTILINE), plan
    assert re.search(r"^refused .* web/b: pem_invalid$", plan, re.MULTILINE), plan
    assert scene.served("a") == first.fingerprint_sha256

    nothing_chosen = {"rotation_batches": [], "haproxy_certificates_allow_changes": []}
    refused = awx.launch("Rotate certificates", nothing_chosen, haproxy_certificates_source="controller")
    assert refused.status == "failed"
    assert "web/b: The field 'private_key' holds no PEM block" in refused.stdout
    assert scene.served("a") == renewed.fingerprint_sha256, "a bad one holds up no good one"

    scene.aws.client().delete_secret(SecretId="web/b", ForceDeleteWithoutRecovery=True)
    healthy = awx.launch("Why are certificates not rotated?")
    assert healthy.status == "successful", healthy.stdout
    back = awx.launch("Roll certificates back", {"rollback_names": "web/a", "rollback_secrets": "true"})
    assert back.status == "successful", back.stdout
    assert scene.served("a") == first.fingerprint_sha256
    current = scene.aws.client().get_secret_value(SecretId="web/a", VersionStage="AWSCURRENT")
    assert json.loads(current["SecretString"])["certificate"] == first.certificate_pem

    # And so it goes on: nothing is renewed for days, and the daily status has nothing to say.
    scene.age(days=3)
    scene.aws.put_secret("web/a", first.secret_document())
    assert awx.launch("Rotate certificates").status == "successful"
    scene.age(days=3)
    unchanged = awx.launch("Rotate certificates")
    assert (unchanged.status, "changed=0" in unchanged.stdout) == ("successful", True), unchanged.stdout
    status = awx.launch("Status of certificates")
    assert "web/a" in status.stdout, status.stdout
    assert status.status == "successful", status.stdout


def test_the_schedule_of_the_hosts(awx: Awx) -> None:
    """Only checked here: what it installs is for a machine of its own."""
    prepared = {
        "rotation_schedule_scheduler": "cron",
        "rotation_schedule_virtualenv": sys.prefix,
        "rotation_schedule_requirements": [],
        "rotation_schedule_collections": [],
        "rotation_schedule_name": "rotation-of-a-test",
    }
    answers = {"rotation_schedule_state": "present"}
    installed = awx.launch("Let the hosts rotate by themselves", answers, check=True, **prepared)
    assert installed.status == "successful", installed.stdout
    assert re.search(r"changed=[1-9]", installed.stdout)


def test_the_shared_authority(awx: Awx, tmp_path: pathlib.Path) -> None:
    member = {
        "shared_ca_prefix": "shared",
        "shared_ca_path": str(tmp_path / "shared"),
        "shared_ca_server_address": "",
        "shared_ca_metadata_names": False,
        "shared_ca_key_type": "ec",
        "shared_ca_use_secrets_manager": True,
    }
    made = awx.launch("Set up the shared authority", **member)
    assert made.status == "successful", made.stdout
    authority = (tmp_path / "shared" / "ca.pem").read_text()
    replaced = awx.launch("Replace the shared authority", {"rotate_ca_until": "published"}, **member)
    assert replaced.status == "successful", replaced.stdout
    assert (tmp_path / "shared" / "ca.pem").read_text() == authority, "it is trusted with the next step"
