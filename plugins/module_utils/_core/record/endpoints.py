# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The numbers of watched endpoints as text for node_exporter's textfile collector. Pure; time is an argument.

All of it is what the registry says now, so the file has no memory of its own.
"""

from __future__ import annotations

import contextlib
import typing as t
from datetime import datetime

with contextlib.suppress(ImportError):
    from prometheus_client.core import GaugeMetricFamily

from ..text import shown
from ..watch.standing import count_by_condition
from .textfile import exposition

if t.TYPE_CHECKING:
    from prometheus_client import Metric

    from ..watch.standing import AddressStanding

_PREFIX: t.Final = "certops_endpoint_"
_OF_EVENTS: t.Final = "certops_endpoint_events_"
_LABELS: t.Final = ("name", "host", "port", "address", "key_type")


class DeployedEndpoint(t.NamedTuple):
    """One for which the fleet has deployed something. served: whether it serves that at each address that was asked."""

    name: str
    host: str
    port: int
    served: bool


def render_endpoints(
    found: t.Sequence[AddressStanding], now: datetime, deployed: t.Sequence[DeployedEndpoint] = ()
) -> bytes:
    """The whole textfile. found: of all endpoints that are enabled, each address and kind of key once."""
    families: list[Metric] = [
        _gauge_of(
            "not_before_timestamp_seconds",
            "Begin of the validity of the certificate that was seen last.",
            found,
            lambda each: _seconds(each.certificate.not_before if each.certificate else None),
        ),
        _gauge_of(
            "not_after_timestamp_seconds",
            "End of the validity of what is needed of the chain that was seen last.",
            found,
            lambda each: _seconds(each.ends),
        ),
        _gauge_of(
            "renewal_timestamp_seconds",
            "When another certificate should be served, by the lifetime of this one.",
            found,
            lambda each: _seconds(each.renewal),
        ),
        _gauge_of(
            "served",
            "Whether a certificate came when the address was last asked.",
            found,
            lambda each: float(each.served) if each.state else None,
        ),
        _gauge_of(
            "failed_scans",
            "Scans in a row without a certificate.",
            found,
            lambda each: float(each.state.failures) if each.state else None,
        ),
        _gauge_of(
            "trusted",
            "Whether the certificate was trusted when the address was last asked, where that was asked for.",
            found,
            _trusted,
        ),
        _gauge_of(
            "last_scan_timestamp_seconds",
            "When the address was last asked.",
            found,
            lambda each: _seconds(each.state.last_seen if each.state else None),
        ),
    ]
    counts = GaugeMetricFamily(
        "certops_endpoint_addresses", "Addresses of watched endpoints by the worst that holds.", labels=["condition"]
    )
    for condition, count in count_by_condition(found).items():
        counts.add_metric([condition], count)
    families.append(counts)
    held = GaugeMetricFamily(
        "certops_endpoint_deployment_served",
        "Whether an endpoint serves what is deployed for it, where that is known.",
        labels=_LABELS[:3],
    )
    for each in deployed:
        held.add_metric([shown(each.name), shown(each.host), str(each.port)], float(each.served))
    families.append(held)
    written = GaugeMetricFamily("certops_endpoint_report_timestamp_seconds", "When this was read from the registry.")
    written.add_metric([], float(int(now.timestamp())))
    families.append(written)
    return exposition(families)


def render_deliveries(receiver: str, *, left: int, oldest: datetime | None, succeeded: bool, now: datetime) -> bytes:
    """The textfile of one receiver of events. left: not delivered yet; oldest: instant of the first of them."""
    values: list[tuple[str, str, float]] = [
        ("undelivered", "Events that the receiver has not got yet.", float(left)),
        ("last_run_timestamp_seconds", "When the last run that delivers ended.", float(int(now.timestamp()))),
        ("last_run_success", "Whether the last run delivered all that it tried.", float(succeeded)),
    ]
    if oldest is not None:
        text = "When the oldest event that the receiver has not got yet happened."
        values.append(("oldest_undelivered_timestamp_seconds", text, float(int(oldest.timestamp()))))
    families: list[Metric] = []
    for name, text, value in values:
        family = GaugeMetricFamily(_OF_EVENTS + name, text, labels=["receiver"])
        family.add_metric([shown(receiver)], value)
        families.append(family)
    return exposition(families)


def _gauge_of(
    name: str,
    text: str,
    found: t.Iterable[AddressStanding],
    value_of: t.Callable[[AddressStanding], float | None],
) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, text, labels=_LABELS)
    for each in found:
        value = value_of(each)
        if value is not None:
            state, endpoint = each.state, each.endpoint
            of_state = [state.address or "", state.key_type] if state else ["", ""]
            labels = [endpoint.name, endpoint.host, str(endpoint.port), *of_state]
            family.add_metric([shown(label) for label in labels], value)
    return family


def _trusted(standing: AddressStanding) -> float | None:
    """None where nobody asked: not that of long ago, of an address that does not answer now."""
    trusted = standing.state.trusted if standing.state and standing.served else None
    return None if trusted is None else float(trusted)


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else float(int(instant.timestamp()))
