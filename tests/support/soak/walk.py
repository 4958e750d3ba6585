# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A soak of rotation and proof: random renewals in a random configuration, each compared with what clients get."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import (
    Discovery,
    SecretValue,
    SecretVersion,
    Selection,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.provided import (
    discovery_answer,
    discovery_question,
    value_answer,
    value_question,
)
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer

from .certificates import PREFIX, Managed, chain_in
from .judge import Judge, Verdict
from .processes import NotStarted, SceneHaproxy, another
from .scenes import Scene


class Fault(t.NamedTuple):
    """What was said and is not so. kind: a few words; text: all that is needed to see it."""

    kind: str
    text: str


class Soak:
    """One scene with some renewals. judged: certificates; undecided: of these, those of which clients cannot tell."""

    def __init__(self, seed: int, version: str, binary: str, modules: ModuleServer) -> None:
        self.seed = seed
        self.version = version
        self.modules = modules
        self.draw = random.Random(f"{seed} {version}")
        major, minor = version.split(".")
        self.scene = Scene(self.draw, (int(major), int(minor)))
        self.haproxy = SceneHaproxy(self.scene, binary)
        self.judge = Judge(self.scene, self.haproxy, self.draw)
        self.faults: list[Fault] = []
        self.log: list[str] = []
        self.judged = self.undecided = 0
        self._hidden: set[str] = set()
        self._last: dict[str, t.Any] = {}
        self._gone: set[str] = set()

    def run(self, steps: int = 3) -> Soak:
        """Raises Refused where HAProxy does not start with what was drawn."""
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.haproxy.directory, ignore_errors=True)
            (self.haproxy.directory / "other").mkdir()
            first = self._module("haproxy_rotation", {**self._options(), "activate": False})
            if first.get("failed"):
                self._fault("the first files", first.get("msg", ""))
                return self
            self.scene.write(self.haproxy.directory)
            stack.enter_context(self.haproxy)
            try:
                self._step("the first run", "hot")
                for _number in range(steps):
                    self._random_step()
            except NotStarted as error:
                self._fault("HAProxy would not start with what is left", str(error), self._last)
        return self

    # -- steps

    def _random_step(self) -> None:
        draw = self.draw
        way = draw.choice(("hot", "hot", "hot", "reload", "reload", "silent", "intruder"))
        # That one is gone is believed where others say that they have reloaded.
        what = [self._change(removes=way in ("hot", "reload")) for _count in range(draw.choice((1, 1, 2)))]
        if way != "intruder":
            self._step("; ".join(what), way)
            return
        ports = {**self.haproxy.names(), **{f"u{n}": f"{self.haproxy.directory}/i{n}.sock" for n in range(9)}}
        with another(self.haproxy, "intruder", ports):
            self._step("; ".join(what), way)
        self._step("the other process has gone", "hot")

    def _change(self, *, removes: bool) -> str:
        draw, scene = self.draw, self.scene
        one = draw.choice(scene.managed)
        kind = draw.choice(("leaf", "leaf", "leaf", "chain", "chain", "names", "key", "add", "remove", "nothing"))
        removable = removes and one.key not in scene.named and len(scene.managed) > 1
        if (kind == "add" and not scene.loads_directory) or (kind == "remove" and not removable):
            kind = "leaf"
        if kind == "leaf":
            one.renew(draw)
        elif kind == "chain":
            one.take_new_chain()
        elif kind == "names":
            other = draw.choice(scene.managed)
            one.names, other.names = other.names, one.names
            one.renew(draw)
            other.renew(draw)
            return f"{one.key} and {other.key} swap names"
        elif kind == "key":
            one.key_type = "ec" if one.key_type == "rsa2048" else "rsa2048"
            one.renew(draw)
        elif kind == "remove":
            scene.managed.remove(one)
            self._gone.add(one.key)
        elif kind == "add":
            added = scene.another_one()
            return f"add {added.key} {added.names} {added.key_type}"
        return f"{kind} of {one.key}"

    def _step(self, what: str, way: str) -> None:
        self.log.append(f"{what}, by {way}")
        options = self._options()
        if way in ("reload", "silent"):
            options["socket"] = ""
        if way == "silent":
            options["activation"] = "reloaded"
        result = self._module("haproxy_rotation", options)
        self._last = result
        if "certificates" not in result:
            self._fault("no result", result.get("msg", str(result)))
            return
        names = self.scene.names()
        by_secret = {one.secret: one for one in self.scene.managed}
        verdicts = self.judge.verdicts(names, several=way == "intruder")
        for name in result["proven"]:
            verdict = verdicts.get(by_secret[name].key)
            if verdict is None or verdict.truth is False:
                self._fault("proven by the rotation, and not served", f"{name}: {verdict}", result)
        for name in result["not_proven"]:
            verdict = verdicts.get(by_secret[name].key)
            if verdict and verdict.truth and not verdict.contested and name not in result["rolled_back"]:
                self._fault("served, and not proven by the rotation", f"{name}: {verdict}", result)
        if way in ("hot", "reload") and self.judge.still_served(self._gone):
            self._fault("removed, and still served", str(self.judge.still_served(self._gone)), result)
        if result["rolled_back"]:
            self._replay(result, way, names)
            verdicts = self.judge.verdicts(names, several=way == "intruder")
        self._prove(result, verdicts)
        self._hidden = {key for key, verdict in verdicts.items() if not verdict.questions}
        proven = all(verdict.truth for verdict in verdicts.values())
        if way == "hot" and proven and not result.get("failed") and self.draw.random() < 0.4:
            again = self._module("haproxy_rotation", options)
            if again.get("failed") or again.get("changed"):
                self._fault("a second run changes something", str(again.get("msg")), again)

    def _replay(self, result: t.Mapping[str, t.Any], way: str, names: list[str | None]) -> None:
        """Was it needed to take these back? Put them there again, in the same way, and see what clients get."""
        back = [one for one in self.scene.managed if one.secret in result["rolled_back"]]
        kept = self.judge.pems()
        for one in back:
            assert one.issued is not None
            self._write(one.file, one.issued.combined_pem)
        if way != "silent":
            self._activate(result["activation"], back)
        verdicts = self.judge.verdicts(names, several=way == "intruder")
        for one in back:
            verdict = verdicts[one.key]
            was_hidden = one.key in self._hidden  # nobody could get the one before either
            if verdict.truth or (was_hidden and not verdict.questions and not verdict.stale):
                self._fault("rolled back without need", f"{one.secret}: {verdict}", result)
        for one in back:
            if one.file in kept:
                self._write(one.file, kept[one.file])
            else:
                (self.haproxy.certs_dir / one.file).unlink()
        self.haproxy.reload()

    def _activate(self, activation: str, back: t.Sequence[Managed]) -> None:
        if activation == "reload":
            self.haproxy.reload()
            return
        items = [{"src": str(self.haproxy.certs_dir / one.file)} for one in back]
        args = {"socket": self.haproxy.socket, "config": [str(self.haproxy.config_path)], "certificates": items}
        self._module("haproxy_certificate", args)

    def _prove(self, result: t.Mapping[str, t.Any], verdicts: t.Mapping[str, Verdict]) -> None:
        """The proof of everything, whatever was pending, says exactly what is so."""
        keys = {one.secret: one.key for one in self.scene.managed}
        entries = []
        for item in result["certificates"]:
            if item["action"] in ("removed", "refused", "failed") or not item.get("path"):
                continue
            if item["name"] in result["rolled_back"]:
                continue
            entries.append(item)
        entries += self._entries_of_disk({item["name"] for item in entries})
        args = {
            "certificates": entries,
            "config": [str(self.haproxy.config_path)],
            "socket": self.haproxy.socket,
            "delay": 0.05,
            "retries": 1,
            "on_failure": "report",
        }
        proof = self._module("certificate_proof_info", args)
        for item in proof.get("certificates", ()):
            verdict = verdicts.get(keys[item["name"]])
            if verdict is None:
                continue
            self.judged += 1
            self.undecided += verdict.truth is None
            if item["proven"] and verdict.truth is False:
                self._fault("false proven", f"{item['name']}: {verdict}", proof)
            elif not item["proven"] and verdict.truth and not _is_as_good(item, verdict):
                self._fault("false " + item["outcome"], f"{item['name']}: {verdict}", proof)
        if "certificates" not in proof:
            self._fault("no proof", proof.get("msg", ""))

    def _entries_of_disk(self, there: t.Collection[str]) -> list[dict[str, t.Any]]:
        """Of what was taken back: the file before is what should be served."""
        entries = []
        for one in self.scene.managed:
            path = self.haproxy.certs_dir / one.file
            if one.secret not in there and path.exists():
                chain = chain_in(path.read_text())
                entries.append(
                    {"name": one.secret, "path": str(path), "action": "unchanged", "fingerprint_sha256": chain[0]}
                )
        return entries

    # -- the rest

    def _write(self, file: str, pem: str) -> None:
        path = self.haproxy.certs_dir / file
        aside = path.with_name(f".{file}.aside")
        aside.touch(mode=0o600)
        aside.write_text(pem)
        aside.replace(path)

    def _options(self) -> dict[str, t.Any]:
        haproxy = self.haproxy
        return {
            "source": "controller",
            "provided": self._provided(),
            "name_prefix": PREFIX,
            "path": str(haproxy.certs_dir),
            "socket": haproxy.socket,
            "reload_methods": ["master"],
            "master_socket": haproxy.master_socket,
            "binary": haproxy.binary,
            "config": [str(haproxy.config_path)],
            "allow_changes": ["all"],
            "prune": True,
        }

    def _provided(self) -> str:
        answers: dict[str, t.Any] = {}
        secrets = []
        for one in self.scene.managed:
            assert one.issued is not None
            version = SecretVersion(
                one.secret, f"arn:aws:secretsmanager:eu-central-1:1:secret:{one.secret}-AbCdEf", f"v{one.version}"
            )
            secrets.append(version)
            answers[value_question(version)] = value_answer(SecretValue(version, one.issued.secret_string()))
        answers[discovery_question(Selection((), PREFIX, {}))] = discovery_answer(Discovery(tuple(secrets)))
        return json.dumps(answers)

    def _module(self, name: str, args: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        run = self.modules.run(name, args)
        if "Traceback" in run.output or "unexpected" in str(run.result.get("msg")).lower():
            self._fault("unexpected", run.output)
        return run.result

    def _fault(self, kind: str, text: str, said: t.Mapping[str, t.Any] | None = None) -> None:
        secrets = {one.key: (one.names, one.key_type, one.common_name) for one in self.scene.managed}
        lines = [f"seed {self.seed}, HAProxy {self.version}: {kind}", text]
        if said is not None:
            lines += [f"said: {said.get('msg')}", f"warnings: {said.get('warnings')}"]
            lines += [f"{field}: {said[field]}" for field in ("proven", "rolled_back", "activation") if field in said]
        lines += ["steps:", *(f"  {line}" for line in self.log), "certificates:"]
        lines += [f"  {key}: {facts}" for key, facts in secrets.items()]
        lines += ["configuration:", self.haproxy.config_path.read_text() if self.haproxy.config_path.exists() else ""]
        for path in sorted(self.haproxy.directory.glob("list*.txt")):
            lines += [f"{path.name}:", path.read_text()]
        links = [f"{path} -> {path.readlink()}" for path in self.haproxy.directory.rglob("*") if path.is_symlink()]
        files = sorted(str(path.relative_to(self.haproxy.directory)) for path in self.haproxy.certs_dir.glob("*.pem"))
        self.faults.append(Fault(kind, "\n".join([*lines, *links, f"files: {files}"])))


def _is_as_good(item: t.Mapping[str, t.Any], verdict: Verdict) -> bool:
    """Whether it is told of a name that another one answers, rightly or not, or of a type of key that cannot be had."""
    cannot_be_asked = any("TLS 1.3 alone" in why for why in item["not_proven_because"])
    return verdict.contested and (item["outcome"] == "shadowed" or cannot_be_asked)
