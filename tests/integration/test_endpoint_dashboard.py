# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_dashboard: what a real registry knows, in three files, each written when it says something else."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import stat
import time
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import FleetDeployment
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import SeenCertificate, Sighting
from ansible_collections.certops.rotation.plugins.module_utils._flows.metrics import write_textfile
from ansible_collections.certops.rotation.plugins.module_utils._ports.registry.sql_registry import SqlRegistry
from ansible_collections.certops.rotation.plugins.plugin_utils._dashboard import page_without_data
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook
from ansible_collections.certops.rotation.tests.support.prometheus import promtool, samples
from ansible_collections.certops.rotation.tests.support.watched_fleet import DAY, certificate

PAGE = page_without_data("watch")


class Watch:
    """A registry, and the module that shows it."""

    def __init__(self, modules: ModuleServer, folder: pathlib.Path) -> None:
        self._modules = modules
        self.folder = folder
        self.url = f"sqlite:///{folder}/endpoints.db"
        self.registry = SqlRegistry(self.url)
        self.now = datetime.now(timezone.utc).replace(microsecond=0)
        self.path, self.json, self.textfile = (folder / name for name in ("index.html", "all.json", "all.prom"))

    def add(self, *names: str, **facts: t.Any) -> None:
        self.registry.put([WatchedEndpoint(name, name, **facts) for name in names], self.now - 100 * DAY)

    def see(self, name: str, leaf: SeenCertificate | None, ago: timedelta = timedelta(0), **facts: t.Any) -> None:
        chain = (leaf,) if leaf else ()
        sighting = Sighting(
            (name, 443), "192.0.2.1", self.now - ago, chain, **{"trusted": True if leaf else None, **facts}
        )
        self.registry.record([sighting], WatchPolicy(), self.now - ago)

    def names(self) -> list[str]:
        """Of files beside the registry."""
        return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("endpoints.db"))

    def show(self, check: bool = False, **args: t.Any) -> ModuleRun:
        files = {"path": str(self.path), "json_path": str(self.json), "textfile": str(self.textfile), "page": PAGE}
        return self._modules.run("endpoint_dashboard", {"database_url": self.url, **files, **args}, check=check)

    def told(self, **args: t.Any) -> dict[str, t.Any]:
        """The JSON."""
        run = self.show(**args)
        assert not run.failed, run.output
        return dict(json.loads(self.json.read_text()))


@pytest.fixture
def watch(modules: ModuleServer, tmp_path: pathlib.Path) -> Watch:
    return Watch(modules, tmp_path)


def leaf(watch: Watch, name: str, left: float, days: float = 90) -> SeenCertificate:
    return certificate([name], watch.now + timedelta(days=left - days), days)


def test_check_run_check_run(watch: Watch) -> None:
    watch.add("a.example.com")
    watch.see("a.example.com", leaf(watch, "a.example.com", 80))
    files = [str(watch.path), str(watch.json), str(watch.textfile)]
    check = watch.show(check=True)
    assert (check.result["changed"], check.result["written"]) == (True, files)
    assert watch.names() == []
    run = watch.show()
    assert (run.result["changed"], run.result["written"]) == (True, files)
    assert run.result["summary"]["conditions"]["good"] == run.result["summary"]["endpoints"] == 1
    before = {path: path.stat().st_mtime_ns for path in (watch.path, watch.json)}
    for again in (watch.show(check=True), watch.show()):
        assert (again.result["changed"], again.result["written"]) == (False, [])
    assert {path: path.stat().st_mtime_ns for path in before} == before
    watch.see("a.example.com", None, error="Connection refused.")
    assert watch.show(check=True).result["written"] == files
    assert watch.show().result["written"] == files


def test_only_what_is_asked_for_is_written(watch: Watch) -> None:
    watch.add("a.example.com")
    run = watch.show(path=None, textfile=None)
    assert run.result["written"] == [str(watch.json)]
    assert watch.names() == ["all.json"]


