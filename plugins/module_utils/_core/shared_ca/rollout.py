# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far the hosts have followed a shared authority that is being replaced, and what may be done next. Pure.

    settled -> published -> trusted -> reissued -> promoting -> promoted -> finishing -> settled

Published, promoted and settled are phases of what is stored. The others are told by the hosts: all of them trust the
successor (trusted), and serve what it has issued (reissued); not all have what it issues (promoting), or forgotten the
one before (finishing).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._errors import InvalidOption

Phase = t.Literal["absent", "settled", "published", "trusted", "reissued", "promoting", "promoted", "finishing"]
#: Where a run may end, in order.
GOALS: t.Final = ("published", "trusted", "reissued", "promoted", "finished")
_Result = t.Mapping[str, t.Any]
_SHOWN = 12  # characters of a fingerprint


@dataclass(frozen=True)
class HostView:
    """What one host holds. why_unknown: why nothing is known of it; server_issuer: None when it has no server.

    trusted: in the order of its bundle; refused: why peers refuse its server certificate, "" when they do not.
    """

    host: str
    why_unknown: str = ""
    trusted: tuple[str, ...] = ()
    has_server: bool = False
    server_issuer: str | None = None
    refused: str = ""
    clients: t.Mapping[str, str] | None = None

    @classmethod
    def of(cls, host: str, result: _Result) -> HostView:
        """result: of shared_ca_member_info or shared_ca_member; {} when it was not asked."""
        if result.get("unreachable"):
            return cls(host, f"cannot be reached: {result.get('msg', 'unknown')}")
        if "trusted_fingerprints" not in result:
            said = result.get("msg")
            return cls(host, f"does not tell what it holds: {said}" if said else "was left out of this run (--limit)")
        server = result["server"]
        return cls(
            host,
            trusted=tuple(result["trusted_fingerprints"]),
            has_server=server is not None,
            server_issuer=server["issuer_fingerprint_sha256"] if server else None,
            refused=(server.get("refused") or "") if server else "",
            clients={name: client["fingerprint_sha256"] for name, client in result["clients"].items()},
        )


@dataclass(frozen=True)
class RunPlan:
    """What a run does, in this order.

    first: steps of the stored authority; trust: hosts take the trust bundle; reissue: servers take certificates of
    issuer, some at a time; then: a step of the stored authority; distribute: hosts take everything; last: the last
    step of the stored authority, after which hosts take the smaller bundle.
    """

    first: tuple[str, ...] = ()
    trust: bool = False
    reissue: bool = False
    issuer: str = "current"
    then: str = ""
    distribute: bool = False
    last: str = ""
    why: str = ""

    @property
    def needs(self) -> dict[str, str]:
        """What all hosts have to be before they are reissued, then, and last (see Rollout.obstacles)."""
        return {
            "reissue": "trusted" if self.trust else "known",
            "then": {"promote": "reissued", "abort": "returned"}.get(self.then, "known"),
            "last": "promoted" if self.distribute else "known",
        }

    def as_dict(self) -> dict[str, t.Any]:
        return {**self.__dict__, "first": list(self.first), "needs": self.needs}


