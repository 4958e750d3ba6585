# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_metrics: every number is right, survives the run, and is read by a real node_exporter."""

from __future__ import annotations

import pathlib
import stat
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.prometheus import node_exporter, promtool, samples
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, warnings

COMPATIBLE = {
    "cert_expired",
    "cert_expiry_days",
    "cert_file_changes_total",
    "cert_sync_duration_seconds",
    "cert_sync_operations_total",
    "certificates_managed_total",
    "acm_requests_total",
    "haproxy_reload_total",
    "last_sync_timestamp_seconds",
    "secrets_requests_total",
}


LAYERS = ("source", "disk", "memory", "wire")


class Metrics:
    def __init__(
        self, target: SyncTarget, textfile: pathlib.Path, aws: MotoServer, authority: CertificateAuthority
    ) -> None:
        self.target = target
        self.aws = aws
        self.issue = authority.issue
        self.textfile = textfile

    def write(self, check: bool = False, **args: t.Any) -> ModuleRun:
        run = self.target.module("rotation_metrics", textfile=str(self.textfile), check=check, **args)
        assert not run.failed, run.output
        return run

    def count(self, **args: t.Any) -> dict[str, float]:
        """Count a run and return all samples."""
        self.write(**{"succeeded": True, **args})
        return self.samples()

    def samples(self) -> dict[str, float]:
        return samples(self.textfile.read_text())

    def own(self, name: str, **labels: str) -> str:
        """A series of the conforming set."""
        pairs = {"directory": str(self.target.path), **labels}
        return f"certops_{name}{{" + ",".join(f'{key}="{value}"' for key, value in sorted(pairs.items())) + "}"


@pytest.fixture
def metrics(aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority, tmp_path: pathlib.Path) -> Metrics:
    for name in ("web/a", "web/b"):
        aws.put_secret(name, intermediate.issue([f"{name[-1]}.example.com"]).secret_document())
    target.sync(name_prefix="web/")
    (tmp_path / "textfiles").mkdir()
    return Metrics(target, tmp_path / "textfiles" / "rotation.prom", aws, intermediate)


def families(text: str) -> list[str]:
    return [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]


def test_the_names_of_older_tools(metrics: Metrics) -> None:
    found = metrics.count(
        names="compatible",
        started_at=time.time() - 3,
        requests={"ListSecrets": 3},
        request_errors={"ListSecrets": 1},
        reloads={"success": 1, "error": 2},
        changes={"created": 2},
    )
    text = metrics.textfile.read_text()
    assert set(families(text)) == COMPATIBLE
    path = metrics.target.path / "web_a.pem"
    labels = f'{{cert_path="{path}",domain="a.example.com"}}'
    assert found[f"cert_expired{labels}"] == 0
    assert 0 < found[f"cert_expiry_days{labels}"] == int(found[f"cert_expiry_days{labels}"])
    assert found["certificates_managed_total"] == 2
    assert found['cert_sync_operations_total{status="success"}'] == 1
    assert found['cert_sync_operations_total{status="error"}'] == 0
    for name in ("acm_requests_total", "secrets_requests_total"):
        assert found[f'{name}{{operation="ListSecrets",status="success"}}'] == 2
        assert found[f'{name}{{operation="ListSecrets",status="error"}}'] == 1
    assert found['haproxy_reload_total{status="success"}'] == 1
    assert found['haproxy_reload_total{status="error"}'] == 2
    assert found['cert_file_changes_total{change_type="created"}'] == 2
    assert found["cert_sync_duration_seconds_count"] == 1
    assert found["cert_sync_duration_seconds_sum"] >= 3
    assert abs(found["last_sync_timestamp_seconds"] - time.time()) < 300


def test_totals_are_kept_between_runs_and_only_success_is_one(metrics: Metrics) -> None:
    metrics.count(started_at=time.time() - 4, requests={"ListSecrets": 1})
    before = metrics.samples()
    after = metrics.count(succeeded=False, started_at=time.time() - 1000, requests={"ListSecrets": 1})
    assert after[metrics.own("runs_total", status="success")] == 1
    assert after[metrics.own("runs_total", status="error")] == 1
    assert after[metrics.own("aws_requests_total", operation="ListSecrets", status="success")] == 2
    assert after[metrics.own("run_duration_seconds_count")] == 2
    assert after[metrics.own("run_duration_seconds_bucket", le="300.0")] == 1
    assert after[metrics.own("run_duration_seconds_bucket", le="+Inf")] == 2
    assert after[metrics.own("run_duration_seconds_bucket", le="2.5")] == 0
    last = metrics.own("last_success_timestamp_seconds")
    assert after[last] == before[last] == after["last_sync_timestamp_seconds"]
    assert after[metrics.own("last_run_success")] == 0