def test_the_life_of_an_endpoint(watch: Watch) -> None:
    """Added, seen, the same, renewed, silent: only the present counts, and the history is exact to the second."""
    watch.add("a.example.com")
    assert watch.told()["endpoints"][0]["condition"] == "unseen"
    old, new = leaf(watch, "a.example.com", -1), leaf(watch, "a.example.com", 88)
    watch.see("a.example.com", old, 50 * DAY)
    watch.see("a.example.com", old, 3 * DAY)
    watch.see("a.example.com", new, 2 * DAY)
    (endpoint,) = watch.told()["endpoints"]
    assert (endpoint["condition"], endpoint["ends"]) == ("good", _text(watch.now + 88 * DAY))
    assert [(each["since"], each["until"], each.get("open", False)) for each in endpoint["history"]] == [
        (_text(watch.now - 2 * DAY), _text(watch.now - 2 * DAY), True),
        (_text(watch.now - 50 * DAY), _text(watch.now - 3 * DAY), False),
    ]
    watch.see("a.example.com", None, DAY, error="Connection refused.")
    (endpoint,) = watch.told()["endpoints"]
    assert (endpoint["condition"], endpoint["urgency"]) == ("unreachable", "warning")
    watch.see("a.example.com", None, error="Connection refused.")
    document = watch.told()
    (endpoint,) = document["endpoints"]
    assert (endpoint["condition"], endpoint["urgency"], endpoint["why"]) == (
        "unreachable",
        "critical",
        "Connection refused.",
    )
    assert endpoint["addresses"][0]["certificate"] == new.fingerprint_sha256
    assert document["certificates"][new.fingerprint_sha256]["md5"] == new.fingerprint_md5
    kinds = [event["kind"] for event in document["events"]]
    assert kinds[0] == "unreachable"
    assert "renewed" in kinds
    assert kinds[-1] == "new"
    watch.registry.remove([("a.example.com", 443)], watch.now)
    assert watch.told()["endpoints"] == []


def test_the_seeds_thirty_days(watch: Watch) -> None:
    watch.add("a.example.com", "b.example.com")
    watch.see("a.example.com", leaf(watch, "a.example.com", 29.99, 365))
    watch.see("b.example.com", leaf(watch, "b.example.com", 30.01, 365))
    told = {each["name"]: each["condition"] for each in watch.told(expiring_within=["30d"])["endpoints"]}
    assert told == {"a.example.com": "expiring", "b.example.com": "good"}


def test_selections(watch: Watch) -> None:
    watch.registry.put(
        [WatchedEndpoint(name, name, tags=(("team", name[0]),)) for name in ("a.example.com", "b.example.com")],
        watch.now,
    )
    for selection in ({"names": ["a.example.com"]}, {"hosts": ["a.example.com"]}, {"tags": {"team": "a"}}):
        assert [each["name"] for each in watch.told(**selection)["endpoints"]] == ["a.example.com"]


def test_deployments_beside_the_wire(watch: Watch) -> None:
    watch.add("a.example.com", "b.example.com")
    new, old = leaf(watch, "a.example.com", 88), leaf(watch, "a.example.com", 50)
    watch.see("a.example.com", old, timedelta(hours=2))
    watch.see("a.example.com", old)
    watch.see("b.example.com", leaf(watch, "b.example.com", 80))
    layers = {"source": new.fingerprint_sha256, "file": new.fingerprint_sha256, "memory": old.fingerprint_sha256}
    read = watch.now - timedelta(hours=1)
    watch.registry.put_deployments(["lb1"], [FleetDeployment("lb1", "web/a", layers, (("a.example.com", 443),), read)])
    first, second = watch.told()["endpoints"]
    assert (first["condition"], first["urgency"]) == ("unserved", "critical")
    assert first["deployments"][0]["verdict"] == "differs"
    assert second["unmanaged"] is True
    served = 'certops_endpoint_deployment_served{host="a.example.com",name="a.example.com",port="443"}'
    assert samples(watch.textfile.read_text())[served] == 0
    assert promtool("check", "metrics", text=watch.textfile.read_text()) == (0, "")
    watch.see("a.example.com", new)
    watch.registry.put_deployments(
        ["lb1"], [FleetDeployment("lb1", "web/a", layers, (("a.example.com", 443),), watch.now)]
    )
    watch.told()
    found = samples(watch.textfile.read_text())
    assert [(name, value) for name, value in found.items() if "deployment" in name] == [(served, 1)]
    other = FleetDeployment("lb1", "web/c", layers, (("c.example.com", 443),), read)
    watch.registry.put_deployments(["lb1"], [other])
    assert watch.told()["unwatched"] == [{"host": "lb1", "certificate": "web/c"}]
    assert watch.told(names=["a.example.com"])["unwatched"] == []  # another page may have it


