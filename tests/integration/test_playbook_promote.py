# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook promote on a fleet of real HAProxys: canaries prove first, and whatever happens ends right by itself."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults, Body
from ansible_collections.certops.rotation.tests.support.ministack import MinistackServer
from ansible_collections.certops.rotation.tests.support.pki import IssuedCertificate
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun
from ansible_collections.certops.rotation.tests.support.promotion_fleet import (
    CANARIES,
    FLEET,
    LABEL,
    PromotionFleet,
    promotion_fleet,
)

NAMES = "abcdefghijklmnopqrstuv"


@pytest.fixture(scope="module")
def made(ministack: MinistackServer) -> t.Iterator[tuple[PromotionFleet, dict[str, IssuedCertificate]]]:
    ministack.reset()
    with promotion_fleet(ministack) as fleet:
        stored = fleet.store(*NAMES)
        run = fleet.rotate()
        assert run.returncode == 0, run.output
        yield fleet, stored


@pytest.fixture
def fleet(made: tuple[PromotionFleet, dict[str, IssuedCertificate]]) -> PromotionFleet:
    made[0].down = []
    made[0].variables = {}
    return made[0]


@pytest.fixture
def old(made: tuple[PromotionFleet, dict[str, IssuedCertificate]]) -> dict[str, str]:
    """Fingerprints of what all hosts serve at first."""
    return {name: issued.fingerprint_sha256 for name, issued in made[1].items()}


def names(*given: str) -> list[str]:
    return [f"web/{name}" for name in given]


def result(run: PlaybookRun) -> dict[str, t.Any]:
    """promotion_result of the run."""
    facts = [task.result["ansible_facts"] for task in run.tasks if "ansible_facts" in task.result]
    return dict([each["promotion_result"] for each in facts if "promotion_result" in each][-1])


def test_the_good_one_reaches_all_and_the_bad_one_nobody(fleet: PromotionFleet, old: dict[str, str]) -> None:
    good = fleet.stage("a")
    fleet.stage("b", fleet.authority.issue("other.example.com"))  # for a host, a name is missing then
    # Something on lb2 serves s from a copy of its file, which nobody renews.
    lb2 = fleet.haproxy["lb2"]
    copy = pathlib.Path(lb2.write_certificate("0.pem", (lb2.certs_dir / "web_s.pem").read_bytes()))
    assert lb2.reload()
    fleet.stage("s")
    before = fleet.labels("a"), fleet.labels("b")

    foreseen = fleet.promote(check=True, names=names("a", "b"))
    assert foreseen.returncode == 2, foreseen.output
    assert result(foreseen)["promoted"] == names("a")
    assert "would be promoted" in foreseen.output
    assert (fleet.labels("a"), fleet.labels("b")) == before
    assert fleet.served("a") == [old["a"]] * 3

    run = fleet.promote(names=names("a", "b", "s"))
    assert run.returncode == 2, run.output
    told = result(run)
    assert (told["promoted"], told["withdrawn"], told["held"]) == (names("a"), names("b", "s"), []), run.error
    assert "lb1 refused it" in run.error
    assert "lb2 has taken it back" in run.error
    assert "is not back" not in run.error
    assert fleet.served("s") == [old["s"]] * 3
    copy.unlink()
    assert lb2.reload()
    assert fleet.served("a") == [good.fingerprint_sha256] * 3
    assert fleet.served("b") == [old["b"]] * 3
    assert not [label for labels in fleet.labels("a").values() for label in labels if LABEL in label]
    assert not [label for labels in fleet.labels("b").values() for label in labels if LABEL in label]

    again = fleet.promote(names=names("a", "b"), more={"rotation_hosts": "haproxy"})
    assert again.returncode == 0, again.output
    assert again.modules == ["certificate_candidate_info"]
    assert result(again)["summary"] == "There is nothing to promote."


