# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The push model: the controller asks AWS once, however many hosts there are, and only the hosts keep the keys."""

from __future__ import annotations

import pathlib
import shlex
import sys
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import rotation, secrets_scan
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook

ONE_LISTING = {"ListSecrets": 1}
TWO_BATCHES = {"ListSecrets": 1, "BatchGetSecretValue": 2}


class Fleet:
    """Hosts that have no boto3 and know nothing of AWS. All share a HAProxy; each has a directory of its own."""

    def __init__(self, scene: rotation.Scene, faults: AwsFaults, directory: pathlib.Path) -> None:
        self.faults = faults
        self.certificates = directory / "certificates"
        self.elsewhere = directory / "elsewhere"
        self.certificates.mkdir()
        self.elsewhere.mkdir()
        self.variables = {
            **scene.variables,
            "haproxy_certificates_source": "controller",
            "haproxy_certificates_path": str(self.certificates) + "/{{ inventory_hostname }}",
            "haproxy_certificates_activate": False,
            "ansible_python_interpreter": str(self._python_without_aws(directory / "bin")),
        }
        # All that Ansible writes anywhere is below one directory.
        self._env = {
            **faults.env,
            "ANSIBLE_LOCAL_TEMP": str(self.elsewhere / "local"),
            "ANSIBLE_REMOTE_TEMP": str(self.elsewhere / "remote"),
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.elsewhere / "facts"),
            "ANSIBLE_LOG_PATH": str(self.elsewhere / "log"),
        }

    @staticmethod
    def _python_without_aws(directory: pathlib.Path) -> pathlib.Path:
        directory.mkdir()
        for library in ("boto3", "botocore"):
            (directory / f"{library}.py").write_text("raise ImportError('not on this host')\n")
        program = directory / "python3"
        unset = "unset $(env | sed -n 's/^\\(AWS_[A-Z_]*\\)=.*/\\1/p')"
        python = f'PYTHONPATH={shlex.quote(str(directory))} exec {shlex.quote(sys.executable)} "$@"'
        program.write_text(f"#!/bin/sh\n{unset}\n{python}\n")
        program.chmod(0o755)
        return program

    def rotate(self, hosts: int, *, check: bool = False, env: t.Mapping[str, str] | None = None) -> PlaybookRun:
        self.faults.requests.clear()
        names = [f"lb{number}" for number in range(hosts)]
        batches = {"rotation_batches": ["50%"]}
        run = run_playbook(self.variables, hosts=names, env={**self._env, **(env or {})}, check=check, extra=batches)
        for path in self.elsewhere.rglob("*"):
            if path.is_file():
                secrets_scan.assert_no_private_key(path.read_text(errors="replace"))
        return run

    def contents(self, name: str) -> list[str]:
        return [path.read_text() for path in sorted(self.certificates.glob(f"*/web_{name}.pem"))]


@pytest.fixture
def fleet(scene: rotation.Scene, faults: AwsFaults, tmp_path: pathlib.Path) -> Fleet:
    return Fleet(scene, faults, tmp_path)


@pytest.mark.usefixtures("ansible_version")
def test_one_host_gets_them_served_and_proven(fleet: Fleet, scene: rotation.Scene) -> None:
    issued = [scene.store(f"n{number}") for number in range(21)]
    fleet.variables |= {
        "haproxy_certificates_path": str(scene.haproxy.certs_dir),
        "haproxy_certificates_activate": True,
    }
    run = fleet.rotate(1)
    assert (run.returncode, fleet.faults.counts()) == (0, TWO_BATCHES), run.output
    assert scene.served("n20") == issued[20].fingerprint_sha256
    unchanged = fleet.rotate(1)
    assert (unchanged.returncode, fleet.faults.counts(), unchanged.changed) == (0, ONE_LISTING, [])


