# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role under the keywords with which a play says what one host means for the others."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port

HOSTS = ("good", "dead", "broken", "last")


class Fleet:
    """good: the HAProxy of the scene; dead: nobody listens; broken: it lacks HAProxy's configuration; last: files."""

    def __init__(self, scene: rotation.Scene, directory: pathlib.Path) -> None:
        self.directory = directory
        self._scene = scene
        self._variables = {
            **scene.variables,
            "haproxy_certificates_path": f"{{{{ {scene.haproxy.certs_dir.as_posix()!r} if inventory_hostname == 'good'"
            f" else '{directory}/' + inventory_hostname }}}}",
            "haproxy_certificates_activate": "{{ inventory_hostname in ['good', 'broken'] }}",
            "haproxy_certificates_config": f"{{{{ [{str(scene.haproxy.config_path)!r}]"
            " if inventory_hostname == 'good' else ['/nonexistent/haproxy.cfg'] }}",
            "haproxy_certificates_reload_methods": ["master"],
            "ansible_connection": "{{ 'ssh' if inventory_hostname == 'dead' else 'local' }}",
            "ansible_host": "127.0.0.1",
            "ansible_port": free_port(),
        }

    def play(self, variables: t.Mapping[str, t.Any] | None = None, **keywords: t.Any) -> PlaybookRun:
        """A renewed certificate, the role, and a task after it."""
        self.issued = self._scene.store("a")
        each = {
            "hosts": "haproxy",
            "gather_facts": False,
            "roles": ["certops.rotation.haproxy_certificates"],
            "tasks": [{"name": "After it", "ansible.builtin.debug": {"msg": "done"}}],
            **keywords,
        }
        given = {**self._variables, **(variables or {})}
        return run_playbook(given, playbook=[each], hosts=HOSTS, env=self._scene.aws.env)

    def rotated(self) -> list[str]:
        """Hosts that have the renewed certificate, and serve it where that is wanted."""
        served = self._scene.served("a") == self.issued.fingerprint_sha256
        proven = self._scene.state()["certificates"]["web/a"]["proven"]
        has = [path.parent.name for path in self.directory.glob("*/web_a.pem") if self._is_new(path)]
        return sorted([*has, *(["good"] if served and proven and self._is_new(self._scene.file("a")) else [])])

    def _is_new(self, path: pathlib.Path) -> bool:
        return path.read_text() == self.issued.combined_pem


@pytest.fixture
def fleet(scene: rotation.Scene, tmp_path: pathlib.Path) -> Fleet:
    return Fleet(scene, tmp_path)


def ends(run: PlaybookRun) -> dict[str, list[str]]:
    """Hosts by what became of them: those that went on to the task after the role among it."""
    found: dict[str, set[str]] = {"failed": set(), "unreachable": set(), "after": set()}
    for task in run.tasks:
        if task.status in ("failed", "unreachable"):
            found[task.status].add(task.host)
        elif task.task == "After it":
            found["after"].add(task.host)
    return {name: sorted(hosts) for name, hosts in found.items()}


USUAL = {"failed": ["broken"], "unreachable": ["dead"], "after": ["good", "last"]}
KEYWORDS: dict[str, tuple[dict[str, t.Any], dict[str, t.Any]]] = {
    "linear": ({}, {}),
    "free": ({"strategy": "free"}, {"haproxy_certificates_activation": "handlers"}),
    "host_pinned": ({"strategy": "host_pinned"}, {"haproxy_certificates_source": "controller"}),
    "two at a time": ({"serial": 2, "max_fail_percentage": 100}, {"haproxy_certificates_activation": "handlers"}),
}


@pytest.mark.parametrize("name", KEYWORDS)
def test_whoever_fails_does_so_alone(fleet: Fleet, name: str) -> None:
    """Whatever the order, and whoever asks AWS or reloads HAProxy."""
    keywords, variables = KEYWORDS[name]
    run = fleet.play(variables, **keywords)
    assert run.returncode not in (0, 250), run.output
    assert ends(run) == USUAL
    assert fleet.rotated() == ["good", "last"]
    (broken,) = [task.result["msg"] for task in run.of("haproxy_rotation") if task.host == "broken"]
    assert "/nonexistent/haproxy.cfg does not exist" in broken


@pytest.mark.usefixtures("ansible_version")
def test_a_host_that_cannot_be_reached_is_passed_over_where_that_is_wanted(fleet: Fleet) -> None:
    """It goes on to what comes after the role, which has not failed it."""
    run = fleet.play(ignore_unreachable=True)
    assert run.returncode == 2, run.output
    assert ends(run) == {"failed": ["broken"], "unreachable": ["dead"], "after": ["dead", "good", "last"]}
    assert fleet.rotated() == ["good", "last"]
    assert [task.task for task in run.tasks if task.host == "dead" and task.status == "failed"] == []


def test_one_that_fails_ends_it_for_all_after_what_they_have_begun(fleet: Fleet) -> None:
    """A rotation is one task: none is left half-way."""
    run = fleet.play(any_errors_fatal=True)
    assert run.returncode != 0
    assert ends(run) == {**USUAL, "after": []}
    assert fleet.rotated() == ["good", "last"]
    # One after the other, those after it are not begun.
    run = fleet.play(any_errors_fatal=True, serial=1)
    assert ends(run) == {**USUAL, "after": ["good"]}
    assert fleet.rotated() == ["good"]