def test_metrics(watch: Watch) -> None:
    watch.add("a.example.com", "b.example.com")
    watch.see("a.example.com", leaf(watch, "a.example.com", 80))
    watch.show()
    found = samples(watch.textfile.read_text())
    assert found['certops_endpoint_addresses{condition="good"}'] == 1
    assert found['certops_endpoint_addresses{condition="unseen"}'] == 1
    assert promtool("check", "metrics", text=watch.textfile.read_text()) == (0, "")


# Files


def test_modes_and_owners(watch: Watch) -> None:
    watch.add("a.example.com")
    watch.show()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (watch.path, watch.json)} == {0o640}
    run = watch.show(mode="0644")
    assert run.result["written"] == [str(watch.path), str(watch.json)]
    assert stat.S_IMODE(watch.path.stat().st_mode) == 0o644
    assert not watch.show(mode="0644").result["changed"]
    for mode in ("0666", "0755", "4644", "0040", "no"):
        refused = watch.show(mode=mode)
        assert refused.failed
        assert "mode" in refused.result["msg"]
    assert "nobody-of-that-name" in watch.show(owner="nobody-of-that-name").result["msg"]


@pytest.mark.parametrize("kind", ["directory", "fifo", "link of somebody else's", "broken link"])
def test_nothing_else_is_replaced(watch: Watch, kind: str) -> None:
    watch.add("a.example.com")
    if kind == "directory":
        watch.path.mkdir()
    elif kind == "fifo":
        os.mkfifo(watch.path)
    elif kind == "broken link":
        watch.path.symlink_to(watch.folder / "nowhere" / "index.html")
    else:
        other = watch.folder / "others"
        other.mkdir(mode=0o777)
        other.chmod(0o777)
        (other / "index.html").symlink_to("/etc/passwd")
    path = watch.folder / "others" / "index.html" if kind.startswith("link") else watch.path
    kept = path.lstat()
    run = watch.show(path=str(path), json_path=None, textfile=None)
    assert run.failed
    assert str(path) in run.result["msg"]
    assert path.lstat().st_ino == kept.st_ino


def test_the_registry_is_not_replaced(watch: Watch) -> None:
    watch.add("a.example.com")
    for option in ("path", "json_path"):
        run = watch.show(**{option: str(watch.folder / "endpoints.db")})
        assert run.failed
        assert "It is a database, so it is not replaced" in run.result["msg"]
    assert len(watch.told()["endpoints"]) == 1


def test_what_a_killed_run_left_is_no_harm(watch: Watch) -> None:
    watch.add("a.example.com")
    watch.path.write_text("half of a pa")
    assert watch.show().result["written"][0] == str(watch.path)
    assert watch.path.read_text().endswith("</html>\n")


