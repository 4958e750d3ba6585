# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_status_info on a real registry."""

from __future__ import annotations

import json
import pathlib
import sys
import typing as t

from ansible_collections.certops.rotation.tests.support import module
from ansible_collections.certops.rotation.tests.support.event_registry import EventRegistry
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook


def look(registry: EventRegistry, **options: t.Any) -> dict[str, t.Any]:
    run = module.run_module("endpoint_status_info", {"database_url": registry.url, **options})
    assert not run.failed, run.output
    assert not run.result["changed"]
    return run.result


def codes(result: dict[str, t.Any]) -> list[str]:
    return [problem["code"] for problem in result["problems"]]


def test_what_is_known(tmp_path: pathlib.Path) -> None:
    registry = EventRegistry(tmp_path / "endpoints.db")
    registry.tell("good")
    assert look(registry, max_age="1d")["healthy"]
    registry.tell("soon", days=3)
    registry.tell("over", days=-1)
    result = look(registry, receivers=["chat"], max_age="1d")
    assert codes(result) == ["expired", "undelivered", "expiring"]
    assert "over (over.example.com:443, 192.0.2.1) serves what has expired" in result["msg"]
    assert (result["conditions"]["good"], result["conditions"]["expiring"], result["conditions"]["expired"]) == (
        1,
        1,
        1,
    )
    assert codes(look(registry, hosts=["good.example.com"])) == []
    assert codes(look(registry, names=["soon"], expiring_within=["1d", "2d"])) == []
    assert codes(look(registry, names=["nobody"])) == ["no_endpoints"]


def test_the_playbook(tmp_path: pathlib.Path) -> None:
    """On the monitor host alone: what rotates is not looked at where there is no such group."""
    registry = EventRegistry(tmp_path / "endpoints.db")
    registry.tell("good")
    variables = {
        "endpoint_monitor_database_url": registry.url,
        "endpoint_monitor_receivers": [{"receiver": "chat", "url": "https://chat.example.com/T0KEN"}],
    }
    inventory = tmp_path / "inventory.json"
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(json.dumps({"endpoint_monitors": {"hosts": {"watch": {}}, "vars": {**here, **variables}}}))
    options: dict[str, t.Any] = {"playbook": "certops.rotation.status", "hosts": (), "inventory": inventory}
    run = run_playbook({}, **options, extra={"status_max_age": "1d"})
    assert run.returncode == 0, run.output
    assert run.modules == ["endpoint_status_info"]
    assert "Healthy: 1 endpoint, 1 address" in run.output
    assert "chat has not got 1 event" in run.output
    assert "T0KEN" not in run.output
    registry.tell("over", days=-1)
    run = run_playbook({}, **options, extra={"monitor_hosts": "endpoint_monitors"})
    assert run.returncode == 2
    assert "serves what has expired" in run.output


def test_without_a_registry(tmp_path: pathlib.Path) -> None:
    """Nothing is made for a look at it."""
    assert codes(look(EventRegistry(tmp_path / "none.db"))) == ["no_endpoints"]
    assert not list(tmp_path.iterdir())


def test_options_that_cannot_be(tmp_path: pathlib.Path) -> None:
    registry = EventRegistry(tmp_path / "endpoints.db")
    for option, value in (("max_age", "1"), ("expiring_within", ["soon"]), ("unreachable_after", 0)):
        run = module.run_module("endpoint_status_info", {"database_url": registry.url, option: value})
        assert run.failed
        assert run.result["msg"].startswith(f"{option}")
