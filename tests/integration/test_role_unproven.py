# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook rotate where the proof cannot be had: what is activated stays, and everybody is told why."""

from __future__ import annotations

import json
import pathlib
import typing as t

from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun
from ansible_collections.certops.rotation.tests.support.ports import free_port

UNPROVEN = "certops_certificate_unproven"


def metric(textfile: pathlib.Path, name: str, *labels: str) -> float:
    """The one series with these labels."""
    lines = [line for line in textfile.read_text().splitlines() if line.startswith(name)]
    (line,) = [line for line in lines if all(label in line for label in labels)]
    return float(line.rsplit(" ", 1)[1])


def configure(scene: rotation.Scene, binds: str) -> None:
    """More listeners, in HAProxy's configuration and in its memory."""
    scene.haproxy.write_config(f"frontend more\n{binds}" if binds else "")
    assert scene.haproxy.reload(), scene.haproxy.log


def manifest_mark(scene: rotation.Scene, name: str) -> tuple[bool, bool]:
    """Whether its current version is marked as proven, and as loaded."""
    run = scene.rotate(check=True)
    (item,) = [item for item in run.result("haproxy_rotation")["certificates"] if item["name"] == name]
    return item["proven"], item["loaded"]


def changes(run: PlaybookRun) -> tuple[list[str], str, list[str]]:
    """Certificates whose files are others now, how HAProxy was told, and what went back."""
    result = run.result("haproxy_rotation")
    written = [item["name"] for item in result["certificates"] if item["action"] != "unchanged"]
    return written, result["activation"], result["rolled_back"]


def test_a_listener_that_does_not_answer_takes_nothing_back(aws: MotoServer, tmp_path: pathlib.Path) -> None:
    """It fails the run, or warns; record, metrics, report and status say why, and the next run asks again."""
    with rotation.scene(aws) as scene:
        old = scene.store("a")
        textfile, report = tmp_path / "rotation.prom", tmp_path / "report.json"
        metrics = {"metrics_textfile": str(textfile), "metrics_names": "conforming"}
        assert scene.rotate(**metrics).returncode == 0
        assert metric(textfile, UNPROVEN, 'cause="unanswered"') == 0
        # As a limit on the listener does that is exhausted by somebody else.
        rules = "  tcp-request connection reject\n"
        configure(scene, f"  bind 127.0.0.1:{free_port()} ssl crt {scene.haproxy.certs_dir}\n{rules}")

        new = scene.store("a")
        scene.variables["rotation_report_file"] = str(report)
        run = scene.rotate(**metrics)
        assert run.returncode != 0
        assert "1 of 1 certificates are not proven, because" in run.error
        assert "connection " in run.error
        assert "What is not proven stays in place, and the next run asks again." in run.error
        assert scene.file("a").read_text() == new.combined_pem
        assert scene.served("a") == new.fingerprint_sha256 != old.fingerprint_sha256
        assert scene.state()["outcome"] == "unproven"
        assert "connection " in scene.state()["not_proven"]["web/a"]
        assert scene.state()["certificates"]["web/a"]["proven"] is False
        assert metric(textfile, UNPROVEN, 'cause="unanswered"') == 1
        assert metric(textfile, "certops_last_run_success") == 0
        assert run.result("haproxy_rotation")["rolled_back"] == []
        (host,) = json.loads(report.read_text())["hosts"].values()
        assert (host["outcome"], list(host["not_proven"])) == ("failed", ["web/a"])
        assert "0 of 1, 1 unasked" in run.output

        worker = scene.haproxy.worker_pid()
        lax = scene.rotate(**metrics, on_unproven="warn")
        assert lax.returncode == 0, lax.output
        assert lax.changed == ["Rotate certificates"]
        assert changes(lax) == ([], "none", []), "how it ended is news, nothing else is"
        assert "not proven, because" in lax.output
        assert (scene.haproxy.worker_pid(), scene.state()["outcome"]) == (worker, "proven")
        assert manifest_mark(scene, "web/a") == (False, True)

        configure(scene, "")
        run = scene.rotate(**metrics)
        assert run.returncode == 0, run.output
        assert changes(run) == ([], "none", []), "it is loaded; only the proof was missing"
        assert scene.state()["newly_proven"] == ["web/a"]
        assert scene.state()["not_proven"] == {}
        assert metric(textfile, UNPROVEN, 'cause="unanswered"') == 0
        assert manifest_mark(scene, "web/a") == (True, False)
        assert scene.rotate(**metrics).changed == []