def test_a_canary_that_is_down(fleet: PromotionFleet, old: dict[str, str]) -> None:
    """It holds what is staged. What is withdrawn meanwhile it leaves by itself when it is there again."""
    new = {name: fleet.stage(name) for name in "cd"}
    assert fleet.rotate("lb2").returncode == 0
    fleet.down = ["lb2"]
    run = fleet.promote(names=names("c", "d"))
    assert run.returncode != 0
    assert result(run)["held"] == names("c", "d")
    assert "lb2 could not be asked" in run.error
    assert fleet.version("c", LABEL) is not None
    assert fleet.served("d") == [new["d"].fingerprint_sha256, new["d"].fingerprint_sha256, old["d"]]

    run = fleet.promote(names=names("d"), withdraw=True)
    assert run.returncode != 0, run.output
    assert result(run)["withdrawn"] == names("d")
    assert "lb2 is not back" in run.error
    assert fleet.version("d", LABEL) is None
    assert fleet.served("d") == [old["d"], new["d"].fingerprint_sha256, old["d"]]

    fleet.down = []
    run = fleet.promote(names=names("c"))
    assert run.returncode == 0, run.output
    assert fleet.served("c") == [new["c"].fingerprint_sha256] * 3
    assert fleet.served("d") == [old["d"]] * 3


DURING = """
import boto3, datetime, json, sys, uuid
work, name, document = sys.argv[1], sys.argv[2], sys.argv[3]
client = boto3.client("secretsmanager")
versions = client.describe_secret(SecretId=name)["VersionIdsToStages"]
of = {label: version for version, labels in versions.items() for label in labels}
if work == "stage":
    base = "CANDIDATE-ON-" + of["AWSCURRENT"]
    client.put_secret_value(SecretId=name, SecretString=document, VersionStages=["CANDIDATE", base],
                            ClientRequestToken=str(uuid.uuid4()))
elif work == "store":
    client.put_secret_value(SecretId=name, SecretString=document)
elif work == "withdraw":
    client.update_secret_version_stage(SecretId=name, VersionStage="CANDIDATE", RemoveFromVersionId=of["CANDIDATE"])
elif work in ("promote", "finish"):
    client.update_secret_version_stage(SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=of["CANDIDATE"],
                                       RemoveFromVersionId=of["AWSCURRENT"])
    for label in versions[of["CANDIDATE"]] if work == "finish" else ():
        client.update_secret_version_stage(SecretId=name, VersionStage=label, RemoveFromVersionId=of["CANDIDATE"])
elif work == "fail":
    sys.exit("the page looks odd")
"""