def test_what_killed_runs_left_does_not_pile_up(watch: Watch) -> None:
    """And what somebody else has just begun stays, as does what is not ours."""
    watch.add("a.example.com")
    an_hour_ago = time.time() - 3700
    for path in (watch.path, watch.json, watch.textfile):
        mark = f".certops-tmp.{hashlib.sha256(path.name.encode()).hexdigest()[:8]}"
        for name in ("old", "young"):
            (watch.folder / f"{mark}.{name}").write_text("half of a pa")
        os.utime(watch.folder / f"{mark}.old", (an_hour_ago, an_hour_ago))
        (watch.folder / f"{mark}.foreign").mkdir()
        os.utime(watch.folder / f"{mark}.foreign", (an_hour_ago, an_hour_ago))
    run = watch.show()
    assert not run.failed, run.output
    left = sorted(name.rpartition(".")[2] for name in watch.names() if name.startswith(".certops-tmp."))
    assert left == [*["foreign"] * 3, *["young"] * 3]


def test_two_write_at_the_same_time(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "all.prom")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _number: write_textfile(path, b"1\n" * 10_000), range(100)))
    assert [each.name for each in tmp_path.iterdir()] == ["all.prom"]


def test_a_page_that_somebody_else_put_there_is_written_anew(watch: Watch) -> None:
    """In a directory where others may write it may claim to tell the same."""
    watch.add("a.example.com")
    assert watch.show().result["changed"]
    for path in (watch.path, watch.json):
        path.write_text(path.read_text()[:500] + "defaced")
        path.chmod(0o640)
        os.chown(path, 65534, 65534)
    assert watch.show().result["written"] == [str(watch.path), str(watch.json)]
    assert "defaced" not in watch.path.read_text() + watch.json.read_text()
    os.link(watch.path, watch.folder / "another name")
    assert watch.show().result["written"] == [str(watch.path)]


def test_there_is_no_directory(watch: Watch) -> None:
    run = watch.show(path=str(watch.folder / "none" / "index.html"))
    assert run.failed
    assert "Create the parent directory, or mount what it should be on." in run.result["msg"]


# Odd registries and options


def test_no_registry_yet(watch: Watch) -> None:
    assert watch.told()["endpoints"] == []
    assert not (watch.folder / "endpoints.db").exists()


def test_a_password_is_never_shown(watch: Watch) -> None:
    run = watch.show(database_url="postgresql+psycopg://watch:hunter2-hunter2@127.0.0.1:9/x")
    assert run.failed
    assert "hunter2" not in run.output
    assert not watch.path.exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"path": None, "json_path": None, "textfile": None}, "path"),
        ({"expiring_within": ["30"]}, "expiring_within: '30' is not a duration"),
        ({"max_age": "soon"}, "max_age"),
        ({"history": 0}, "history must be 1 or more"),
        ({"events": -1}, "events must be 0 or more"),
        ({"page": None}, "page is missing"),
        ({"textfile": "/tmp/x.txt"}, "textfile"),
        ({"json_path": "{path}"}, "different files"),
        ({"json_path": "{path}/../index.html"}, "different files"),
    ],
)
def test_options_without_meaning(watch: Watch, args: dict[str, t.Any], words: str) -> None:
    chosen = {
        name: value.replace("{path}", str(watch.path)) if isinstance(value, str) else value
        for name, value in args.items()
    }
    run = watch.show(**chosen)
    assert run.failed
    assert words in run.result["msg"]
    assert not watch.path.exists()


def test_as_a_task(watch: Watch) -> None:
    """The collection's action plugin knows the page; no output has it, at any verbosity."""
    watch.add("a.example.com")
    watch.see("a.example.com", dataclasses.replace(leaf(watch, "a.example.com", 80), subject="CN=</script>"))
    task = {
        "certops.rotation.endpoint_dashboard": {
            "database_url": watch.url,
            "path": str(watch.path),
            "title": "Ours",
        }
    }
    run = run_playbook({}, playbook=[{"hosts": "haproxy", "gather_facts": False, "tasks": [task]}])
    assert run.returncode == 0, run.output
    assert "<!DOCTYPE" not in run.output
    text = watch.path.read_text()
    assert "Content-Security-Policy" in text
    assert '"title":"Ours"' in text
    assert text.count("</script>") == 2


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