def test_four_hosts_cost_as_many_requests_as_one(fleet: Fleet, scene: rotation.Scene) -> None:
    issued = [scene.store(f"n{number}") for number in range(21)]

    predicted = fleet.rotate(4, check=True)
    assert (predicted.returncode, fleet.faults.counts()) == (0, TWO_BATCHES), predicted.output
    assert fleet.contents("n0") == []

    written = fleet.rotate(4)
    assert (written.returncode, fleet.faults.counts()) == (0, TWO_BATCHES), written.output
    assert fleet.contents("n0") == [issued[0].combined_pem] * 4
    calls = [task.result["api_calls"] for task in written.of("haproxy_rotation")]
    assert sum(call.get("BatchGetSecretValue", 0) for call in calls) == 2
    assert (fleet.elsewhere / "log").stat().st_size > 0

    unchanged = fleet.rotate(4)
    assert (unchanged.returncode, fleet.faults.counts(), unchanged.changed) == (0, ONE_LISTING, [])

    renewed = scene.store("n20")
    assert fleet.rotate(4).returncode == 0
    assert fleet.faults.counts() == {"ListSecrets": 1, "BatchGetSecretValue": 1}
    assert fleet.contents("n20") == [renewed.combined_pem] * 4
    assert fleet.contents("n0") == [issued[0].combined_pem] * 4


def test_an_error_of_aws_is_told_to_all_hosts_and_asked_for_once(fleet: Fleet, scene: rotation.Scene) -> None:
    scene.store("a")
    fleet.faults.fail("ListSecrets", "AccessDeniedException")
    run = fleet.rotate(2)
    assert run.returncode == 2
    assert "AccessDeniedException" in run.error
    assert fleet.faults.counts() == ONE_LISTING

    fleet.faults.heal()
    fleet.faults.fail_in_batch("web/a", "AccessDeniedException")
    run = fleet.rotate(2)
    assert run.returncode == 2
    assert "secret_access_denied" in run.error
    assert len(run.of("haproxy_rotation")) == 2
    assert fleet.faults.counts() == {"ListSecrets": 1, "BatchGetSecretValue": 1}


def test_names_take_the_place_of_tags_that_cannot_be_listed(fleet: Fleet, scene: rotation.Scene) -> None:
    issued = scene.store("a")
    fleet.faults.fail("ListSecrets", "InvalidRequestException", when=lambda body: "tag-key" in str(body))
    fleet.variables |= {
        "haproxy_certificates_name_prefix": "",
        "haproxy_certificates_names": ["web/a"],
        "haproxy_certificates_tags": {"Environment": "production"},
        "haproxy_certificates_on_discovery_error": "fallback",
    }
    run = fleet.rotate(1)
    assert run.returncode == 0, run.output
    assert fleet.contents("a") == [issued.combined_pem]
    assert "falling back to names" in run.output


@pytest.mark.usefixtures("ansible_version")
@pytest.mark.parametrize("setting", ["ANSIBLE_DEBUG", "ANSIBLE_KEEP_REMOTE_FILES"])
def test_settings_that_would_show_keys_are_refused(fleet: Fleet, scene: rotation.Scene, setting: str) -> None:
    scene.store("a")
    run = fleet.rotate(1, env={setting: "1"})
    assert run.returncode == 2
    assert "would show private keys" in run.error
    assert fleet.contents("a") == []


def test_what_is_not_found_or_cannot_be_asked_is_told_on_every_host(fleet: Fleet, scene: rotation.Scene) -> None:
    """By the controller, too, a selection that finds nothing is no success, and what hosts have goes on to expire."""
    scene.store("a")
    assert fleet.rotate(2).returncode == 0
    fleet.variables |= {"haproxy_certificates_name_prefix": "wev/", "haproxy_certificates_min_remaining": "100d"}
    run = fleet.rotate(2)
    assert (run.returncode, fleet.faults.counts()) == (2, ONE_LISTING)
    for task in run.of("haproxy_rotation"):
        assert "No secret was found by name_prefix 'wev/' in region eu-central-1" in task.result["error"]
        assert "web/a: The deployed certificate expires at" in task.result["error"]
    assert len(run.of("haproxy_rotation")) == 2, "what the controller cannot find is no failure of the first host"
    fleet.variables |= {"haproxy_certificates_aws": {"profile": "nobody"}}
    run = fleet.rotate(2)
    assert (run.returncode, fleet.faults.counts()) == (2, {})
    assert "profile" in run.of("haproxy_rotation")[0].result["msg"]
    assert "web/a: The deployed certificate expires at" in run.of("haproxy_rotation")[0].result["msg"]
