# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role endpoint_monitor makes of its variables: who is watched, when nothing is retired, what a run needs."""

from __future__ import annotations

import pathlib
import typing as t
from datetime import datetime, timezone

import pytest
import yaml
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.monitor import (
    RECEIVER_OPTIONS,
    MonitorPlan,
    MonitorSettings,
)
from ansible_collections.certops.rotation.plugins.plugin_utils._typed import typed_fields
from ansible_collections.certops.rotation.tests.support import argument_matrix

ROLE = pathlib.Path(__file__).parents[6] / "roles/endpoint_monitor"
DEFAULTS = {
    name.removeprefix("endpoint_monitor_"): value
    for name, value in yaml.safe_load((ROLE / "defaults/main.yml").read_text()).items()
}
FOUND = {"endpoints": [{"host": "web1.example.com", "port": 443}, {"host": "shop.example.com"}], "certificates": []}


NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


def plan(
    found: t.Mapping[str, t.Any] | None = None, statuses: t.Mapping[str, t.Any] | None = None, **given: t.Any
) -> dict[str, t.Any]:
    variables = {**DEFAULTS, "discover": list(found or {}), **given}
    settings = MonitorSettings(**typed_fields(MonitorSettings, variables, "endpoint_monitor_"))
    return MonitorPlan(settings, found or {}, statuses or {}, NOW).as_dict()


def test_nothing_is_wrong_with_the_defaults_and_nothing_is_registered() -> None:
    found = plan()
    assert (found["problems"], found["wanted"], found["registers"]) == ([], [], False)


def test_what_hosts_serve_is_watched_beside_what_is_given() -> None:
    found = plan({"web1": FOUND}, endpoints=["www.example.com"])
    assert found["wanted"] == ["www.example.com", *FOUND["endpoints"]]


@pytest.mark.parametrize(
    "given",
    ["shop.example.com:443", "SHOP.example.com.", {"host": "shop.example.com", "starttls": "smtp", "name": "mine"}],
)
def test_what_is_given_goes_before_what_a_host_says_of_the_same_endpoint(given: t.Any) -> None:
    assert plan({"web1": FOUND}, endpoints=[given])["wanted"] == [given, FOUND["endpoints"][0]]


def test_two_hosts_that_serve_the_same_name_are_one_endpoint() -> None:
    assert plan({"web1": FOUND, "web2": FOUND})["wanted"] == FOUND["endpoints"]


def test_what_is_no_endpoint_is_left_to_the_registry_to_refuse() -> None:
    assert plan(endpoints=["*.example.com", 5])["wanted"] == ["*.example.com", 5]


def test_nothing_is_retired_while_a_host_has_not_answered() -> None:
    answered = plan({"web1": FOUND, "web2": FOUND}, prune=True)
    assert (answered["prunes"], answered["silent"]) == (True, {})
    for silence, why in (({"unreachable": True, "msg": "no route"}, "no route"), ({}, "it was not reached")):
        silent = plan({"web1": FOUND, "web2": silence}, prune=True)
        assert (silent["prunes"], silent["silent"]) == (False, {"web2": why})


def test_a_host_that_was_not_asked_in_this_run_is_not_blamed_and_not_forgotten() -> None:
    found = plan({"web1": FOUND, "web2": None}, prune=True)
    assert (found["prunes"], found["silent"]) == (False, {})


def test_a_run_about_some_endpoints_retires_no_others() -> None:
    assert plan(endpoints=["www.example.com"], prune=True)["prunes"]
    assert not plan(endpoints=["www.example.com"], prune=True, names=["www.example.com"])["prunes"]


def test_what_check_mode_has_not_registered() -> None:
    """What cannot be read keeps no other from being asked, as in a run; where some are registered, these are asked."""
    endpoints = [
        "*.example.com",
        "www.example.com",
        {"host": "off", "enabled": "no"},
        {"host": "b", "port": 25},
    ]
    known = {"action": "changed", "host": "www.example.com", "port": 443}
    new = {"action": "added", "host": "b", "port": 25}

    def unregistered(told: t.Mapping[str, t.Any], **given: t.Any) -> list[str]:
        variables = {**DEFAULTS, "endpoints": endpoints, **given}
        settings = MonitorSettings(**typed_fields(MonitorSettings, variables, "endpoint_monitor_"))
        return [each["host"] for each in MonitorPlan(settings, {}, {}, NOW, registered=told).as_dict()["unregistered"]]

    assert unregistered({}) == unregistered({"added": 0, "registered": 3}, names=["b"]) == []
    first = {"added": 3, "registered": 3, "endpoints": []}
    assert unregistered(first) == ["www.example.com", "b"]
    assert unregistered(first, names=["b:25"]) == ["b"]
    later = {"added": 1, "registered": 3, "endpoints": [known, new]}
    assert unregistered(later) == unregistered(later, names=["www.example.com"]) == []
    assert unregistered(later, hosts=["b"]) == ["b"]


