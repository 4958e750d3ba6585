# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates are served as they should be, judged by what clients get.

What HAProxy should answer tells a second HAProxy of the same version, which has just started with the same
configuration and the same files, on other ports. So nothing here knows how HAProxy chooses a certificate.
"""

from __future__ import annotations

import random
import typing as t

from ansible_collections.certops.rotation.tests.support.ports import free_port

from .certificates import Managed, chain_in
from .clients import KINDS, Chain, Place, Question, ask
from .processes import SceneHaproxy, another
from .scenes import Scene

_QUESTIONS_AGAIN, _AGAIN = 12, 8  # connections for so many questions, where another process may answer
_FEWER_KINDS = (("any", "rsa 1.2", "rsa 1.3", "ecdsa 1.3"), ("any", "any 1.2", "rsa 1.2", "rsa 1.3", "ecdsa 1.2"))
Answers = dict[Question, frozenset[Chain]]


class Verdict(t.NamedTuple):
    """Of one certificate.

    truth: True: all clients that should get it do; False: some get something else; None: what they get instead is as
    good, which is not for a client to say. shadowed: places that load it, and where nobody can get it. questions: how
    many it should answer. contested: where it is loaded, another one is to answer for a name of it; stale: some client
    that asks there for a name of it gets what is in no file now.
    """

    truth: bool | None
    why: str
    shadowed: frozenset[int]
    questions: int
    contested: bool
    stale: bool


class Judge:
    """handshakes: made so far."""

    def __init__(self, scene: Scene, haproxy: SceneHaproxy, draw: random.Random) -> None:
        self._scene = scene
        self._haproxy = haproxy
        self._draw = draw
        self.handshakes = 0
        self._owners: dict[str, str] = {}  # leaf of any version -> key
        self._seen: frozenset[str] = frozenset()  # leaves

    def verdicts(self, names: t.Sequence[str | None], *, several: bool) -> dict[str, Verdict]:
        """By key. several: more than one process may listen. Raises NotStarted."""
        expected = self._expected(names)
        live = self._live(names, expected, several=several)
        pems = self.pems()
        self._seen = frozenset(leaf for got in live.values() for chain in got for leaf in chain[:1])
        self._owners.update(
            (chain_in(one.issued.combined_pem)[0], one.key) for one in self._scene.managed if one.issued
        )
        self._owners.update((chain_in(pems[one.file])[0], one.key) for one in self._scene.managed if one.file in pems)
        return {one.key: self._verdict(one, pems, expected, live) for one in self._scene.managed if one.file in pems}

    def pems(self) -> dict[str, str]:
        """All files for HAProxy, by name."""
        root = self._haproxy.directory
        paths = [*root.glob("certs/*.pem"), *root.glob("other/*.pem")]
        return {path.name: path.read_text() for path in paths if not path.is_symlink()}

    def still_served(self, keys: t.Collection[str]) -> set[str]:
        """Of these keys, those of which clients got any version when they were asked last."""
        return {self._owners[leaf] for leaf in self._seen if leaf in self._owners} & set(keys)

    # -- what clients get

    def _expected(self, names: t.Sequence[str | None]) -> Answers:
        haproxy = self._haproxy
        ports: dict[str, object] = {f"p{number}": free_port() for number in range(self._scene.ports)}
        ports |= {f"u{number}": f"{haproxy.directory}/e{number}.sock" for number in range(self._scene.ports)}
        with another(haproxy, "expected", ports):
            return self._ask([place for place, _bind in self._scene.places(ports)], names)

    def _live(self, names: t.Sequence[str | None], expected: Answers, *, several: bool) -> Answers:
        places = [place for place, _bind in self._scene.places(self._haproxy.names())]
        answers = self._ask(places, names)
        if several:
            leaves = {chain_in(one.issued.certificate_pem) for one in self._scene.managed if one.issued}
            own = [question for question, got in expected.items() if any(each[:1] in leaves for each in got)]
            for question in self._draw.sample(own, min(len(own), _QUESTIONS_AGAIN)):
                more = {ask(places[question.place], question.name, question.kind) for _time in range(_AGAIN)}
                self.handshakes += _AGAIN
                answers[question] |= more
        return answers

    def _ask(self, places: t.Sequence[Place], names: t.Sequence[str | None]) -> Answers:
        answers: Answers = {}
        for number, place in enumerate(places):
            for position, name in enumerate(names):
                # All kinds of clients for no name and some others; for the rest those that take the second choice.
                for kind in KINDS if position < 3 else _FEWER_KINDS[position % 2]:
                    answers[Question(number, name, kind)] = frozenset((ask(place, name, kind),))
                    self.handshakes += 1
        return answers

    # -- what that means

    def _verdict(self, one: Managed, pems: t.Mapping[str, str], expected: Answers, live: Answers) -> Verdict:
        chain = chain_in(pems[one.file])
        current = {chain_in(pem) for pem in pems.values()}
        places = self._scene.places(self._haproxy.names())
        names = {*one.names, *self._scene.filters(one)}
        # What it answers as the default one, or for a common name, is no name of its own.
        mine = [
            question
            for question, got in expected.items()
            if any(each[:1] == chain[:1] for each in got) and (question.name is None or names & _forms(question.name))
        ]
        seen_at = {question.place for question in mine}
        shadowed = frozenset(
            number for number, (_place, bind) in enumerate(places) if one.key in bind.loads and number not in seen_at
        )
        wrong: list[str] = []
        other: list[str] = []
        for question in mine:
            for got in live[question] - {chain}:
                where = f"{places[question.place][0]} {question} gets {_said(got, pems)}"
                is_excused = got in current or self._is_of_twin(got, one, question.name)
                if not got:  # of two with this name the one that serves other versions of TLS alone
                    near = [more for each, more in live.items() if each[:2] == question[:2]]
                    is_excused = any(more & (current - {chain}) for more in near)
                (other if is_excused else wrong).append(where)
        seen = any(chain in got for got in live.values())
        truth: bool | None = True
        if wrong or not (seen or other):
            truth = False
        elif other or not mine or shadowed:
            truth = None
        at = [f"nobody can get it at {places[number][0]}" for number in sorted(shadowed)]
        why = "; ".join([*wrong[:4], *other[:3], *at]) or ("" if seen else "nobody gets it")
        there = [
            question
            for question in expected
            if one.key in places[question.place][1].loads and names & _forms(question.name)
        ]
        contested = any(each[:1] != chain[:1] for question in there for each in expected[question])
        stale = any(got not in current for question in there for got in live[question] if got)
        return Verdict(truth, f"{len(wrong)} of {len(mine)}: {why}", shadowed, len(mine), contested, stale)

    def _is_of_twin(self, got: Chain, one: Managed, name: str | None) -> bool:
        """Whether it is an old version of another one that has this name, too: that one is wrong then."""
        owner = self._owners.get(got[0]) if got else None
        twins = [other for other in self._scene.managed if other.key == owner and other is not one]
        return any(set(twin.all_names) & _forms(name) for twin in twins)


def _forms(name: str | None) -> set[str]:
    """The name, and the wildcard that covers it."""
    lower = (name or "").lower()
    return {lower, f"*.{lower.partition('.')[2]}"}


def _said(got: Chain, pems: t.Mapping[str, str]) -> str:
    if not got:
        return "no answer"
    chains = {name: chain_in(pem) for name, pem in pems.items()}
    found = [name for name, chain in chains.items() if chain == got]
    leaf = [f"the leaf of {name} with another chain" for name, chain in chains.items() if chain[:1] == got[:1]]
    return (found or leaf or [f"{got[0][:12]}, which is no file now"])[0]
