# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose rotations are interrupted, and what must be true of it whenever, and after the next one."""

from __future__ import annotations

import collections
import contextlib
import fcntl
import hashlib
import json
import pathlib
import typing as t

from . import pki, rotation
from .interruption import InterruptedRun, Interruptions, Place, Point
from .moto import MotoServer
from .sync import TEMPORARY_MARK, assert_loadable


class Host:
    """A scene whose rotations are interrupted.

    env: how AWS is reached; issued: what each secret holds now, by its name without the prefix, and before: what else
    may be served; hit: the stages at which a rotation was killed; went_back: whether the last one that had anything to
    do may have gone back; hurried: see prepare in interruption.py.
    """

    def __init__(
        self, scene: rotation.Scene, interruptions: Interruptions, *, hurried: bool = False, **args: t.Any
    ) -> None:
        haproxy = scene.haproxy
        self.went_back = False
        self.hit: collections.Counter[str] = collections.Counter()
        self.is_served = args.get("activate", True)
        self.hurried = hurried
        self.scene = scene
        self.issued: dict[str, pki.IssuedCertificate] = {}
        self.before: dict[str, pki.IssuedCertificate] = {}
        self.env = scene.aws.env
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

    def ask_at(self, *binds: str) -> None:
        """Have the proof ask there from now on."""
        self._args["binds"] = list(binds)

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

    def rotate(self, *signals: str, at: t.Collection[Place] = (), **args: t.Any) -> InterruptedRun:
        """signals: that it sends itself; at: just before which calls."""
        given = {**self._args, **args}
        return self._interruptions.run(given, self.env, signals=signals, places=at, hurried=self.hurried)

    def points(self, stir: t.Callable[[], object], **args: t.Any) -> list[Point]:
        """All that a whole run comes to when this has been changed before it."""
        stir()
        run = self.rotate(**args)
        assert run.returncode in (0, 1), run.output
        return run.points

    def kill(self, place: Place) -> None:
        run = self.rotate("SIGKILL", at=[place])
        if run.signalled:  # else it came to fewer calls than the one before, and has ended
            assert run.returncode == -9
            self.hit.update(point.stage for point in run.signalled)

    # -- what must be true ----------------------------------------------------------------------------------------

    def served(self, name: str) -> str:
        return hashlib.sha256(self.scene.haproxy.served_leaf(f"{name}.example.com")).hexdigest()

    def assert_killed(self, times: int, stages: t.Collection[str]) -> None:
        """At these stages and no others."""
        assert set(self.hit) == set(stages), f"killed at {dict(self.hit)}"
        # A run may come to fewer calls than the one before, as HAProxy's answers come in one piece or in two.
        assert self.hit.total() >= times - 1

    def is_idle(self) -> bool:
        """Whether a run has recorded how it ended, and given up the directory's lock."""
        entries = json.loads((self.path / ".certops/manifest.json").read_text())["certificates"]
        if any(entry["proven"] != entry["current"]["digest"] for entry in entries):
            return False
        with (self.path / ".certops/lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
        return True

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
            if not self.went_back:
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
        assert not run.told.get("failed"), run.output
        self.assert_converged()
        self.before = dict(self.issued)
        if twice:
            disk = self.scene.disk()
            again = self.rotate(metrics_textfile="")  # which would count this run
            assert again.told["changed"] is False, again.output
            assert self.scene.disk() == disk


@contextlib.contextmanager
def host(
    aws: MotoServer, interruptions: Interruptions, args: t.Mapping[str, t.Any], **haproxy: t.Any
) -> t.Iterator[Host]:
    with rotation.scene(aws, **haproxy) as scene:
        yield Host(scene, interruptions, **args)


def spread(points: t.Sequence[Point], count: int, stages: t.Collection[str] | None = None) -> list[Place]:
    """At least so many of these calls (in these stages): at even distances, and one of each stage."""
    places = [point.place for point in points if stages is None or point.stage in stages]
    chosen = {round(number * (len(places) - 1) / (count - 1)) for number in range(count)}
    for stage in {place.stage for place in places}:
        of_stage = [number for number, place in enumerate(places) if place.stage == stage]
        if chosen.isdisjoint(of_stage):
            chosen.add(of_stage[len(of_stage) // 2])
    return [places[number] for number in sorted(chosen)]


def kill_at(made: Host, count: int, stir: t.Callable[[], object]) -> None:
    """Change something, kill a run, see what the next one makes of it; and again, until all places have been hit."""
    stir()
    made.assert_the_next_run_converges()
    places = spread(made.points(stir), count)
    made.assert_the_next_run_converges()
    for turn, place in enumerate(places):
        stir()
        made.kill(place)
        made.assert_nothing_is_lost()
        made.assert_the_next_run_converges(twice=turn % 5 == 0)