def test_the_series_of_a_removed_certificate_end(metrics: Metrics, aws: MotoServer) -> None:
    assert any("web_b.pem" in series for series in metrics.count())
    aws.client().delete_secret(SecretId="web/b", ForceDeleteWithoutRecovery=True)
    metrics.target.sync(name_prefix="web/", prune=True)
    found = metrics.count()
    assert not [series for series in found if "web_b.pem" in series or "web/b" in series]
    assert found["certificates_managed_total"] == 1


def test_dates_and_state_of_each_certificate(metrics: Metrics) -> None:
    path = str(metrics.target.path / "web_a.pem")
    labels = {"secret": "web/a", "path": path}
    found = metrics.count()
    begin, end, renewal = (
        found[metrics.own(f"certificate_{name}_timestamp_seconds", **labels)]
        for name in ("not_before", "not_after", "renewal")
    )
    assert begin < renewal < end
    assert end - renewal <= (end - begin) / 2
    assert found[metrics.own("certificate_served", **labels)] == 0
    assert found[metrics.own("certificate_drift", **labels, layer="disk")] == 0
    metrics.target.module("rotation_record", outcome="proven", names=["web/a"])
    pathlib.Path(path).write_text("not ours")
    found = metrics.count()
    assert found[metrics.own("certificate_served", **labels)] == 1
    assert found[metrics.own("certificate_drift", **labels, layer="disk")] == 1


def test_each_layer_that_is_known(metrics: Metrics) -> None:
    labels = {"secret": "web/a", "path": str(metrics.target.path / "web_a.pem")}

    def drift() -> dict[str, float]:
        found = metrics.samples()
        series = {layer: metrics.own("certificate_drift", **labels, layer=layer) for layer in LAYERS}
        return {layer: found[name] for layer, name in series.items() if name in found}

    seen = {"source": "differs", "disk": "absent", "memory": "ok", "wire": "absent"}
    looks = {"layers": [{"name": "web/a", "layers": seen, "proven": True}]}
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        assert metrics.write(check=check, **looks).result["changed"] is changed
    # The disk it has seen itself.
    assert drift() == {"source": 1, "disk": 0, "memory": 0, "wire": 1}
    metrics.count(layers=[{"name": "web/a", "layers": {"source": "ok", "wire": "unknown"}}])
    assert drift() == {"source": 0, "disk": 0, "memory": 0}
    metrics.count()
    assert drift() == {"source": 0, "disk": 0, "memory": 0}
    # Another version is deployed, of which only the disk is known.
    metrics.aws.put_secret("web/a", metrics.issue("a.example.com").secret_document())
    metrics.target.sync(name_prefix="web/")
    metrics.count()
    assert drift() == {"disk": 0}


def test_prometheus_own_linter_has_nothing_to_say(metrics: Metrics) -> None:
    run = {"started_at": time.time(), "requests": {"ListSecrets": 1}, "reloads": {"success": 1}}
    run["layers"] = [{"name": "web/a", "layers": {"source": "ok", "memory": "differs", "wire": "absent"}}]
    metrics.count(names="conforming", **run)
    text = metrics.textfile.read_text()
    assert all(name.startswith("certops_") for name in families(text))
    assert promtool("check", "metrics", text=text) == (0, "")
    metrics.count(**run)
    text = metrics.textfile.read_text()
    names = families(text)
    assert len(names) == len(set(names)) == text.count("# HELP ")
    assert {name for name in names if not name.startswith("certops_")} == COMPATIBLE


def test_a_real_node_exporter_reads_all_of_it(metrics: Metrics) -> None:
    written = metrics.count(started_at=time.time(), requests={"ListSecrets": 1})
    assert stat.S_IMODE(metrics.textfile.stat().st_mode) == 0o644
    assert list(metrics.textfile.parent.iterdir()) == [metrics.textfile]
    with node_exporter(metrics.textfile.parent) as exporter:
        scraped = exporter.scrape()
        assert scraped["node_textfile_scrape_error"] == 0
        exported = {sort_labels(series): value for series, value in scraped.items()}
        for series, value in written.items():
            assert exported[sort_labels(series)] == pytest.approx(value), series
        metrics.count(succeeded=False)
        assert exporter.scrape()['cert_sync_operations_total{status="error"}'] == 1


def sort_labels(series: str) -> tuple[str, ...]:
    name, _brace, labels = series.rstrip("}").partition("{")
    # node_exporter prints bounds in its own way: 1 for 1.0
    return (name, *sorted(labels.replace('.0"', '"').split(",")))