def test_what_cannot_be_asked_by_its_nature_is_no_failure(aws: MotoServer, tmp_path: pathlib.Path) -> None:
    """The standby host of a pair: HAProxy listens on an address that the other one holds. One reload, and no more."""
    with rotation.scene(aws, tls=("crt {certs}/default.pem",)) as scene:
        configure(scene, f"  bind 198.51.100.7:443 transparent ssl crt {scene.haproxy.certs_dir}\n")
        textfile = tmp_path / "rotation.prom"
        variables: dict[str, t.Any] = {"metrics_textfile": str(textfile), "socket": "", "reload_methods": ["master"]}
        scene.store("a")
        run = scene.rotate(**variables)
        assert run.returncode == 0, run.output
        assert "198.51.100.7:443 is no address of this host now" in run.output.replace("\n", " ")
        assert scene.state()["outcome"] == "proven"
        assert list(scene.state()["not_proven"]) == ["web/a"]
        assert metric(textfile, UNPROVEN, 'cause="unasked"') == 1
        assert metric(textfile, "certops_certificate_served") == 0
        assert metric(textfile, "certops_last_run_success") == 1
        worker = scene.haproxy.worker_pid()
        again = scene.rotate(**variables)
        assert (again.returncode, again.changed) == (0, []), again.output
        assert list(again.result("haproxy_rotation")["not_proven"]) == ["web/a"], "it asks again"
        assert scene.haproxy.worker_pid() == worker, "and does not reload for it"
        assert manifest_mark(scene, "web/a") == (False, True)

        # It becomes the active one: what it serves is seen now.
        configure(scene, f"  bind 127.0.0.1:{free_port()} ssl crt {scene.haproxy.certs_dir}\n")
        run = scene.rotate(**variables)
        assert run.returncode == 0, run.output
        assert scene.state()["newly_proven"] == ["web/a"]
        assert manifest_mark(scene, "web/a") == (True, False)


def test_a_new_certificate_that_sorts_first_is_added_without_a_reload_and_stays(aws: MotoServer) -> None:
    with rotation.scene(aws) as scene:
        worker = scene.haproxy.worker_pid()
        issued = scene.authority.issue("first.example.com")
        scene.aws.put_secret("a/first", issued.secret_document())
        run = scene.rotate(name_prefix="a/")
        assert run.returncode == 0, run.output
        names = sorted(path.name for path in scene.haproxy.certs_dir.iterdir())
        assert names.index("a_first.pem") < names.index("default.pem")
        assert scene.served("first") == issued.fingerprint_sha256
        assert scene.state()["newly_proven"] == ["a/first"]
        assert scene.haproxy.worker_pid() == worker
        assert scene.rotate(name_prefix="a/").changed == []
        # After a reload it is the default one, and the proof knows that, too.
        assert scene.haproxy.reload()
        newer = scene.authority.issue("first.example.com")
        scene.aws.put_secret("a/first", newer.secret_document())
        assert scene.rotate(name_prefix="a/").returncode == 0
        assert scene.served("nobody") == newer.fingerprint_sha256


def test_a_proof_that_ends_early_leaves_record_metrics_and_a_message(aws: MotoServer, tmp_path: pathlib.Path) -> None:
    with rotation.scene(aws) as scene:
        old = scene.store("a")
        textfile = tmp_path / "rotation.prom"
        metrics = {"metrics_textfile": str(textfile), "metrics_names": "conforming"}
        assert scene.rotate(**metrics).returncode == 0
        # Somebody changes the configuration, and has not reloaded yet.
        scene.haproxy.write_config("frontend new\n  bind :1 ssl crt-list /absent/crt-list.txt\n")
        new = scene.store("a")
        run = scene.rotate(**metrics)
        assert run.returncode != 0
        assert "Not proven, the proof ended early: Cannot read /absent/crt-list.txt" in run.error
        assert scene.served("a") == new.fingerprint_sha256 != old.fingerprint_sha256
        assert scene.file("a").read_text() == new.combined_pem
        assert scene.state()["outcome"] == "unproven"
        assert "ended early" in scene.state()["recent_errors"][-1]["message"]
        assert metric(textfile, "certops_last_run_success") == 0
        assert run.result("haproxy_rotation")["rolled_back"] == []
        scene.haproxy.write_config()
        run = scene.rotate(**metrics)
        assert run.returncode == 0, run.output
        assert scene.state()["newly_proven"] == ["web/a"]


def test_one_that_is_wrong_goes_back_and_one_that_was_not_answered_stays(aws: MotoServer) -> None:
    """And the rollback, whose own proof is not answered either, says so."""
    with rotation.scene(aws, certificates={"../first.pem": ""}) as scene:
        old = scene.store("a")
        scene.store("b")
        first = scene.haproxy.directory / "first.pem"
        first.write_text(old.combined_pem)
        silent = f"  bind 127.0.0.1:{free_port()} ssl crt {scene.haproxy.certs_dir}\n  tcp-request connection reject\n"
        shadow = f"  bind 127.0.0.1:{free_port()} ssl crt {first} crt {scene.haproxy.certs_dir}/web_a.pem\n"
        assert scene.rotate().returncode == 0
        configure(scene, f"{silent}frontend shadow\n{shadow}")
        scene.store("a")
        b = scene.store("b")
        run = scene.rotate()
        assert run.returncode != 0
        assert "1 of 2 certificates are not served" in run.error
        assert "1 of 2 certificates are not proven, because" in run.error
        assert "Rolled back 1 certificate on disk and in HAProxy." in run.error
        assert "That the previous ones are served is not proven" in run.error
        assert scene.file("a").read_text() == old.combined_pem
        assert scene.served("a") == old.fingerprint_sha256
        assert scene.file("b").read_text() == b.combined_pem
        assert scene.served("b") == b.fingerprint_sha256
        assert scene.state()["outcome"] == "rolled_back"
