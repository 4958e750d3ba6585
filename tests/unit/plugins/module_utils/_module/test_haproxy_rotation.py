# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_rotation on a host where nothing changed: it loads nothing that such a run does not use."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import ansible_collections

RUNNER = "ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_rotation"
# What only a changed host needs. AnsiballZ compiles every file of ours that is imported, on every run.
DEAR = ("cryptography", "http.client", "subprocess")
OF_CHANGED_HOSTS = ("_flows.rotate.activate", "_flows.rotate.prove", "_flows.rotate.reload", "_flows.rotate.rollback")
LOADED = """
import importlib, json, sys
import ansible_collections
ansible_collections.__path__ = json.loads(sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


# What it uses on every host, beside what it imports itself.
OF_UNCHANGED_HOSTS = ("_flows.rotate.rotation", "_flows.rotate.settings", "_ports.store.directory")
PREFIX = RUNNER.partition("_module.")[0]


def loaded_by(directory: pathlib.Path, *names: str) -> set[str]:
    paths = json.dumps([str(path) for path in ansible_collections.__path__])
    command = [sys.executable, "-c", LOADED, paths, *names]
    return set(json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=directory).stdout))


def test_an_unchanged_host_loads_little(tmp_path: pathlib.Path) -> None:
    loaded = loaded_by(tmp_path, RUNNER, *(PREFIX + name for name in OF_UNCHANGED_HOSTS))
    ours = {name.removeprefix(PREFIX) for name in loaded if name.startswith(PREFIX)}
    assert ours.issuperset(OF_UNCHANGED_HOSTS)
    assert not loaded.intersection(DEAR)
    assert not ours.intersection(OF_CHANGED_HOSTS)
    assert not {name for name in ours if name.startswith(("_ports.haproxy", "_ports.reload", "_ports.tls"))}


def test_the_controller_loads_the_options_alone(tmp_path: pathlib.Path) -> None:
    ours = {name.removeprefix(PREFIX) for name in loaded_by(tmp_path, RUNNER) if name.startswith(PREFIX)}
    assert "_module.sync_options" in ours
    assert not ours.intersection(OF_UNCHANGED_HOSTS)
