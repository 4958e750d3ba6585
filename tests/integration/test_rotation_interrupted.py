# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation that is killed, asked to end, or whose controller goes away, at every stage, and what the next one finds."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.interruption import InterruptedRun, Interruptions, Point
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.sync import TEMPORARY_MARK, assert_loadable

KILLS = 100
#: Where something is called that changes something or waits; to plan and to verify is arithmetic.
STAGES = {"discover", "opened", "fetch", "write", "settle", "activate", "prove", "go_back", "record", "metrics", "end"}
_hit: collections.Counter[str] = collections.Counter()


@pytest.fixture(scope="module")
def interruptions() -> t.Iterator[Interruptions]:
    made = Interruptions()
    yield made
    made.close()


class Host:
    """A scene whose rotations are interrupted. issued: what each secret holds now, by its name without the prefix."""

    def __init__(
        self, scene: rotation.Scene, interruptions: Interruptions, *, hurried: bool = False, **args: t.Any
    ) -> None:
        haproxy = scene.haproxy
        self.went_back = False
        self.is_served = args.get("activate", True)
        self.hurried = hurried
        self.scene = scene
        self.issued: dict[str, pki.IssuedCertificate] = {}
        self.before: dict[str, pki.IssuedCertificate] = {}
        self._interruptions = interruptions
        self._args = {
            "name_prefix": rotation.PREFIX,
            "path": str(haproxy.certs_dir),
            "socket": haproxy.socket,
            "master_socket": haproxy.master_socket,
            "reload_methods": [],
            "binary": haproxy.binary,
            "config": [str(haproxy.config_path)],
            "prune": True,
            "metrics_textfile": str(haproxy.directory / "rotation.prom"),
            **args,
        }

    @property
    def path(self) -> pathlib.Path:
        return pathlib.Path(self._args["path"])

    def store(self, *names: str, **document: t.Any) -> None:
        """A new certificate in each of these secrets."""
        for name in names:
            self.put(name, self.scene.authority.issue(f"{name}.example.com"), **document)

    def put(self, name: str, issued: pki.IssuedCertificate, **document: t.Any) -> None:
        self.scene.aws.put_secret(rotation.PREFIX + name, issued.secret_document(**document))
        if name in self.issued:
            self.before[name] = self.issued[name]
        self.issued[name] = issued

    def delete(self, name: str) -> None:
        self.scene.aws.client().delete_secret(SecretId=rotation.PREFIX + name, ForceDeleteWithoutRecovery=True)
        self.before[name] = self.issued.pop(name)

    def rotate(self, *signals: str, at: t.Sequence[int] | None = (), **args: t.Any) -> InterruptedRun:
        """signals: that it sends itself; at: numbers of the calls before which it does, None for all."""
        given = {**self._args, **args}
        return self._interruptions.run(given, self.scene.aws.env, signals=signals, numbers=at, hurried=self.hurried)

    def points(self, stir: t.Callable[[], object], **args: t.Any) -> list[Point]:
        """All that a whole run comes to when this has been changed before it."""
        stir()
        run = self.rotate("SIGKILL", at=(), **args)
        assert run.result is not None, run.output
        return run.points

    def kill(self, number: int, **args: t.Any) -> None:
        run = self.rotate("SIGKILL", at=[number], **args)
        if run.signalled:  # else it came to fewer calls than the one before, and has ended
            assert run.returncode == -9
            _hit.update(point.stage for point in run.signalled)

    # -- what must be true ----------------------------------------------------------------------------------------

    def served(self, name: str) -> str:
        return hashlib.sha256(self.scene.haproxy.served_leaf(f"{name}.example.com")).hexdigest()

    def assert_nothing_is_lost(self) -> None:
        """Whenever: an old or a new one answers for each name, and what lies there can be loaded."""
        for name in {*self.issued, *self.before} if self.is_served else ():
            known = {one[name].fingerprint_sha256 for one in (self.issued, self.before) if name in one}
            if not (name in self.issued and name in self.before):
                known |= {self.served("default")}  # a new one, or one that goes
            assert self.served(name) in known
        for file in self.path.glob("*.pem"):
            assert_loadable(file.read_bytes())
        for lineage in self.path.glob("*/"):
            if not lineage.name.startswith("."):
                assert_loadable((lineage / "fullchain.pem").read_bytes() + (lineage / "privkey.pem").read_bytes())

    def assert_converged(self) -> None:
        """Served is what lies there, what the secret holds and what counts as proven; and nothing else is left."""
        manifest = json.loads((self.path / ".certops/manifest.json").read_text())
        entries = {entry["name"].removeprefix(rotation.PREFIX): entry for entry in manifest["certificates"]}
        assert set(entries) == set(self.issued)
        assert manifest["retired"] == []
        kept = set()
        for name, entry in entries.items():
            assert (entry["proven"] == entry["current"]["digest"]) is self.is_served, name
            assert entry["current"]["summary"]["fingerprint_sha256"] == self.issued[name].fingerprint_sha256
            if self.is_served:
                assert self.served(name) == self.issued[name].fingerprint_sha256
                assert self.scene.file(name).read_text() == self.issued[name].combined_pem
            kept |= {f"{entry['stem']}~{one['digest'][:16]}" for one in (entry["current"], *entry["previous"])}
        versions = {path.name.removesuffix(".pem") for path in (self.path / ".certops/versions").iterdir()}
        assert versions == kept
        assert list(self.scene.haproxy.directory.rglob(f"{TEMPORARY_MARK}*")) == []
        if self.is_served:
            if not self.went_back:  # else the last run that had anything to do may have recorded that
                assert self.scene.state()["outcome"] == "proven"
                told = self.scene.state()["certificates"]
                assert {
                    name.removeprefix(rotation.PREFIX): one["fingerprint_sha256"] for name, one in told.items()
                } == {name: issued.fingerprint_sha256 for name, issued in self.issued.items()}
            assert "# transaction" not in self.scene.haproxy.execute("show ssl cert")
            gone = [name for name in self.before if name not in self.issued]
            assert not any(str(self.scene.file(name)) in self.scene.haproxy.execute("show ssl cert") for name in gone)

    def assert_the_next_run_converges(self, *, twice: bool = False) -> None:
        run = self.rotate()
        assert run.result is not None and not run.result.failed, run.output
        self.assert_converged()
        self.before = dict(self.issued)
        if twice:
            disk = self.scene.disk()
            again = self.rotate(metrics_textfile="")  # which would count this run
            assert again.result is not None and again.result.result["changed"] is False, again.output
            assert self.scene.disk() == disk


