# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host_files: directories, templates, secrets and what is to be gone, in one call."""

from __future__ import annotations

import hashlib
import json
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook

SECRET = "token-that-nobody-may-see"


def wanted(base: pathlib.Path) -> dict[str, t.Any]:
    return {
        "directories": [{"path": str(base / "a")}, {"path": str(base / "a/b"), "mode": "0700"}],
        "files": [{"path": str(base / "a/run"), "content": "#!/bin/sh\n", "mode": "0755"}],
        "secret_files": [{"path": str(base / "a/b/environment"), "content": f"TOKEN={SECRET}\n"}],
        "absent": [str(base / "old"), str(base / "nothing/here")],
    }


def tree(base: pathlib.Path) -> dict[str, tuple[str, bytes | None]]:
    paths = sorted(base.rglob("*"))
    return {
        str(path.relative_to(base)): (oct(path.lstat().st_mode), path.read_bytes() if path.is_file() else None)
        for path in paths
    }


def refused(modules: ModuleServer, args: dict[str, t.Any]) -> str:
    run = modules.run("host_files", args)
    assert run.failed
    return str(run.result["msg"])


def test_check_run_check_run(modules: ModuleServer, tmp_path: pathlib.Path) -> None:
    (tmp_path / "old").write_text("old")
    args, before = wanted(tmp_path), tree(tmp_path)
    predicted = modules.run("host_files", args, check=True)
    assert tree(tmp_path) == before
    done = modules.run("host_files", args)
    assert [run.result["changed"] for run in (predicted, done)] == [True, True]
    for field in ("directories", "written", "removed", "diff"):
        assert predicted.result[field] == done.result[field], field
    assert done.result["removed"] == [str(tmp_path / "old")]
    assert {name: kind for name, (kind, _content) in tree(tmp_path).items()} == {
        "a": oct(stat.S_IFDIR | 0o755),
        "a/b": oct(stat.S_IFDIR | 0o700),
        "a/b/environment": oct(stat.S_IFREG | 0o600),
        "a/run": oct(stat.S_IFREG | 0o755),
    }
    after = tree(tmp_path)
    again = [modules.run("host_files", args, check=check) for check in (True, False)]
    assert [run.result["changed"] for run in again] == [False, False]
    assert tree(tmp_path) == after
    for run in (predicted, done, *again):
        assert SECRET not in run.output


def test_only_what_differs_is_written(modules: ModuleServer, tmp_path: pathlib.Path) -> None:
    args = wanted(tmp_path)
    modules.run("host_files", args)
    (tmp_path / "a/run").chmod(0o700)
    (tmp_path / "a/b").chmod(0o750)
    run = modules.run("host_files", args)
    assert run.result["written"] == [str(tmp_path / "a/run")]
    assert run.result["directories"] == [str(tmp_path / "a/b")]
    assert run.result["diff"] == []
    args["secret_files"][0]["content"] = f"TOKEN=another-{SECRET}\n"
    changed = modules.run("host_files", args)
    assert changed.result["written"] == [str(tmp_path / "a/b/environment")]
    assert SECRET not in changed.output


def test_what_a_killed_run_left_is_removed(modules: ModuleServer, tmp_path: pathlib.Path) -> None:
    args = wanted(tmp_path)
    modules.run("host_files", args)
    (name,) = [path.name for path in (tmp_path / "a/b").iterdir()]
    left = tmp_path / "a/b" / f".certops-tmp.{hashlib.sha256(name.encode()).hexdigest()[:8]}.0123456789abcdef"
    left.write_text(SECRET)
    args["secret_files"][0]["content"] = "TOKEN=new\n"
    modules.run("host_files", args)
    assert not left.exists()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"files": [{"path": "relative", "content": ""}]}, "'relative' is not the absolute path"),
        ({"files": [{"path": "/tmp/../x", "content": ""}]}, "is not the absolute path"),
        ({"files": [{"path": "{base}/x"}]}, "content or src is missing"),
        ({"files": [{"path": "{base}/x", "content": "", "mode": "rw"}]}, "'rw' is no octal mode"),
        ({"files": [{"path": "{base}/x", "content": ""}], "absent": ["{base}/x"]}, "is given more than once"),
        ({"secret_files": [{"path": "{base}/x", "content": "", "mode": "0644"}]}, "lets others read a secret file"),
        ({"files": [{"path": "{base}/no/x", "content": ""}]}, "Create the parent directory"),
        ({"absent": ["{base}/directory"]}, "it is a directory"),
        ({"files": [{"path": "{base}/directory", "content": ""}]}, "is no regular file"),
        ({"owner": "nobody-of-that-name"}, "there is no nobody-of-that-name on this host"),
    ],
)
def test_what_makes_no_sense_is_refused(
    modules: ModuleServer, tmp_path: pathlib.Path, change: dict[str, t.Any], expected: str
) -> None:
    (tmp_path / "directory").mkdir()
    before = tree(tmp_path)
    assert expected in refused(modules, json.loads(json.dumps(change).replace("{base}", str(tmp_path))))
    assert tree(tmp_path) == before


def test_a_secret_goes_nowhere_where_others_could_replace_it(modules: ModuleServer, tmp_path: pathlib.Path) -> None:
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(0o777)
    message = refused(modules, {"secret_files": [{"path": str(place / "environment"), "content": SECRET}]})
    assert str(place) in message
    assert SECRET not in message
    assert list(place.iterdir()) == []


def test_templates_and_data(tmp_path: pathlib.Path, ansible_version: str) -> None:
    """Templates are found beside the play, as by ansible.builtin.template; a mapping becomes JSON; nothing is shown."""
    (tmp_path / "settings.j2").write_text("{% for name in names %}\n{{ name }}\n{% endfor %}\n")
    base = tmp_path / "base"
    task = {
        "name": "Write",
        "certops.rotation.host_files": {
            "directories": [{"path": str(base), "mode": "0700"}],
            "files": [{"path": str(base / "settings"), "src": str(tmp_path / "settings.j2")}],
            "secret_files": [{"path": str(base / "data.json"), "content": "{{ data }}"}],
        },
    }
    play = [{"hosts": "haproxy", "gather_facts": False, "tasks": [task]}]
    variables = {"names": ["a", "b"], "data": {"token": SECRET, "list": [1, True]}}
    runs = [run_playbook(variables, playbook=play) for _time in range(2)]
    assert [bool(run.changed) for run in runs] == [True, False], runs[0].output
    assert (base / "settings").read_text() == "a\nb\n"
    assert json.loads((base / "data.json").read_text()) == variables["data"]
    assert (base / "data.json").stat().st_mode & 0o777 == 0o600
    for run in runs:  # at -vvvv and with --diff
        assert SECRET not in run.output
        assert SECRET not in json.dumps([result.result for result in run.of("host_files")])
