# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The metrics as text for node_exporter's textfile collector, by prometheus_client. Pure; time is an argument.

There are two sets: names that follow the conventions of Prometheus, and the names of older tools, for their dashboards.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import typing as t
from datetime import datetime

with contextlib.suppress(ImportError):
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from ..text import shown
from .metrics import DURATION_BUCKETS, UNPROVEN, CertificateNumbers, Totals
from .status import LAYERS

if t.TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.registry import Collector

NAME_SETS = ("all", "conforming", "compatible")
_SECONDS_PER_DAY = 86400


def render(
    directory: str, certificates: t.Sequence[CertificateNumbers], totals: Totals, *, names: str, now: datetime
) -> bytes:
    """The whole textfile. directory: absolute path, the label of the conforming set; names: one of NAME_SETS."""
    families: list[Metric] = []
    if names != "compatible":
        families += [*_conforming_certificates(directory, certificates), *_conforming_totals(directory, totals)]
    if names != "conforming":
        families += _compatible(certificates, totals, now.timestamp())
    return exposition(families)


def exposition(families: t.Sequence[Metric]) -> bytes:
    """The text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(t.cast("Collector", _Families(families)))
    return generate_latest(registry)


class _Families:
    """What prometheus_client asks of a collector."""

    def __init__(self, families: t.Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> t.Iterable[Metric]:
        return self._families


def _conforming_certificates(directory: str, certificates: t.Sequence[CertificateNumbers]) -> t.Iterator[Metric]:
    def gauge(name: str, text: str, value: t.Callable[[CertificateNumbers], float]) -> Metric:
        family = GaugeMetricFamily(f"certops_certificate_{name}", text, labels=["directory", "secret", "path"])
        for certificate in certificates:
            family.add_metric([directory, shown(certificate.secret), shown(certificate.path)], value(certificate))
        return family

    yield _gauge(
        "certops_certificates_managed",
        "Certificates deployed to the directory.",
        len(certificates),
        {"directory": directory},
    )
    yield gauge("not_before_timestamp_seconds", "Begin of the validity.", lambda item: item.not_before)
    yield gauge("not_after_timestamp_seconds", "End of the validity.", lambda item: item.not_after)
    yield gauge(
        "renewal_timestamp_seconds",
        "When a new certificate should be there, by the lifetime of this one.",
        lambda item: item.renewal,
    )
    yield gauge("served", "Whether TLS handshakes have shown the deployed version.", lambda item: item.served)
    drift = GaugeMetricFamily(
        "certops_certificate_drift",
        "Whether a layer differed from what was deployed when it was last looked at.",
        labels=["directory", "secret", "path", "layer"],
    )
    for item in certificates:
        for layer in LAYERS:
            if layer in item.drift:
                drift.add_metric([directory, shown(item.secret), shown(item.path), layer], item.drift[layer])
    yield drift
    unproven = GaugeMetricFamily(
        "certops_certificate_unproven",
        "Whether the last proof could not be had: no answer, or nothing that can be asked.",
        labels=["directory", "secret", "path", "cause"],
    )
    for item in certificates:
        for cause in UNPROVEN:
            unproven.add_metric([directory, item.secret, item.path, cause], item.unproven == cause)
    yield unproven


def _conforming_totals(directory: str, totals: Totals) -> t.Iterator[Metric]:
    own = {"directory": directory}
    for name, text, counter, labels in (
        ("runs", "Runs of the rotation by how they ended.", "runs", ["status"]),
        ("aws_requests", "Requests to Secrets Manager, repeated ones too.", "requests", ["operation", "status"]),
        ("haproxy_reloads", "Reloads of HAProxy by result.", "reloads", ["status"]),
        ("haproxy_hot_updates", "Changes to certificates in the running HAProxy.", "hot_updates", ["status"]),
        ("certificate_changes", "Certificates created, updated and removed on disk.", "changes", ["action"]),
    ):
        yield _counter(f"certops_{name}", text, totals.counters[counter], labels, own)
    yield _histogram("certops_run_duration_seconds", "How long runs took.", totals, own)
    for name, text, value in (
        ("run_timestamp_seconds", "When the last run ended.", totals.last_run),
        ("success_timestamp_seconds", "When a run last ended well.", totals.last_success),
        ("run_success", "Whether the last run ended well.", totals.last_run_succeeded),
    ):
        if value is not None:
            yield _gauge(f"certops_last_{name}", text, value, own)
    problems = GaugeMetricFamily(
        "certops_last_run_problems",
        "What the last run failed for, by whose it is: the content's, the host's, or that of the source.",
        labels=[*own, "cause"],
    )
    for cause, count in totals.problems.items():
        problems.add_metric([*own.values(), cause], count)
    yield problems


def _compatible(certificates: t.Sequence[CertificateNumbers], totals: Totals, now: float) -> t.Iterator[Metric]:
    labels = ["cert_path", "domain"]
    days = GaugeMetricFamily("cert_expiry_days", "Whole days until the certificate expires.", labels=labels)
    expired = GaugeMetricFamily("cert_expired", "Whether the certificate has expired.", labels=labels)
    for item in certificates:
        remaining = math.floor((item.not_after - now) / _SECONDS_PER_DAY)
        days.add_metric([shown(item.path), shown(item.domain)], remaining)
        expired.add_metric([shown(item.path), shown(item.domain)], remaining < 0)
    yield days
    yield expired
    counters = totals.counters
    yield _counter("cert_sync_operations", "Runs by status.", counters["runs"], ("status",))
    yield _histogram("cert_sync_duration_seconds", "Duration of runs.", totals)
    for name in ("acm_requests", "secrets_requests"):
        yield _counter(name, "Requests to AWS.", counters["requests"], ("operation", "status"))
    yield _counter("haproxy_reload", "Reloads of HAProxy by status.", counters["reloads"], ("status",))
    yield _gauge("certificates_managed_total", "Number of managed certificates.", len(certificates))
    if totals.last_success is not None:
        yield _gauge("last_sync_timestamp_seconds", "When a run last ended well.", totals.last_success)
    changes = counters["changes"]
    yield _counter("cert_file_changes", "Certificate files changed by runs.", changes, ("change_type",))


def _gauge(name: str, text: str, value: float, own: t.Mapping[str, str] | None = None) -> Metric:
    own = own or {}
    family = GaugeMetricFamily(name, text, labels=list(own))
    family.add_metric(list(own.values()), value)
    return family


def _counter(
    name: str,
    text: str,
    counts: t.Mapping[tuple[str, ...], int],
    labels: t.Sequence[str],
    own: t.Mapping[str, str] | None = None,
) -> Metric:
    """name: without _total, which prometheus_client adds."""
    own = own or {}
    family = CounterMetricFamily(name, text, labels=[*own, *labels])
    for values, count in sorted(counts.items()):
        family.add_metric([*own.values(), *values], count)
    return family


def _histogram(name: str, text: str, totals: Totals, own: t.Mapping[str, str] | None = None) -> Metric:
    own = own or {}
    family = HistogramMetricFamily(name, text, labels=list(own))
    bounds = [*map(str, DURATION_BUCKETS), "+Inf"]
    cumulative = zip(bounds, map(float, itertools.accumulate(totals.buckets)))
    family.add_metric(list(own.values()), list(cumulative), totals.duration_sum)
    return family