def test_what_others_do_while_it_soaks(
    fleet: PromotionFleet, old: dict[str, str], tmp_path: pathlib.Path, faulty_way: AwsFaults
) -> None:
    """A second candidate, another current version, withdrawn, promoted by another run, expired; and tasks that fail."""
    works = {
        "f": "stage",
        "g": "store",
        "h": "withdraw",
        "i": "promote",
        "j": "fail",
        "k": "expire",
        "l": "nothing",
        "t": "finish",
    }
    new = {name: fleet.stage(name) for name in works}
    others = {name: fleet.authority.issue(f"{name}.example.com") for name in works}
    (tmp_path / "during.py").write_text(DURING)
    tasks = [
        {
            "name": "Do what others do",
            "ansible.builtin.command": {
                "argv": [
                    sys.executable,
                    str(tmp_path / "during.py"),
                    "{{ works[promotion_candidate.name] }}",
                    "{{ promotion_candidate.name }}",
                    "{{ lookup('ansible.builtin.file', documents ~ '/' ~ promotion_candidate.name | basename) }}",
                ]
            },
            "no_log": True,
            "vars": {"works": {f"web/{name}": work for name, work in works.items()}, "documents": str(tmp_path)},
        },
    ]
    (tmp_path / "tasks.yml").write_text(json.dumps(tasks))
    for name, issued in others.items():
        (tmp_path / name).write_text(json.dumps(issued.secret_document()))

    # Time passes for k alone: when the controller reads it again, its dates are those of one that has expired.
    now = datetime.datetime.now(datetime.timezone.utc)
    dates = {"not_before": now - datetime.timedelta(days=9), "not_after": now - datetime.timedelta(seconds=1)}
    expired = fleet.authority.issue("k.example.com", **dates)
    looks = 0

    def read(_request: Body, reply: Body) -> Body:
        nonlocal looks
        if reply["Name"] != "web/k":
            return reply
        looks += 1
        return reply if looks == 1 else {**reply, "SecretString": json.dumps(expired.secret_document())}

    faulty_way.change("GetSecretValue", read)

    # Selected by the canaries' prefix: a listing of what has the label does not tell of those that have lost it.
    aws = {"endpoint_url": faulty_way.env["AWS_ENDPOINT_URL"]}
    run = fleet.promote(tasks=str(tmp_path / "tasks.yml"), aws=aws)
    assert run.returncode != 0
    told = result(run)
    assert told["promoted"] == names("i", "l", "t"), run.error
    assert told["failed"] == []
    assert told["held"] == names("f")
    assert told["withdrawn"] == names("g", "h", "j", "k")
    for said in (
        "while this run was under way",
        "another version has become",
        "has taken the label",
        "it has expired",
        "failed, with no_log",
    ):
        assert said in run.error, run.error
    serving = {name: fleet.served(name) for name in works}
    assert serving["f"][2] == old["f"]
    assert serving["g"] == [others["g"].fingerprint_sha256] * 2 + [serving["g"][2]]
    assert serving["h"] == [old["h"]] * 3
    assert serving["i"] == [new["i"].fingerprint_sha256] * 3
    assert serving["j"] == [old["j"]] * 3
    assert serving["k"] == [old["k"]] * 3
    assert serving["l"] == [new["l"].fingerprint_sha256] * 3
    assert serving["t"] == [new["t"].fingerprint_sha256] * 3
    assert fleet.version("f", LABEL) is not None

    run = fleet.promote(names=names(*works))
    assert run.returncode == 0, run.output
    assert result(run)["promoted"] == names("f")
    assert fleet.served("f") == [others["f"].fingerprint_sha256] * 3


def test_a_controller_that_dies_is_followed_by_another(
    fleet: PromotionFleet, old: dict[str, str], faulty_way: AwsFaults
) -> None:
    """While it soaks: the rest is waited for. And between the two calls that promote."""

    def staged_long_ago(_request: Body, reply: Body) -> Body:
        return {**reply, "CreatedDate": reply["CreatedDate"] - 3 * 3600}

    faulty_way.change("GetSecretValue", staged_long_ago)
    new = {name: fleet.stage(name) for name in "mn"}
    _killed_while_it_soaks(fleet, names("m"))
    assert fleet.served("m") == [new["m"].fingerprint_sha256] * 2 + [old["m"]]
    for host in CANARIES:
        _age_proofs(fleet.haproxy[host].certs_dir, hours=2)
    fleet.move("n", fleet.version("n", LABEL))  # and the label stayed

    aws = {"endpoint_url": faulty_way.env["AWS_ENDPOINT_URL"]}
    run = fleet.promote(names=names("m", "n"), soak="1h", aws=aws)
    assert run.returncode == 0, run.output
    assert result(run)["promoted"] == names("m", "n")
    for name, issued in new.items():
        assert fleet.served(name) == [issued.fingerprint_sha256] * 3
        assert fleet.version(name, LABEL) is None


