# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role endpoint_monitor and its playbook: one run from the inventory to the alert, and what fails on the way keeps
nothing else from being done."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.nginx_server import NginxServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.webhook_server import WebhookServer

MONITOR = "certops.rotation.monitor"
NAMES = ("www.example.com", "shop.example.com")
SECRET = "a-secret-that-nobody-may-see"


class Scene:
    """A server with two names; a registry, a dashboard and a receiver in a directory."""

    def __init__(self, directory: pathlib.Path, server: NginxServer, authority: pki.CertificateAuthority) -> None:
        self.directory = directory
        self.told_path = directory / "told"
        loopback = {"port": server.port, "address": "127.0.0.1"}
        self.endpoints: list[t.Any] = [{"name": name.partition(".")[0], "host": name, **loopback} for name in NAMES]
        self.variables: dict[str, t.Any] = {
            "endpoints": self.endpoints,
            "database_url": f"sqlite:///{directory}/endpoints.db",
            "trust_anchors": authority.root_pem,
            "receivers": [self.log()],
            "unreachable_after": 1,
            "timeout": 3,
            "dashboard": str(directory / "watch.html"),
            "json": str(directory / "watch.json"),
            "metrics_textfile": str(directory / "watch.prom"),
        }

    def log(self) -> dict[str, t.Any]:
        """A receiver that writes each event into a file."""
        return {"receiver": "log", "command": ["sh", "-c", f"cat >>{self.told_path}; echo >>{self.told_path}"]}

    @property
    def told(self) -> list[str]:
        """Kinds and names."""
        lines = self.told_path.read_text().split("\n") if self.told_path.exists() else []
        return [f"{event['kind']} {event['name']}" for event in map(json.loads, filter(None, lines))]

    def run(
        self,
        *,
        check: bool = False,
        extra: t.Mapping[str, t.Any] | None = None,
        inventory: pathlib.Path | None = None,
        **changed: t.Any,
    ) -> PlaybookRun:
        """Of the playbook. changed: variables of the role, without its prefix; extra: of the command line."""
        variables = {f"endpoint_monitor_{name}": value for name, value in {**self.variables, **changed}.items()}
        return run_playbook(
            variables,
            playbook=MONITOR,
            check=check,
            extra={"monitor_hosts": "host", **(extra or {})},
            inventory=inventory,
        )


@pytest.fixture(scope="module")
def authority() -> pki.CertificateAuthority:
    return pki.CertificateAuthority()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: pki.CertificateAuthority) -> t.Iterator[NginxServer]:
    directory = tmp_path_factory.mktemp("server")
    for name in NAMES:
        (directory / name).mkdir()
        issued = authority.issue(name)
        (directory / name / "fullchain.pem").write_text(issued.certificate_pem)
        (directory / name / "privkey.pem").write_text(issued.private_key_pem)
    with NginxServer(directory / "nginx", {name: directory / name for name in NAMES}) as nginx:
        yield nginx


@pytest.fixture
def scene(tmp_path: pathlib.Path, server: NginxServer, authority: pki.CertificateAuthority) -> Scene:
    return Scene(tmp_path, server, authority)


def test_check_run_run(scene: Scene) -> None:
    predicted = scene.run(check=True)
    assert predicted.returncode == 0, predicted.error
    assert [path.name for path in scene.directory.iterdir()] == []
    assert len(predicted.changed) >= 1

    done = scene.run()
    assert done.returncode == 0, done.error
    assert sorted(scene.told) == ["new shop", "new www"]
    for name in ("watch.html", "watch.json", "watch.prom"):
        assert "www" in (scene.directory / name).read_text()

    again = scene.run()
    assert (again.returncode, again.changed) == (0, []), again.error
    assert len(scene.told) == 2


def test_a_first_run_in_check_mode_is_that_of_the_run(scene: Scene) -> None:
    """Of one endpoint, too, and beside an entry that is none."""
    one = scene.run(check=True, extra={"endpoint": "shop"})
    assert (one.returncode, one.result("endpoint_scan")["endpoints"]) == (0, 1), one.error
    wildcard = {"endpoints": ["*.example.com", *scene.endpoints]}
    predicted, done = (scene.run(check=check, **wildcard) for check in (True, False))
    for run in (predicted, done):
        assert run.returncode == 2
        assert "*.example.com" in run.error
        assert run.result("endpoint_scan")["endpoints"] == 2
    more = [*scene.endpoints, {"name": "gone", "host": "127.0.0.1", "port": free_port()}]
    later = scene.run(check=True, endpoints=more)
    assert later.result("endpoint_scan")["endpoints"] == 2
    assert "Would be registered, and asked from then on: 1." in str(later.tasks[-2].result["msg"])


def test_a_misspelt_variable_is_named_and_nothing_to_watch_is_no_success(scene: Scene) -> None:
    run = scene.run(endpoints=[], endponts=["www.example.com"])
    assert run.returncode == 2
    assert "Nothing is watched" in run.error
    assert "Is endpoint_monitor_endpoints meant?" in " ".join(run.output.split())


def test_what_a_person_has_to_look_at_fails_the_run_after_all_else_is_done(scene: Scene) -> None:
    gone = [*scene.endpoints, {"name": "gone", "host": "127.0.0.1", "port": free_port()}]
    failed = scene.run(endpoints=gone)
    assert failed.returncode == 2
    assert "gone" in failed.error
    assert sorted(scene.told) == ["new shop", "new www", "unreachable gone"]
    assert "gone" in (scene.directory / "watch.html").read_text()
    run = scene.run(endpoints=gone, alert="warn")
    assert run.returncode == 0, run.error
    assert "gone" in str(run.tasks[-2].result["msg"])
    assert len(scene.told) == 3