@contextlib.contextmanager
def host(
    aws: MotoServer, interruptions: Interruptions, args: t.Mapping[str, t.Any], **haproxy: t.Any
) -> t.Iterator[Host]:
    with rotation.scene(aws, **haproxy) as scene:
        yield Host(scene, interruptions, **args)


def spread(points: t.Sequence[Point], count: int, stages: t.Collection[str] = STAGES) -> list[int]:
    """So many of the numbers of calls in these stages, at even distances, the first and the last among them."""
    numbers = [number for number, point in enumerate(points) if point.stage in stages]
    return sorted({numbers[round(place * (len(numbers) - 1) / (count - 1))] for place in range(count)})


def kill_at(made: Host, count: int, stir: t.Callable[[], object]) -> None:
    """Change something, kill a run, see what the next one makes of it; and again until all places have had their turn."""
    numbers = spread(made.points(stir), count)
    made.assert_the_next_run_converges()
    for turn, number in enumerate(numbers):
        stir()
        made.kill(number)
        made.assert_nothing_is_lost()
        made.assert_the_next_run_converges(twice=turn % 5 == 0)


def test_renewals(aws: MotoServer, interruptions: Interruptions) -> None:
    with host(aws, interruptions, {}) as made:
        kill_at(made, 20, lambda: made.store("a"))


def test_several_renewals(aws: MotoServer, interruptions: Interruptions) -> None:
    with host(aws, interruptions, {}) as made:
        kill_at(made, 12, lambda: made.store("a", "b", "c"))


def test_new_ones_and_their_removal(aws: MotoServer, interruptions: Interruptions) -> None:
    """In a crt-list, in which a line must come and go with the file."""
    haproxy = {"tls": ["crt-list {crt_list}"], "crt_list": ["{certs}/default.pem"]}
    with rotation.scene(aws, **haproxy) as scene:
        made = Host(scene, interruptions, crt_list=str(scene.haproxy.crt_list_path))
        made.store("stays")
        made.assert_the_next_run_converges()

        def come() -> None:
            made.store("new")

        def go() -> None:
            made.delete("new")

        ways = []
        for way in (come, go):
            ways.append(spread(made.points(way), 13))
            made.assert_the_next_run_converges()
        for turn, numbers in enumerate(zip(*ways)):
            for way, number in zip((come, go), numbers):
                way()
                made.kill(number)
                made.assert_nothing_is_lost()
                made.assert_the_next_run_converges(twice=turn % 5 == 0)