class Rollout:
    """stored: result of shared_ca_info or shared_ca_rotation; members: host -> result of its shared_ca_member_info."""

    def __init__(self, stored: _Result, members: t.Mapping[str, _Result]) -> None:
        self._stored_phase: str = stored["stage"]
        self._trusted = list(stored["trusted_fingerprints"])
        by_role = {item["role"]: item for item in stored["certificates"] if item["name"] == "ca"}
        self._authorities = {
            **dict.fromkeys(self._trusted, "root"),  # of an authority that is none itself
            **{item["fingerprint_sha256"]: role for role, item in reversed(by_role.items())},
        }
        self._by_role = {role: item["fingerprint_sha256"] for role, item in by_role.items()}
        self._current = by_role.get("current")
        self._clients = {
            item["name"]: item["fingerprint_sha256"] for item in stored["certificates"] if item["role"] == "client"
        }
        self.members = [HostView.of(host, result) for host, result in members.items()]

    @property
    def phase(self) -> Phase:
        if self._stored_phase == "published":
            if self.obstacles("trusted"):
                return "published"
            return "trusted" if self.obstacles("reissued") else "reissued"
        if self._stored_phase == "promoted":
            return "promoting" if self.obstacles("promoted") else "promoted"
        if self._stored_phase == "settled":
            return "finishing" if any(self._surplus(member) for member in self.members) else "settled"
        return "absent"

    @property
    def expired(self) -> str:
        """What is to be said of an authority that has expired; "" when it has not."""
        problems = self._current["problems"] if self._current else []
        return next((str(problem["message"]) for problem in problems if problem["code"] == "expired"), "")

    # -- what stands in the way ---------------------------------------------------------------------------------

    def obstacles(self, need: str) -> list[str]:
        """What hosts lack, a sentence each. need: what all of them have to be.

        known: told what they hold; trusted: all authorities, in their order; reissued: that, and servers have
        certificates of the successor, or of the authority that issues where there is none; returned: servers have
        certificates of the authority that issues; promoted: all that is stored.
        """
        found = [f"{member.host} {member.why_unknown}." for member in self.members if member.why_unknown]
        for member in self.members:
            if not member.why_unknown and need != "known":
                found += [f"{member.host} {lack}." for lack in self._lacks(member, need)]
        return found

    def _lacks(self, member: HostView, need: str) -> t.Iterator[str]:
        if need != "returned":
            missing = [fingerprint for fingerprint in self._trusted if fingerprint not in member.trusted]
            for fingerprint in missing:
                yield f"does not trust the {self._authorities[fingerprint]} authority {fingerprint[:_SHOWN]} yet"
            if not missing and list(member.trusted) != self._trusted:
                yield "trusts others besides the stored authorities, or has these in another order than they are stored"
        if need != "trusted" and member.has_server:
            role = "successor" if need == "reissued" and "successor" in self._by_role else "current"
            if member.server_issuer != self._by_role.get(role):
                yield f"has a server certificate that is not of the {role} authority"
            elif member.refused:
                yield f"has a server certificate that clients refuse: {member.refused}"
        if need == "promoted":
            for name, fingerprint in (member.clients or {}).items():
                if self._clients.get(name, fingerprint) != fingerprint:
                    yield f"has another certificate of the client {name} than is stored"

    def _surplus(self, member: HostView) -> bool:
        """Whether it still trusts what is trusted no more."""
        return not set(member.trusted) <= set(self._trusted)

    # -- what to do ---------------------------------------------------------------------------------------------

    def plan(
        self, until: str = "finished", *, abort: bool = False, force: bool = False, revoke: bool = False
    ) -> RunPlan:
        """Raises InvalidOption for a combination that means nothing."""
        if until not in GOALS:
            raise InvalidOption(f"rotate_ca_until: {until!r} is none of {', '.join(GOALS)}.")
        if abort + force + revoke > 1:
            raise InvalidOption("rotate_ca_abort, rotate_ca_force and rotate_ca_revoke: choose one of them.")
        if self.phase == "absent":
            raise InvalidOption("There is no authority to replace: create one first (playbook bootstrap_ca).")
        if revoke:
            return RunPlan(trust=True, why="Clients are revoked.")
        if force:
            return self._forced()
        if self.expired:
            raise InvalidOption(
                f"{self.expired} Nothing that it has issued is accepted any more, so there is nobody left to be careful"
                " with. rotate_ca_force: true replaces it and all client certificates at once, and gives all hosts the"
                " new ones; clients that are not in the inventory need theirs by other means."
            )
        return self._back() if abort else self._forth(GOALS.index(until))

    def _forced(self) -> RunPlan:
        steps = {"settled": ("publish", "promote", "finish"), "published": ("promote", "finish")}
        return RunPlan(steps.get(self._stored_phase, ("finish",)), distribute=True, why="It is replaced at once.")

    def _forth(self, goal: int) -> RunPlan:
        if self.phase == "finishing":
            return RunPlan(last="finish", why="The rotation before is brought to its end; run again for another one.")
        reach = [goal >= index for index in range(len(GOALS))]
        if self._stored_phase == "promoted":
            if not reach[3]:
                return RunPlan(why=f"It is past {GOALS[goal]} already.")
            last = "finish" if reach[4] else ""
            # All trust both since before the promotion; servers follow some at a time.
            return RunPlan(reissue=True, then="promote", distribute=True, last=last, why="It goes on.")
        begun = self._stored_phase == "published"
        return RunPlan(
            first=() if begun else ("publish",),
            trust=reach[1],
            reissue=reach[2],
            issuer="successor",
            then="promote" if reach[3] else "",
            distribute=reach[3],
            last="finish" if reach[4] else "",
            why="It goes on." if begun else "It begins.",
        )

    def _back(self) -> RunPlan:
        if self._stored_phase == "published":  # servers first: the successor must not go while they need it
            return RunPlan(reissue=True, then="abort", distribute=True, why="The successor is given up.")
        if self._stored_phase == "promoted":
            return RunPlan(("abort",), reissue=True, distribute=True, last="finish", why="The one before comes back.")
        if self.phase == "finishing":
            return RunPlan(last="finish", why="Nothing is left to go back from; what was begun is brought to its end.")
        return RunPlan(why="There is no rotation to abort.")

    # -- for people ---------------------------------------------------------------------------------------------

    @property
    def issuers(self) -> dict[str, str]:
        """Whose server certificate a host has, for those that have one: the role of an authority, or another."""
        return {member.host: self._issuer(member) for member in self.members if member.has_server}

    def _issuer(self, member: HostView) -> str:
        return str(self._authorities.get(member.server_issuer or "", "another"))

    @property
    def table(self) -> list[str]:
        """One line for each host, below a heading."""
        rows = [("host", "trusts", "server of", "clients")]
        rows += [(member.host, *self._row(member)) for member in self.members]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[3]]).rstrip() for row in rows]

    def _row(self, member: HostView) -> tuple[str, str, str]:
        if member.why_unknown:
            return member.why_unknown, "", ""
        roles = [self._authorities[fingerprint] for fingerprint in self._trusted if fingerprint in member.trusted]
        roles += ["others"] if self._surplus(member) else []
        server = self._issuer(member) if member.has_server else "-"
        clients = [
            name if self._clients.get(name, fingerprint) == fingerprint else f"{name} (before)"
            for name, fingerprint in (member.clients or {}).items()
        ]
        return ", ".join(roles) or "none", server, ", ".join(clients) or "-"