def _killed_while_it_soaks(fleet: PromotionFleet, wanted: list[str]) -> None:
    inventory, output = fleet.directory / "all.json", fleet.directory / "killed.log"
    groups = {
        "haproxy": {"hosts": {host: {} for host in FLEET}, "vars": fleet.inventory()},
        "haproxy_canaries": {"hosts": {host: {} for host in CANARIES}},
    }
    inventory.write_text(json.dumps(groups))
    extra = json.dumps({"promotion_names": wanted, "promotion_soak": "1h"})
    with output.open("wb") as log:
        process = subprocess.Popen(
            ["ansible-playbook", "certops.rotation.promote", "-i", str(inventory), "-e", extra],
            env={**os.environ, **fleet.aws.env, "ANSIBLE_LOCALHOST_WARNING": "false"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + 180
            while "Wait until it has lasted" not in output.read_text() and process.poll() is None:
                assert time.monotonic() < deadline, output.read_text()
                time.sleep(0.1)
            assert process.poll() is None, output.read_text()
        finally:
            # Ansible gives its workers sessions of their own.
            for each in [process.pid, *_descendants(process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            process.wait(30)


def _descendants(pid: int) -> list[int]:
    found = [
        int(each) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children") for each in path.read_text().split()
    ]
    return [*found, *(each for child in found for each in _descendants(child))]


def _age_proofs(directory: pathlib.Path, **ago: float) -> None:
    manifest = directory / ".certops/manifest.json"
    document = json.loads(manifest.read_text())
    for entry in document["certificates"]:
        if entry["proven_at"]:
            then = datetime.datetime.fromisoformat(entry["proven_at"].replace("Z", "+00:00"))
            entry["proven_at"] = (then - datetime.timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    manifest.write_text(json.dumps(document))


def test_two_promotions_at_once(fleet: PromotionFleet) -> None:
    new = fleet.stage("o")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _n: fleet.promote(name_prefix="web/o"), range(2)))
    assert [run.returncode for run in runs] == [0, 0], "\n".join(run.output for run in runs)
    assert fleet.served("o") == [new.fingerprint_sha256] * 3
    assert fleet.version("o", LABEL) is None


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/broken": 500, "/moved": 302}.get(self.path, 200))
        self.send_header("Location", "/")
        self.end_headers()
        self.wfile.write(b"All is well.")

    def log_message(self, *_arguments: t.Any) -> None:
        pass


@pytest.fixture
def site() -> t.Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_lagging_listings_and_checks_of_ones_own(
    fleet: PromotionFleet, old: dict[str, str], site: str, faulty_way: AwsFaults
) -> None:
    new = fleet.stage("p")
    fleet.variables = {
        "haproxy_certificates_aws": {"endpoint_url": faulty_way.env["AWS_ENDPOINT_URL"]},
        "promotion_aws": {},
    }
    hidden = 2

    def lag(_request: Body, reply: Body) -> Body:
        nonlocal hidden
        hidden -= 1
        for secret in reply["SecretList"] if hidden >= 0 else ():
            for labels in secret["SecretVersionsToStages"].values():
                labels[:] = [label for label in labels if not label.startswith(LABEL)]
        return reply

    faulty_way.change("ListSecrets", lag)
    watching = {"prometheus": f"{site}/nobody", "query": "up", "expected": "== 1", "retries": 0}
    good = {"url": f"{site}/", "body": "All is well"}
    run = fleet.promote(names=names("p"), lag="2s", checks=[good, watching])
    assert result(run)["held"] == names("p"), run.output
    assert "check up: Prometheus gave no answer" in run.error
    assert fleet.served("p")[:2] == [new.fingerprint_sha256] * 2

    bad = {"name": "page", "url": f"{site}/broken", "retries": 1, "delay": 0}
    moved = {"name": "login", "url": f"{site}/moved", "retries": 0}
    # Another secret, which nobody has staged anything for, cannot be looked at once: it stops nothing.
    fleet.variables["promotion_aws"] = fleet.variables["haproxy_certificates_aws"]
    faulty_way.fail("DescribeSecret", "AccessDeniedException", times=1, when=lambda body: body["SecretId"] == "web/q")
    run = fleet.promote(names=names("p", "q"), checks=json.dumps([good, bad, moved]))
    assert run.returncode == 2
    assert result(run)["withdrawn"] == names("p")
    assert result(run)["held"] == names("q")
    assert "check page: status 500 instead of 200; check login: status 302 instead of 200" in run.error
    assert fleet.served("p") == [old["p"]] * 3


def test_a_fleet_whose_listings_lag_behind(fleet: PromotionFleet, old: dict[str, str], faulty_way: AwsFaults) -> None:
    """It follows once more when they have to know, and what a host has not seen even then fails the run."""
    new = {name: fleet.stage(name) for name in "uv"}
    before = {f"web/{name}": fleet.labels(name) for name in "uv"}
    current = {f"web/{name}": fleet.version(name) for name in "uv"}
    fleet.variables = {
        "haproxy_certificates_aws": {"endpoint_url": faulty_way.env["AWS_ENDPOINT_URL"]},
        "promotion_aws": {},
    }
    late = {"web/u": len(FLEET), "web/v": 1000}  # so many listings after the promotion do not tell of it

    def lag(_request: Body, reply: Body) -> Body:
        for secret in reply["SecretList"]:
            name, labels = secret["Name"], secret["SecretVersionsToStages"]
            if name in late and "AWSCURRENT" not in labels.get(current[name], ()):
                late[name] -= 1
                if late[name] >= 0:
                    secret["SecretVersionsToStages"] = before[name]
        return reply

    faulty_way.change("ListSecrets", lag)
    run = fleet.promote(names=names("u", "v"), lag="1s")
    assert run.returncode == 2, run.output
    told = result(run)
    assert (told["promoted"], told["behind"]) == (names("u", "v"), ["lb3"])
    reasons = [each["reason"] for each in told["certificates"]]
    assert ["not seen yet by lb3, for" in reason for reason in reasons] == [False, True]
    assert "1 host has not seen yet what was promoted." in run.error
    assert fleet.served("u") == [new["u"].fingerprint_sha256] * 3
    assert fleet.served("v") == [new["v"].fingerprint_sha256] * 2 + [old["v"]]

    late.clear()
    assert fleet.rotate("lb3").returncode == 0
    assert fleet.served("v") == [new["v"].fingerprint_sha256] * 3


@pytest.fixture
def faulty_way(ministack: MinistackServer) -> t.Iterator[AwsFaults]:
    """A way to AWS that is not everybody's."""
    proxy = AwsFaults(ministack.port, ministack.env)
    proxy.start()
    yield proxy
    proxy.stop()


def test_who_the_canaries_are(fleet: PromotionFleet, old: dict[str, str]) -> None:
    """Nobody; some that read no label, or have other certificates; all. And a version without a value."""
    run = fleet.promote(canaries=[])
    assert run.returncode == 2
    assert "promotion_canaries matches no host" in run.error
    assert run.modules == []
    for how, said in (
        ({"soak": "600"}, "promotion_soak: '600' is not a duration. Add a unit"),
        ({"lag": "-5m"}, "promotion_lag: '-5m' is not a duration"),
        ({"limit": "haproxy"}, "--limit leaves out localhost"),
        ({"controller": "contoller"}, "promotion_controller names no host (contoller)"),
        ({"controller": "haproxy_canaries", "canaries": ["lb1"]}, "promotion_controller names no host"),
        ({"fleet": "haproxi"}, "promotion_fleet matches no host (haproxi): nobody would follow"),
    ):
        run = fleet.promote(**how)
        assert run.returncode != 0
        assert said in run.output
        assert run.modules == []

    # r has fields of other names, which the hosts know, and the controller by them.
    others = {"private_key": "key", "certificate": "leaf"}
    fleet.stage("e")
    fleet.stage("r", fields=others)
    fields = {"haproxy_certificates_fields": {ours: f"{theirs} || {ours}" for ours, theirs in others.items()}}
    fleet.secrets.put_secret_value(SecretId="web/q", SecretString=" ", VersionStages=[LABEL])
    fleet.variables = {
        "haproxy_certificates_labels": "{{ ['CANDIDATE'] * (inventory_hostname == 'lb2') + ['AWSCURRENT'] }}",
        "haproxy_certificates_name_prefix": "",
        "haproxy_certificates_names": names("e", "q"),
        **fields,
    }
    run = fleet.promote(names=names("e", "q", "r"))
    assert result(run)["held"] == names("e", "q", "r")
    assert "its version has no value" in run.error
    assert fleet.served("q") == [old["q"]] * 3
    assert "lb1 reads AWSCURRENT and not CANDIDATE: set haproxy_certificates_labels" in run.error
    assert "no canary has this certificate: lb1, lb2" in run.error

    fleet.variables = fields
    run = fleet.promote(names=names("e", "r"), canaries=FLEET)
    assert run.returncode == 0, run.output
    assert result(run)["promoted"] == names("e", "r")
