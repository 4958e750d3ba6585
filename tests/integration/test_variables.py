# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables as people give them: as text by -e and INI files, by a play's module_defaults, and misspelt."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook

pytestmark = pytest.mark.usefixtures("ansible_version")

ROLE = "haproxy_certificates"
#: The environment says nothing of where AWS is.
ELSEWHERE = {"AWS_ENDPOINT_URL": "", "AWS_DEFAULT_REGION": "", "AWS_REGION": ""}


def where(scene: rotation.Scene) -> dict[str, str]:
    return {"endpoint_url": scene.aws.env["AWS_ENDPOINT_URL"], "region": scene.aws.env["AWS_DEFAULT_REGION"]}


def as_text(value: t.Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def play(scene: rotation.Scene, defaults: t.Mapping[str, t.Any], *tasks: str, **variables: t.Any) -> PlaybookRun:
    """Call the role by each entry point, with module_defaults of the play."""
    role = f"certops.rotation.{ROLE}"
    calls = [{"ansible.builtin.include_role": {"name": role, "tasks_from": each}} for each in tasks]
    plays = [{"hosts": "haproxy", "gather_facts": False, "module_defaults": dict(defaults), "tasks": calls}]
    env = {**scene.aws.env, **ELSEWHERE}
    return run_playbook({**scene.variables, **variables}, playbook=plays, env=env)


def test_all_of_a_rotation_as_text(scene: rotation.Scene) -> None:
    issued = scene.store("a")
    texts = {
        **{name: as_text(value) for name, value in scene.variables.items()},
        f"{ROLE}_aws": json.dumps({**where(scene), "validate_certs": False}),
        f"{ROLE}_names": '["web/a"]',
        f"{ROLE}_name_prefix": "",
        f"{ROLE}_activate": "true",
        f"{ROLE}_prove": "yes",
        f"{ROLE}_prune": "false",
        f"{ROLE}_max_names": "0",
        f"{ROLE}_min_rsa_bits": "2048",
        f"{ROLE}_proof_timeout": "5.5",
        f"{ROLE}_binds": f"127.0.0.1:{scene.haproxy.port}",
        f"{ROLE}_reload_methods": "master,systemd",
        f"{ROLE}_reload_http": "{}",
        "rotation_batches": "1, 100%",
        "rotation_max_fail_percentage": "50%",
        "rotation_task_timeout": "600",
    }
    env = {**scene.aws.env, **ELSEWHERE}
    run = run_playbook({}, env=env, extra=texts)
    assert run.returncode == 0, run.output[-4000:]
    assert scene.served("a") == issued.fingerprint_sha256
    status = run_playbook({}, playbook="certops.rotation.status", env=env, extra=texts)
    assert status.returncode == 0, status.output[-4000:]
    # Nobody wants it in HAProxy.
    renewed = scene.store("a")
    run = run_playbook({}, env=env, extra={**texts, f"{ROLE}_activate": "false"})
    assert run.returncode == 0, run.output[-4000:]
    assert renewed.certificate_pem in scene.file("a").read_text()
    assert scene.served("a") == issued.fingerprint_sha256


@pytest.mark.parametrize(
    ("playbook", "variable", "text"),
    [
        ("rotate", "rotation_batches", "some"),
        ("rotate", "rotation_serial", "-1"),
        ("rotate", "rotation_max_fail_percentage", "half"),
        ("rotate", "rotation_task_timeout", "soon"),
        ("rotate", f"{ROLE}_activate", "perhaps"),
        ("rotate", f"{ROLE}_aws", "eu-central-1"),
        ("rollback", "rollback_expired", "perhaps"),
        ("rollback", "rollback_versions", "web/a"),
        ("status", f"{ROLE}_prove", "perhaps"),
    ],
)
def test_text_that_means_nothing_is_refused_by_name(playbook: str, variable: str, text: str) -> None:
    """Before anything is done: there is neither AWS nor HAProxy here."""
    run = run_playbook(
        {}, playbook=f"certops.rotation.{playbook}", extra={variable: text, "rollback_names": "web/a"}, verbosity=0
    )
    assert run.returncode != 0
    assert variable in run.output
    assert run.modules == []


def test_options_of_the_play_and_of_the_role_are_added(scene: rotation.Scene) -> None:
    """Those of module_defaults reach the modules of the role, one by one; the role's own variable goes before them."""
    scene.store("a")
    of_play = {**where(scene), "region": "us-west-1", "aws_config": {"user_agent": "mine"}}
    defaults = {"group/certops.rotation.aws": of_play}
    run = play(scene, defaults, "main", "status", "doctor", haproxy_certificates_aws={"region": where(scene)["region"]})
    for module in ("haproxy_rotation", "rotation_status_info", "rotation_doctor_info"):
        given = run.result(module)["invocation"]["module_args"]
        assert {"region": given["region"], "endpoint_url": given["endpoint_url"]} == where(scene)
        assert given["aws_config"]["user_agent"] == "mine"
    assert run.result("rotation_status_info")["healthy"]


def test_a_misspelt_variable_is_named(scene: rotation.Scene) -> None:
    scene.store("a")
    wrong = {f"{ROLE}_dir_mode": "0755", "haproxy_certificate_path": "/x", "shared_ca_rotation_host": 5}
    sentences = [
        f"{ROLE}_dir_mode is no variable of the role {ROLE}. Is {ROLE}_directory_mode meant?",
        f"haproxy_certificate_path is no variable of a role. Is {ROLE}_path meant?",
        "shared_ca_rotation_host is no variable of the role shared_ca_rotation. Is shared_ca_rotation_hosts meant?",
    ]
    defaults = {"group/certops.rotation.aws": where(scene)}
    run = play(scene, defaults, "main", "doctor", **wrong)
    warned = " ".join(run.output.split())
    found = {check["message"]: check["severity"] for check in run.result("rotation_doctor_info")["checks"]}
    for sentence in sentences:
        assert f"[WARNING]: {sentence}" in warned
        assert found[sentence] == "warning"
        assert any(sentence in line for line in run.result("rotation_doctor_info")["table"])
    # What the role itself has registered by now is none.
    assert f"{ROLE}_result is no variable" not in run.output


def test_what_an_ini_inventory_says(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    scene.store("a")
    lines = [f"{name}={as_text(value)}" for name, value in scene.variables.items()]
    lines += [f"{ROLE}_aws={json.dumps({**where(scene), 'validate_certs': False})}", f"{ROLE}_activate=no"]
    assert '"validate_certs": false' in lines[-2], "no literal of Python, so it stays text"
    inventory = tmp_path / "hosts.ini"
    inventory.write_text("[haproxy]\nhost\n[haproxy:vars]\n" + "\n".join(lines))
    run = run_playbook({}, env={**scene.aws.env, **ELSEWHERE}, hosts=(), inventory=inventory)
    assert run.returncode == 0, run.output[-3000:]
    assert scene.file("a").exists(), run.output


def test_a_schedule_as_text() -> None:
    """With the defaults of the others, which the role computes with. Check mode: this machine gets no schedule."""
    texts = {
        "rotation_schedule_scheduler": "cron",
        "rotation_schedule_interval": "30",
        "rotation_schedule_retries": "2",
        "rotation_schedule_at_start": "false",
        "rotation_schedule_hardening": "no",
        "rotation_schedule_variables": '{"haproxy_certificates_path": "/srv/certs"}',
        "rotation_schedule_requirements": "",
        "rotation_schedule_collections": "[]",
    }
    run = run_playbook({}, playbook="certops.rotation.schedule", check=True, extra=texts)
    assert run.returncode == 0, run.output[-3000:]
    assert "Write the entry of cron" in run.changed
    (written,) = [each for files in run.of("host_files") for each in files.result["written"] if "watch" in each]
    assert written == "/opt/certops-rotation/watch-below"
    refused = run_playbook(
        {}, playbook="certops.rotation.schedule", check=True, extra={**texts, "rotation_schedule_interval": "7"}
    )
    assert refused.error == "cron cannot run every 7 minutes: use a divisor of 60 or of 1440 in whole hours."