def test_a_receiver_that_is_down_keeps_nothing_from_the_others_and_its_secrets_to_itself(scene: Scene) -> None:
    """Neither does an entry of the inventory that is none."""
    down = {
        "receiver": "down",
        "url": f"http://127.0.0.1:{free_port()}/{SECRET}",
        "secret": SECRET,
        "headers": {"Authorization": f"Bearer-{SECRET}"},
        "retries": 0,
    }
    odd = ["*.example.com", *scene.endpoints]
    failed = scene.run(endpoints=odd, receivers=[down, scene.log()], alert="notify")
    assert failed.returncode == 2
    assert "*.example.com" in failed.error
    assert "down" in failed.error
    assert sorted(scene.told) == ["new shop", "new www"]
    assert "www" in (scene.directory / "watch.html").read_text()
    assert SECRET not in failed.output

    with WebhookServer() as webhook:
        up = {**down, "url": f"{webhook.url}/{SECRET}"}
        run = scene.run(receivers=[up, scene.log()], alert="notify")
        assert run.returncode == 0, run.error
        assert sorted(posted.event["name"] for posted in webhook.posted) == ["shop", "www"]
    assert len(scene.told) == 2
    assert SECRET not in run.output


def test_one_endpoint_by_name_or_host_and_port(scene: Scene) -> None:
    scene.run()
    run = scene.run(extra={"endpoint": f"www.example.com:{scene.endpoints[0]['port']}"})
    assert run.returncode == 0, run.error
    assert run.result("endpoint_scan")["endpoints"] == 1
    unknown = scene.run(extra={"endpoint": "wwww"})
    assert unknown.returncode == 2
    assert "wwww" in unknown.error
    empty = scene.run(extra={"endpoint": ""})
    assert empty.returncode == 2
    assert "endpoint is empty" in empty.error
    assert "endpoint_scan" not in empty.modules
    nobody = scene.run(prune=True, extra={"monitor_discover": "typo"})
    assert nobody.returncode == 2
    assert "monitor_discover matches no host" in nobody.output
    assert "endpoint_registry" not in nobody.modules


def test_what_is_not_given_any_more_is_retired_on_request_and_never_by_an_empty_list(scene: Scene) -> None:
    scene.run()
    kept = scene.run(endpoints=scene.endpoints[:1])
    assert kept.result("endpoint_scan")["endpoints"] == 2
    empty = scene.run(endpoints=[], prune=True)
    assert empty.returncode == 2
    assert "retire all endpoints" in empty.error
    pruned = scene.run(endpoints=scene.endpoints[:1], prune=True)
    assert pruned.returncode == 0, pruned.error
    assert pruned.result("endpoint_scan")["endpoints"] == 1
    assert "retired shop" in scene.told


def test_a_host_that_does_not_answer_is_named_and_retires_nothing(scene: Scene) -> None:
    """It may be the one that serves what would be retired; and it keeps nobody from being watched."""
    scene.run()
    dead = scene.directory / "dead.json"
    unreachable = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": free_port()}
    dead.write_text(json.dumps({"haproxy": {"hosts": {"dead": unreachable}}}))
    (scene.directory / "certificates").mkdir()
    where = {"config": [], "socket": "", "paths": [str(scene.directory / "certificates")]}
    discover: dict[str, t.Any] = {f"discover_{name}": value for name, value in where.items()}
    asked = {"monitor_discover": "haproxy"}
    run = scene.run(endpoints=scene.endpoints[:1], prune=True, **discover, extra=asked, inventory=dead)
    assert run.returncode == 2
    assert "dead has not said what it serves" in run.error
    assert "host has not said" not in run.error
    assert run.result("endpoint_scan")["endpoints"] == 2
    assert "retired shop" not in scene.told

    alone = scene.run(endpoints=[], extra={"monitor_discover": "dead"}, inventory=dead)
    assert alone.returncode == 2
    assert alone.result("endpoint_scan")["endpoints"] == 2


def test_variables_may_come_as_text(scene: Scene) -> None:
    """From -e, INI files and surveys."""
    text = {
        "endpoint_monitor_endpoints": f"127.0.0.1:{scene.endpoints[0]['port']}",
        "endpoint_monitor_timeout": "2.5",
        "endpoint_monitor_deadline": "60",
        "endpoint_monitor_expiring_within": "30d,7d",
        "endpoint_monitor_prune": "yes",
        "endpoint_monitor_staple": "true",
        "endpoint_monitor_key_types": "rsa,ecdsa",
        "endpoint_monitor_alert": "notify",
        "endpoint_monitor_receivers": json.dumps([scene.log()]),
    }
    run = scene.run(extra=text)
    assert run.returncode == 0, run.error
    assert scene.told[0] == "new 127.0.0.1"


def test_what_has_no_meaning_is_refused_before_anything_is_done(scene: Scene) -> None:
    """What else there is, the unit tests say."""
    refused = scene.run(receivers=[{"receiver": "chat", "uri": "https://chat.example.com"}], dashboard="watch.html")
    assert refused.returncode == 2
    assert "chat has no option uri" in refused.error
    assert "endpoint_monitor_dashboard is to begin with a slash" in refused.error
    assert refused.modules == []


def test_a_database_that_is_down_is_named_without_its_password(scene: Scene) -> None:
    port = free_port()
    failed = scene.run(database_url=f"postgresql+psycopg://watch:{SECRET}@127.0.0.1:{port}/watch")
    assert failed.returncode == 2
    assert f"127.0.0.1:{port}" in failed.error
    assert SECRET not in failed.output
