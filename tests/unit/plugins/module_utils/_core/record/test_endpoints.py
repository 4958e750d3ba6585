# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The numbers of endpoints: as Prometheus reads them."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.record.endpoints import (
    render_deliveries,
    render_endpoints,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import EndpointView
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import (
    AddressState,
    SeenCertificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.standing import standings
from prometheus_client.parser import text_string_to_metric_families

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
LEAF = SeenCertificate("aa" * 32, "", "", b"", not_before=NOW - 50 * DAY, not_after=NOW + 40 * DAY)


def state(address: str | None, reach: t.Any = "served", **more: t.Any) -> AddressState:
    return AddressState(("h", 443), address, reach, NOW - DAY, NOW, LEAF.fingerprint_sha256, **more)


def rendered(*states: AddressState, name: str = "web") -> dict[tuple[str, str], float]:
    """(metric without its prefix, address or condition) -> value."""
    shown = EndpointView(WatchedEndpoint(name, "h"), NOW, states, (), {LEAF.fingerprint_sha256: LEAF})
    text = render_endpoints(list(standings([shown], NOW)), NOW).decode()
    return {
        (
            sample.name.removeprefix("certops_endpoint_"),
            sample.labels.get("address", sample.labels.get("condition", "")),
        ): (sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_one_series_for_each_address() -> None:
    found = rendered(state("192.0.2.1", trusted=True), state("2001:db8::1", "unreachable", trusted=False))
    end = (NOW + 40 * DAY).timestamp()
    assert (
        found["not_after_timestamp_seconds", "192.0.2.1"] == found["not_after_timestamp_seconds", "2001:db8::1"] == end
    )
    assert found["renewal_timestamp_seconds", "192.0.2.1"] == end - 30 * 86400
    assert (found["served", "192.0.2.1"], found["served", "2001:db8::1"]) == (1, 0)
    assert found["trusted", "192.0.2.1"] == 1
    assert ("trusted", "2001:db8::1") not in found, "nobody could ask"
    assert (found["addresses", "good"], found["addresses", "unreachable"], found["addresses", "expired"]) == (1, 1, 0)
    assert found["report_timestamp_seconds", ""] == NOW.timestamp()


def test_what_no_scan_has_asked_is_counted_alone() -> None:
    found = rendered()
    assert found["addresses", "unseen"] == 1
    assert not [name for name, _address in found if name not in ("addresses", "report_timestamp_seconds")]


def test_two_kinds_of_keys_have_two_series() -> None:
    """Prometheus takes nothing of a file that has a series twice."""
    both = [state("192.0.2.1", key_type="rsa"), state("192.0.2.1", key_type="ecdsa")]
    shown = EndpointView(WatchedEndpoint("web", "h"), NOW, tuple(both), (), {LEAF.fingerprint_sha256: LEAF})
    series = [
        line.rpartition(" ")[0] for line in render_endpoints(list(standings([shown], NOW)), NOW).decode().splitlines()
    ]
    assert len(series) == len(set(series))
    assert len([each for each in series if each.startswith("certops_endpoint_served{")]) == 2


def test_a_name_that_does_not_resolve_has_a_series() -> None:
    assert rendered(state(None, "unreachable"))["served", ""] == 0


def test_names_cannot_break_the_text() -> None:
    hostile = 'a"} 1\ncertops_endpoint_served{x="\\\x1b[2J'
    text = render_endpoints(
        list(standings([EndpointView(WatchedEndpoint(hostile, "h"), NOW, (state("192.0.2.1"),))], NOW)), NOW
    ).decode()
    names = {
        sample.labels["name"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "name" in sample.labels
    }
    assert len(names) == 1
    assert "\x1b" not in text


def test_deliveries() -> None:
    text = render_deliveries("chat", left=2, oldest=NOW - DAY, succeeded=False, now=NOW).decode()
    found = {
        sample.name.removeprefix("certops_endpoint_events_"): (sample.labels["receiver"], sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found == {
        "undelivered": ("chat", 2),
        "oldest_undelivered_timestamp_seconds": ("chat", (NOW - DAY).timestamp()),
        "last_run_timestamp_seconds": ("chat", NOW.timestamp()),
        "last_run_success": ("chat", 0),
    }
    assert "oldest" not in render_deliveries("chat", left=0, oldest=None, succeeded=True, now=NOW).decode()
