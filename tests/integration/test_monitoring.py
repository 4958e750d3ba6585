# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation offers for monitoring works: alerts fire when they should, and all that is named exists."""

from __future__ import annotations

import json
import pathlib
import re
from datetime import datetime, timezone

import pytest
import yaml
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._core.record.endpoints import (
    DeployedEndpoint,
    render_deliveries,
    render_endpoints,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.record.issuance import (
    IssuanceNumbers,
    LimitLeft,
    render_issuance,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.record.metrics import (
    CertificateNumbers,
    Run,
    Totals,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.record.push import PushNumbers, render_push
from ansible_collections.certops.rotation.plugins.module_utils._core.record.textfile import render
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import EndpointView
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import (
    AddressState,
    SeenCertificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.standing import standings
from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.prometheus import promtool

ROOT = pathlib.Path(__file__).parents[2]
RULES = ROOT / "docs" / "alerts.rules.yml"
CONFIGURATION = ROOT / "docs" / "prometheus.yml"
RULE_TESTS = ROOT / "tests" / "support" / "alerts" / "alerts.test.yml"
PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
OF_NODE_EXPORTER = {"node_textfile_scrape_error"}
NAME = re.compile(r"\b(?:certops|cert|certificates|acm|secrets|haproxy|last|node)_[a-z_]+_?[a-z]+\b")


def exposed(names: str) -> dict[str, str]:
    """Metric -> type, of a directory that has everything."""
    now = datetime(2026, 11, 22, tzinfo=timezone.utc)
    totals = Totals()
    totals.add(Run(True, 1.0, {"ListSecrets": 1}), now)
    certificate = CertificateNumbers("a", "/c/a.pem", "a.example.com", 0, 2, 1, True, {"disk": True})
    text = render("/c", [certificate], totals, names=names, now=now).decode()
    return dict(line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE "))


def exposed_of_issuing() -> dict[str, str]:
    """Metric -> type, of a run that has everything."""
    now = datetime(2026, 11, 22, tzinfo=timezone.utc)
    numbers = IssuanceNumbers()
    numbers.add(True, now)
    numbers.see({"certificates": [{"name": "a", "action": "held"}]}, [LimitLeft("https://ca/dir", "orders", 1, 300)])
    text = render_issuance(numbers, "journal").decode()
    return dict(line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE "))


def text_of_pushing() -> str:
    """Of a run that has everything."""
    now = datetime(2026, 11, 22, tzinfo=timezone.utc)
    numbers = PushNumbers()
    numbers.add(True, now)
    numbers.see_run([{"name": "h", "lineages": [{"outcome": "owed", "fault": "unreachable"}]}])
    entry = OwedEntry("h", "a", "ab" * 32, "2026-11-21T00:00:00Z")
    numbers.see_queue(["h"], [entry], [entry], bad=1)
    numbers.see_lineages({"a": "2027-02-24T07:00:00Z"})
    return render_push(numbers, "/q").decode()


def exposed_of_pushing() -> dict[str, str]:
    """Metric -> type."""
    return dict(line.split()[2:] for line in text_of_pushing().splitlines() if line.startswith("# TYPE "))


def text_of_endpoints() -> str:
    """Of a registry that has everything, and of a receiver that has not got everything. Two files, here in one."""
    now = datetime(2026, 11, 22, tzinfo=timezone.utc)
    leaf = SeenCertificate("ab" * 32, "", "", b"", not_before=now, not_after=now)
    state = AddressState(("h", 443), "192.0.2.1", "served", now, now, leaf.fingerprint_sha256, trusted=True)
    view = EndpointView(WatchedEndpoint("web", "h"), now, (state,), (), {leaf.fingerprint_sha256: leaf})
    numbers = render_endpoints(list(standings([view], now)), now, [DeployedEndpoint("web", "h", 443, True)])
    return (numbers + render_deliveries("chat", left=1, oldest=now, succeeded=False, now=now)).decode()


def exposed_of_endpoints() -> dict[str, str]:
    """Metric -> type."""
    return dict(line.split()[2:] for line in text_of_endpoints().splitlines() if line.startswith("# TYPE "))


def documented(heading: str) -> dict[str, str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `")]
    return {name: kind.strip() for names, kind in rows for name in re.findall(r"`(\w+)`", names)}


ALL_EXPOSED = {*exposed("conforming"), *exposed_of_issuing(), *exposed_of_pushing(), *exposed_of_endpoints()}


def test_promtool_accepts_the_rules() -> None:
    assert promtool("check", "rules", str(RULES))[0] == 0


def test_prometheus_takes_the_configuration() -> None:
    code, output = promtool("check", "config", str(CONFIGURATION))
    assert code == 0, output
    assert "1 rule files found" in output, "the rules are found beside it"
    (job,) = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["scrape_configs"]
    assert {target.rpartition(":")[2] for config in job["static_configs"] for target in config["targets"]} == {"9100"}


def test_no_metrics_unless_they_are_wanted(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    scene.store("a")
    without = scene.rotate()
    assert without.returncode == 0, without.output
    memory = scene.haproxy.certs_dir / ".certops" / "metrics.json"
    assert not memory.exists()
    textfile = tmp_path / "rotation.prom"
    assert scene.rotate(metrics_textfile=str(textfile)).modules == ["haproxy_rotation"]
    assert memory.exists()
    assert textfile.exists()


def test_the_alerts_fire_when_they_should() -> None:
    code, output = promtool("test", "rules", str(RULE_TESTS))
    assert code == 0, output


def test_every_alert_is_tested_and_documented() -> None:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    alerts = {rule["alert"]: rule["labels"]["severity"] for rule in group["rules"]}
    cases = yaml.safe_load(RULE_TESTS.read_text(encoding="utf-8"))["tests"]
    fired = {test["alertname"] for case in cases for test in case["alert_rule_test"] if test["exp_alerts"]}
    assert fired == set(alerts)
    assert documented("Alerts") == alerts


def test_the_rules_use_metrics_that_exist() -> None:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    used = {name for rule in group["rules"] for name in NAME.findall(rule["expr"])}
    assert used
    assert used <= ALL_EXPOSED | OF_NODE_EXPORTER


@pytest.mark.parametrize(("heading", "names"), [("Metrics", "conforming"), ("The names of older tools", "compatible")])
def test_the_tables_are_complete(heading: str, names: str) -> None:
    assert documented(heading) == exposed(names)


def test_the_table_of_issuing_is_complete() -> None:
    assert documented("Metrics of issuing") == exposed_of_issuing()


def test_the_table_of_pushing_is_complete() -> None:
    assert documented("Metrics of pushing") == exposed_of_pushing()


def test_the_table_of_endpoints_is_complete() -> None:
    assert documented("Metrics of endpoints") == exposed_of_endpoints()


def test_promtool_accepts_the_metrics_of_endpoints() -> None:
    assert promtool("check", "metrics", text=text_of_endpoints()) == (0, "")


def test_promtool_accepts_the_metrics_of_pushing() -> None:
    assert promtool("check", "metrics", text=text_of_pushing()) == (0, "")


def test_promtool_accepts_the_metrics_of_issuing() -> None:
    numbers = IssuanceNumbers()
    numbers.add(True, datetime(2026, 11, 22, tzinfo=timezone.utc))
    item = {"name": "a", "action": "held", "not_after": "2027-02-24T07:00:00Z", "held_until": "2026-11-26T11:00:00Z"}
    numbers.see({"certificates": [item]}, [LimitLeft("https://ca/dir", "orders", 1, 300)])
    assert promtool("check", "metrics", text=render_issuance(numbers, "journal").decode()) == (0, "")


def test_the_dashboard_uses_metrics_that_exist() -> None:
    dashboard = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    used = {name.removesuffix("_bucket") for query in queries for name in NAME.findall(query)}
    assert used <= ALL_EXPOSED
    # Prometheus itself parses every query, once Grafana's variables have values.
    filled = [query.replace("$__rate_interval", "5m") for query in queries]
    rules = {"groups": [{"name": "dashboard", "rules": [{"record": "a:b", "expr": query} for query in filled]}]}
    code, output = promtool("check", "rules", "--lint=none", "/dev/stdin", text=json.dumps(rules))
    assert code == 0, output


def test_nothing_overlaps_on_the_dashboard() -> None:
    dashboard = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for position in (panel["gridPos"] for panel in dashboard["panels"]):
        cells = {
            (x, y)
            for x in range(position["x"], position["x"] + position["w"])
            for y in range(position["y"], position["y"] + position["h"])
        }
        assert not cells & taken
        assert max(x for x, _y in cells) < 24
        taken |= cells
