# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user installs: the tarball holds what runs, nothing of a developer's, installs, and its metadata is true."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tarfile

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[3]
GALAXY = pathlib.Path(sys.executable).with_name("ansible-galaxy")
SHIPPED = {
    "CHANGELOG.md",
    "CHANGELOG.rst",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "SECURITY.md",
    "changelogs",
    "docs",
    "examples",
    "extensions",
    "meta",
    "playbooks",
    "plugins",
    "roles",
}


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    output = tmp_path_factory.mktemp("build")
    subprocess.run([GALAXY, "collection", "build", "--output-path", output], cwd=ROOT, check=True, capture_output=True)
    (built,) = output.glob("*.tar.gz")
    return built


def _files(tarball: pathlib.Path) -> list[str]:
    with tarfile.open(tarball) as archive:
        return [member.name for member in archive.getmembers() if not member.isdir()]


def test_only_what_runs_is_shipped(tarball: pathlib.Path) -> None:
    files = _files(tarball)
    top = {name.split("/")[0] for name in files}
    assert top <= SHIPPED, f"not meant for users: {sorted(top - SHIPPED)}"
    assert {"LICENSE", "README.md", "meta", "plugins"} <= top
    ours = ("endpoints", "expiring", "promote", "rotate", "rotate_signed", "rotate_signed_tls", "rotate_tls", "secrets")
    rulebooks = {f"extensions/eda/rulebooks/{name}.yml" for name in ours}
    sources = {"extensions/eda/plugins/event_source/secret_events.py"}
    assert {name for name in files if name.startswith("extensions/")} == rulebooks | sources
    assert not [name for name in files if name.endswith((".pyc", ".gz", ".log", "~")) or "__pycache__" in name]


def test_only_what_git_knows_is_shipped(tarball: pathlib.Path) -> None:
    known = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert set(_files(tarball)) - {"FILES.json", "MANIFEST.json"} <= set(known)


def test_every_plugin_is_shipped(tarball: pathlib.Path) -> None:
    plugins = {str(path.relative_to(ROOT)) for path in (ROOT / "plugins").rglob("*.py")}
    plugins |= {str(path.relative_to(ROOT)) for path in (ROOT / "plugins/plugin_utils/dashboard").iterdir()}
    assert len([path for path in plugins if not path.endswith(".py")]) == 7
    assert plugins <= set(_files(tarball))


def test_it_installs_without_the_network(tarball: pathlib.Path, tmp_path: pathlib.Path) -> None:
    subprocess.run(
        # --force: this checkout is on the path too, and counts as installed.
        [GALAXY, "collection", "install", "--force", "--offline", "--no-deps", "-p", tmp_path, tarball],
        check=True,
        capture_output=True,
    )
    installed = tmp_path / "ansible_collections/certops/rotation"
    manifest = json.loads((installed / "MANIFEST.json").read_text(encoding="utf-8"))
    assert manifest["collection_info"]["version"] == "1.0.0"
    assert (installed / "meta/runtime.yml").is_file()


def test_action_groups_name_exactly_the_modules_that_exist() -> None:
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))["action_groups"]
    modules = {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}
    assert set(groups["all"]) == modules
    assert set(groups["aws"]) | set(groups["haproxy"]) <= modules
    assert {name for name in modules if name.startswith("haproxy_")} == set(groups["haproxy"])


def test_dependencies_are_the_same_wherever_they_are_written() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    requirements = yaml.safe_load((ROOT / "requirements.yml").read_text(encoding="utf-8"))
    assert {item["name"]: item["version"] for item in requirements["collections"]} == galaxy["dependencies"]