def test_reloads(aws: MotoServer, interruptions: Interruptions) -> None:
    with host(aws, interruptions, {"socket": "", "reload_methods": ["master"]}) as made:
        kill_at(made, 12, lambda: made.store("a"))


def test_lineages_without_activation(aws: MotoServer, interruptions: Interruptions) -> None:
    with rotation.scene(aws) as scene:
        made = Host(
            scene, interruptions, layout="lineage", activate=False, path=str(scene.haproxy.directory / "lineages")
        )
        kill_at(made, 12, lambda: made.store("a"))


def test_refused_by_haproxy(aws: MotoServer, interruptions: Interruptions) -> None:
    """Its rules are stricter than ours: the file goes back, whoever kills whom, and what it serves stays."""
    strict = {"extra_global": ("ssl-default-bind-ciphers DEFAULT:@SECLEVEL=2",)}
    with host(aws, interruptions, {"min_rsa_bits": 1024, "allow_changes": ["key_type_changed"]}, **strict) as made:
        made.store("a", "b")
        made.assert_the_next_run_converges()
        good = made.issued["a"]
        made.went_back = True
        weak = made.scene.authority.issue("a.example.com", key_type="rsa1024")

        def stir() -> None:
            made.put("a", weak)
            made.before["a"] = good
            made.store("b")

        numbers = spread(made.points(stir), 14)
        for number in numbers:
            made.put("a", good)
            made.assert_the_next_run_converges()
            stir()
            made.kill(number)
            made.assert_nothing_is_lost()
            run = made.rotate()
            assert run.result is not None and "The previous file is back" in run.result.result["msg"], run.output
            assert made.served("a") == good.fingerprint_sha256
            assert made.served("b") == made.issued["b"].fingerprint_sha256
            assert made.scene.file("a").read_text() == good.combined_pem
        made.put("a", good)
        made.assert_the_next_run_converges(twice=True)


def test_wrong_on_the_wire(aws: MotoServer, interruptions: Interruptions) -> None:
    """Killed while it goes back on disk and in memory; then the secret has the old content again, or not."""
    binds = ("crt {certs}", "crt {dir}/first.pem crt {certs}")
    first = pki.self_signed("first.example.com").combined_pem
    with rotation.scene(aws, tls=binds, certificates={"../first.pem": first}) as scene:
        made = Host(scene, interruptions, hurried=True)
        made.store("a")
        (scene.haproxy.directory / "first.pem").write_text(made.issued["a"].combined_pem)
        assert scene.haproxy.reload()
        made.assert_the_next_run_converges()
        good = made.issued["a"]
        made.went_back = True
        points = made.points(lambda: made.store("a"))
        numbers = sorted({*spread(points, 6), *spread(points, 18, {"go_back", "record"})})
        made.put("a", good)
        made.assert_the_next_run_converges()
        for turn, number in enumerate(numbers):
            made.store("a")
            made.before["a"] = good
            made.kill(number)
            made.assert_nothing_is_lost()
            if turn % 2:
                run = made.rotate()
                assert run.result is not None and "Rolled back" in run.result.result["msg"], run.output
                assert made.served("a") == good.fingerprint_sha256
            made.put("a", good)
            made.before.pop("a")
            made.assert_the_next_run_converges(twice=turn % 5 == 0)


def test_new_ones_whose_secret_is_gone_before_the_next_run(aws: MotoServer, interruptions: Interruptions) -> None:
    """HAProxy keeps neither the certificate nor a transaction about it, whether it was being added or taken back."""
    with host(aws, interruptions, {}) as made:
        made.hurried = True
        made.store("stays")
        made.assert_the_next_run_converges()
        shadow = made.scene.haproxy.certs_dir / "aaa.pem"
        for stage in ("activate", "go_back"):
            if stage == "go_back":
                made.went_back = True
                shadow.write_text(made.scene.authority.issue("new.example.com").combined_pem)
                assert made.scene.haproxy.reload()
            numbers = spread(made.points(lambda: made.store("new")), 8, {stage})
            for number in numbers:
                made.delete("new")
                made.assert_the_next_run_converges()
                made.store("new")
                made.kill(number)
            made.delete("new")
            made.assert_the_next_run_converges(twice=True)