def test_what_hosts_have_deployed_goes_into_the_registry() -> None:
    leaf = "ab" * 32
    layers = {"source": "ok", "disk": "ok", "memory": "differs", "wire": "unknown"}
    status = {"certificates": [{"name": "web/shop", "fingerprint_sha256": leaf, "layers": layers}]}
    found = {**FOUND, "certificates": [{"fingerprint_sha256": leaf, "expected_at": ["shop.example.com:443"]}]}
    planned = plan({"web1": found, "web2": FOUND}, {"web1": status, "web2": {"failed": True}})
    assert planned["deployments"] == [
        {
            "host": "web1",
            "certificate": "web/shop",
            "layers": {"source": leaf, "file": leaf, "memory": ""},
            "endpoints": ["shop.example.com:443"],
            "at": "2026-11-26T12:00:00Z",
        }
    ]
    assert planned["registers"] is True
    assert plan({"web1": FOUND}, {"web1": {"certificates": []}})["deployments"] == [{"host": "web1"}], (
        "nothing any more"
    )


def test_pruning_by_an_empty_list_is_refused() -> None:
    """A variable that went missing would retire everything."""
    assert "retire all endpoints" in " ".join(plan(prune="true")["problems"])
    assert plan(prune=True, endpoints=["www.example.com"])["problems"] == []
    assert plan(prune=True, import_files=[{"path": "/x.csv"}])["problems"] == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"every": 0}, "endpoint_monitor_every"),
        ({"deadline": "0"}, "endpoint_monitor_deadline"),
        ({"dashboard": "watch.html"}, "endpoint_monitor_dashboard is to begin with a slash"),
        ({"json": "watch.json"}, "endpoint_monitor_json is to begin with a slash"),
        ({"receivers": ["https://hooks.example.com"]}, "number 1 is to be a dictionary with a name"),
        ({"receivers": [{"url": "https://hooks.example.com"}]}, "number 1 is to be a dictionary with a name"),
        ({"receivers": [{"receiver": "chat", "uri": "x"}]}, "chat has no option uri"),
        ({"receivers": [{"receiver": "chat"}, {"receiver": "chat"}]}, "two with the name chat"),
    ],
)
def test_what_has_no_meaning_is_told(given: dict[str, t.Any], told: str) -> None:
    (problem,) = plan(**given)["problems"]
    assert told in problem


def test_receivers_have_all_options_of_the_module_but_the_registry() -> None:
    options = set(argument_matrix.specification(argument_matrix.load("endpoint_events")))
    assert options - set(RECEIVER_OPTIONS) == {"database_url"}
    assert set(RECEIVER_OPTIONS) - options == set()
    task = (ROLE / "tasks/main.yml").read_text()
    assert [name for name in RECEIVER_OPTIONS if f"__endpoint_monitor_receiver.{name}" not in task] == []


def test_a_scheduled_run_knows_what_it_needs_and_retires_nothing_that_other_hosts_have_said() -> None:
    of_a_run = plan({"web1": FOUND}, prune=True, endpoints=["www.example.com"], alert="warn")["of_a_run"]
    assert of_a_run["endpoint_monitor_endpoints"] == ["www.example.com"]
    assert of_a_run["endpoint_monitor_alert"] == "warn"
    assert of_a_run["endpoint_monitor_prune"] is False
    assert plan(prune=True, endpoints=["www.example.com"])["of_a_run"]["endpoint_monitor_prune"] is True
    assert set(of_a_run) < {f"endpoint_monitor_{name}" for name in DEFAULTS}
    assert not {"endpoint_monitor_discover", "endpoint_monitor_every", "endpoint_monitor_schedule"} & set(of_a_run)


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("sqlite:////var/lib/certops-monitor/endpoints.db", "/var/lib/certops-monitor"),
        ("sqlite:///relative.db", ""),
        ("postgresql+psycopg://watch:secret@db.example.com/watch", ""),
    ],
)
def test_where_a_scheduled_run_writes(url: str, directory: str) -> None:
    found = plan(database_url=url, dashboard="/srv/www/watch.html", json="/srv/www/watch.json")
    assert found["directory"] == directory
    assert found["writable"] == [*([directory] if directory else []), "/srv/www"]


def test_text_is_taken_for_what_it_means() -> None:
    found = plan(endpoints="www.example.com:443,[::1]:8443", discover="", prune="no", deadline="30", tags='{"a": "b"}')
    assert found["endpoints"] == ["www.example.com:443", "[::1]:8443"]
    assert (found["prune"], found["deadline"], found["tags"]) == (False, 30, {"a": "b"})


@pytest.mark.parametrize(
    ("module", "left_out"),
    [
        ("endpoint_registry", {"state"}),
        ("endpoint_scan", set()),
        ("endpoint_events", set()),
        ("endpoint_dashboard", {"names", "hosts", "tags", "history", "events", "page"}),
    ],
)
def test_each_option_of_its_modules_is_within_reach(module: str, left_out: set[str]) -> None:
    """Such as staple and key_types: a variable that reaches no module would do nothing, and nobody would see it."""
    tasks = yaml.safe_load((ROLE / "tasks/main.yml").read_text())
    [given] = [
        task[f"certops.rotation.{module}"]
        for block in tasks
        for task in block.get("block", [block])
        if f"certops.rotation.{module}" in task
    ]
    assert set(given) == set(argument_matrix.specification(argument_matrix.load(module))) - left_out