def test_four_times(metrics: Metrics) -> None:
    """Check, run, check, run: a rewrite that changes nothing says so, and check mode writes nothing."""
    before = metrics.target.snapshot()
    assert metrics.write(check=True).result["changed"] is True
    assert not metrics.textfile.exists()
    assert metrics.write().result["changed"] is True
    content = metrics.textfile.read_text()
    assert metrics.write(check=True).result["changed"] is False
    assert metrics.write().result["changed"] is False
    assert metrics.write(check=True, succeeded=True).result["changed"] is True
    assert metrics.textfile.read_text() == content
    assert metrics.target.snapshot() == before
    diff = metrics.write(names="compatible").result["diff"]
    assert diff["before"] == content
    assert diff["after"] == metrics.textfile.read_text() != content


def test_damaged_totals_start_again(metrics: Metrics) -> None:
    metrics.count()
    (metrics.target.path / ".certops" / "metrics.json").write_text('{"format": 1}')
    run = metrics.write(succeeded=True)
    assert "start again at zero" in warnings(run)
    assert metrics.samples()['cert_sync_operations_total{status="success"}'] == 1


def test_a_host_without_a_directory_tells_its_failure(metrics: Metrics, tmp_path: pathlib.Path) -> None:
    metrics.target.path = tmp_path / "none"
    found = metrics.count(succeeded=False)
    assert found[metrics.own("last_run_success")] == 0
    assert found[metrics.own("certificates_managed")] == 0
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"textfile": "/tmp/rotation.txt"}, "must be an absolute path that ends in .prom"),
        ({"textfile": "/nonexistent/rotation.prom"}, "Create the parent directory"),
        ({"succeeded": True, "reloads": {"success": "often"}}, "reloads: each value must be a number"),
        ({"succeeded": True, "requests": {"ListSecrets": -1}}, "requests: each value must be a number"),
        ({"layers": [{"name": "web/a", "layers": {"cache": "ok"}}]}, "layers: each needs a name, and layers:"),
        ({"layers": [{"layers": {"wire": "ok"}}]}, "layers: each needs a name"),
    ],
)
def test_what_cannot_be_is_refused(metrics: Metrics, options: dict[str, t.Any], message: str) -> None:
    run = metrics.target.module("rotation_metrics", **{"textfile": str(metrics.textfile), **options})
    assert run.failed
    assert message in run.result["msg"]
    assert not metrics.textfile.exists()


def test_the_role_counts_every_run(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    textfile = tmp_path / "rotation.prom"
    scene.variables["haproxy_certificates_metrics_textfile"] = str(textfile)
    scene.store("a")
    run = scene.rotate(check=True)
    assert run.returncode == 0, run.output
    assert not textfile.exists()
    run = scene.rotate()
    assert run.returncode == 0, run.output
    found = samples(textfile.read_text())
    assert found['cert_sync_operations_total{status="success"}'] == 1
    assert found['cert_file_changes_total{change_type="created"}'] == 1
    assert found['secrets_requests_total{operation="ListSecrets",status="success"}'] == 1
    directory = f'directory="{scene.haproxy.certs_dir}"'
    assert found[f'certops_haproxy_hot_updates_total{{{directory},status="success"}}'] == 1
    assert found["cert_sync_duration_seconds_count"] == 1
    for layer in LAYERS:
        (series,) = [name for name in found if name.startswith("certops_certificate_drift") and f'"{layer}"' in name]
        assert found[series] == 0

    unchanged = scene.rotate()
    assert unchanged.modules == ["haproxy_rotation"]
    assert unchanged.changed == []

    scene.store("a")
    scene.haproxy.stop()
    failed = scene.rotate(reload_methods=["master"])
    assert failed.returncode == 2
    found = samples(textfile.read_text())
    assert found['cert_sync_operations_total{status="success"}'] == 2
    assert found['cert_sync_operations_total{status="error"}'] == 1
    assert found['cert_file_changes_total{change_type="updated"}'] == 1
    assert found['haproxy_reload_total{status="error"}'] == 1
    assert found[f"certops_last_run_success{{{directory}}}"] == 0
    assert found[f'certops_last_run_problems{{cause="host",{directory}}}'] == 1
    assert found[f'certops_last_run_problems{{cause="content",{directory}}}'] == 0
    # On disk there is another version, and nobody has seen what HAProxy would do with it.
    assert [name for name in found if name.startswith("certops_certificate_drift") and '"wire"' in name] == []

    denied = scene.rotate(aws={"endpoint_url": "http://127.0.0.1:9", "aws_config": {"connect_timeout": 1}})
    assert denied.returncode == 2
    found = samples(textfile.read_text())
    assert found['cert_sync_operations_total{status="error"}'] == 2
    assert found['acm_requests_total{operation="ListSecrets",status="error"}'] > 0

    scene.rotate(config=["/nonexistent/haproxy.cfg"])
    assert samples(textfile.read_text())['cert_sync_operations_total{status="error"}'] == 3