def test_killed_twice(aws: MotoServer, interruptions: Interruptions) -> None:
    with host(aws, interruptions, {}) as made:
        numbers = spread(made.points(lambda: made.store("a", "b")), 5)
        made.assert_the_next_run_converges()
        for first, second in zip(numbers, reversed(numbers)):
            made.store("a", "b")
            made.kill(first)
            made.assert_nothing_is_lost()
            made.store("b")
            made.kill(second)
            made.assert_the_next_run_converges(twice=first == second)


def test_every_stage_was_killed_at() -> None:
    """Of all tests above together."""
    print(dict(_hit))
    assert set(_hit) >= STAGES
    assert sum(_hit.values()) >= KILLS


# -- asked to end -------------------------------------------------------------------------------------------------


def test_asked_to_end_before_the_first_change(aws: MotoServer, interruptions: Interruptions) -> None:
    """It ends there, says so, and nothing is changed; HAProxy is not even asked."""
    with host(aws, interruptions, {}) as made:
        points = made.points(lambda: made.store("a"))
        made.store("a")
        earlier = [number for number, point in enumerate(points) if point.stage in ("discover", "opened", "fetch")]
        first = next(number for number, point in enumerate(points) if point.stage == "write")
        disk = made.scene.disk()
        for number in [one for one in earlier if one < first]:
            for name in ("SIGTERM", "SIGHUP", "SIGINT"):
                run = made.rotate(name, at=[number])
                assert (run.returncode, len(run.signalled)) == (1, 1), run.output
                assert run.result is not None
                assert run.result.result["msg"] == f"{name} came before anything was changed, so the run ended there."
                assert run.result.result["changed"] is False
        assert made.scene.disk() == disk
        made.assert_the_next_run_converges()


def test_asked_to_end_later_on(aws: MotoServer, interruptions: Interruptions) -> None:
    """Again and again, at every call from the first change on: it goes on to its end, and tells that."""
    binds = ("crt {certs}", "crt {dir}/first.pem crt {certs}")
    first = pki.self_signed("first.example.com").combined_pem
    asked = ("SIGTERM", "SIGHUP", "SIGINT", "SIGHUP")
    with rotation.scene(aws, tls=binds, certificates={"../first.pem": first}) as scene:
        made = Host(scene, interruptions, hurried=True)
        for way in ({}, {"socket": "", "reload_methods": ["master"]}):
            points = made.points(lambda: made.store("a"), **way)
            begin = next(number for number, point in enumerate(points) if point.stage == "write")
            made.store("a")
            run = made.rotate(*asked, at=[*range(begin, 1000)], **way)
            assert run.returncode == 0, run.output
            assert {point.stage for point in run.signalled} >= {
                "write",
                "opened",
                "activate",
                "prove",
                "record",
                "metrics",
                "end",
            }
            assert run.result is not None
            assert "came while something was changed: the run went on to its end." in str(run.result.result["warnings"])
            made.assert_converged()

        (scene.haproxy.directory / "first.pem").write_text(made.issued["a"].combined_pem)
        assert scene.haproxy.reload()
        good = made.issued["a"]
        made.went_back = True
        made.store("a")
        run = made.rotate(*asked, at=[*range(begin, 1000)])
        assert run.returncode == 1
        assert "go_back" in {point.stage for point in run.signalled}
        assert run.result is not None and "Rolled back 1 certificate" in run.result.result["msg"]
        assert "the run went on to its end" in str(run.result.result["warnings"])
        made.put("a", good)
        made.assert_converged()


def test_a_terminal_asks_all_processes(aws: MotoServer, interruptions: Interruptions) -> None:
    """Programs that the run has started are not ended by what is sent to all processes of its group."""
    with host(aws, interruptions, {"socket": "", "reload_methods": ["master"]}) as made:
        binary = made.scene.haproxy.directory / "check"
        group = "$(ps -o pgid= -p $PPID | tr -d ' ')"
        lines = ["#!/bin/sh", f"kill -HUP -{group}", f"kill -INT -{group}", f'exec {made.scene.haproxy.binary} "$@"']
        binary.write_text("\n".join(lines) + "\n")
        binary.chmod(0o755)
        made.store("a")
        run = made.rotate(binary=str(binary))
        assert run.returncode == 0, run.output
        assert run.result is not None
        assert "SIGHUP and SIGINT came while something was changed" in str(run.result.result["warnings"])
        made.assert_converged()
