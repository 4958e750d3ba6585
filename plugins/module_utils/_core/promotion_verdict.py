# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""May a candidate become the current version? By what canary hosts have proven, checks, and time. Pure.

A proof has three answers. Right on every canary that has the certificate, and it may be promoted once that has lasted
for the soak. Wrong, or refused, on one of them, and it is withdrawn. Could one not be asked, nothing moves: it is held,
until the deadline.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field

from .._errors import InvalidOption
from .instants import format_duration, isoformat_utc, parse_isoformat_utc
from .secrets.arn import is_same_secret
from .text import lines_of, shown

_Result = t.Mapping[str, t.Any]
VerdictKind = t.Literal["promote", "hold", "withdraw"]
#: lagging: it has not seen the candidate yet; unread: it never will; untried: it would deploy it, in check mode; other:
#: the certificate is not for this canary.
AnswerKind = t.Literal["right", "wrong", "unasked", "lagging", "unread", "untried", "other"]
_EVER: t.Final = datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)
_OPEN: t.Final = ("unasked", "lagging", "unread")
#: What a candidate is found to be that can never be promoted.
_LOST: t.Final = {
    "superseded": "another version has become the current one since it was staged",
    "expired": "it has expired",
    "invalid": "it may not be served",
}
_UNKNOWN: t.Final = "it could not be read"
_LONGEST = 300  # characters of a reason that somebody else has written


@dataclass(frozen=True)
class Canary:
    """A host that deploys candidates before all others.

    result: as haproxy_rotation returns it, None for a host of which nothing is known; trouble: why, for people;
    labels: those that its configuration reads, None where that is not known; proof: what certificate_proof_info has
    returned at the end of the soak, None before that; asked_again: whether it has been asked then.
    """

    host: str
    result: _Result | None = None
    trouble: str = ""
    labels: tuple[str, ...] | None = None
    proof: _Result | None = None
    asked_again: bool = False


@dataclass(frozen=True)
class OwnCheck:
    """names: certificates that it is about, by name or ARN, () for all; outcome: passed, failed, or unasked where who
    should know could not be asked."""

    name: str
    outcome: str
    why: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromotionRules:
    """label: of candidates; soak: how long a proof has to last; deadline: how long a candidate may be held after it was
    staged; withdraw: all of them, because somebody says so."""

    label: str
    soak: datetime.timedelta = datetime.timedelta(0)
    deadline: datetime.timedelta = datetime.timedelta(hours=24)
    withdraw: bool = False


@dataclass(frozen=True)
class CanaryAnswer:
    """What a canary says of a candidate. since: when it has proven it, aware."""

    kind: AnswerKind
    why: str = ""
    since: datetime.datetime | None = None


@dataclass(frozen=True)
class PromotionVerdict:
    """candidate: as certificate_candidate_info returns it; soak_left: of what may be promoted; canaries: host -> what
    it says."""

    candidate: _Result
    verdict: VerdictKind
    reason: str
    soak_left: datetime.timedelta = datetime.timedelta(0)
    canaries: t.Mapping[str, str] = field(default_factory=dict)

    def as_result(self) -> dict[str, t.Any]:
        facts = ("name", "arn", "label", "state", "version_id", "current_version_id", "fingerprint_sha256", "not_after")
        return {
            **{name: self.candidate.get(name) for name in facts},
            "verdict": self.verdict,
            "reason": self.reason,
            "soak_left": -int(-self.soak_left.total_seconds() // 1),
            "canaries": dict(self.canaries),
        }


def verdicts(
    candidates: t.Sequence[_Result],
    canaries: t.Sequence[Canary],
    rules: PromotionRules,
    now: datetime.datetime,
    *,
    before: t.Sequence[_Result] | None = None,
    checks: t.Sequence[OwnCheck] = (),
) -> list[PromotionVerdict]:
    """One for each candidate. candidates: as they are now; before: as they were when the canaries deployed them, None
    where that is now; what has come since then is left to the next run.
    """
    there = {_key(found): found for found in candidates if found["state"] != "none"}
    if before is None:
        return [_verdict(found, canaries, rules, now, checks) for found in there.values()]
    current = {_key(found): found.get("current_version_id") for found in candidates}
    told = []
    for known in (found for found in before if found["state"] != "none"):
        found = there.get(_key(known))
        if known["version_id"] is None:  # whatever is known by now: no canary was asked about it
            told.append(_held(known, _because(_UNKNOWN, known), rules, now))
        elif found is not None and found["state"] == "unknown":
            told.append(_held(found, _because(_UNKNOWN, found), rules, now))
        elif found is not None and found["version_id"] == known["version_id"]:
            moved = _moved_meanwhile(known, found)
            told.append(_held(found, moved, rules, now) if moved else _verdict(found, canaries, rules, now, checks))
        elif current.get(_key(known)) == known["version_id"]:
            told.append(PromotionVerdict(known, "promote", "somebody else has made it the current version meanwhile"))
        elif found is not None:
            told.append(
                PromotionVerdict(
                    found, "hold", "it was staged while this run was under way: the next one goes on with it"
                )
            )
        else:
            told.append(
                PromotionVerdict(
                    known, "withdraw", f"somebody else has taken the label {rules.label} from it meanwhile"
                )
            )
    return told


def _moved_meanwhile(known: _Result, found: _Result) -> str:
    """Of one that counts still: why what the canaries have proven says nothing of it, or ""."""
    if found["state"] != "staged":
        return ""
    if known["state"] == "unknown":
        return "it could not be read when the canaries were asked: the next run goes on with it"
    if known.get("current_version_id") != found.get("current_version_id"):
        return "somebody has made another version the current one meanwhile: the next run goes on with it"
    return ""


def is_lagging(candidates: t.Iterable[_Result], canary: Canary, rules: PromotionRules, now: datetime.datetime) -> bool:
    """Whether it reads the label and has not seen one of these yet: listings of AWS lag behind by some minutes."""
    staged = [found for found in candidates if found["state"] == "staged"]
    return any(answer(found, canary, rules.label, now).kind == "lagging" for found in staged)


def is_left_behind(withdrawn: t.Iterable[_Result], canary: Canary) -> bool:
    """Whether it still has one of those that were withdrawn, for the same reason."""
    items = (canary.result or {}).get("certificates") or ()
    found = [(candidate, _item(candidate, items)) for candidate in withdrawn]
    return any(item and item.get("version_id") == candidate["version_id"] for candidate, item in found)


def _key(candidate: _Result) -> str:
    return str(candidate.get("arn") or candidate["name"])


def _verdict(
    candidate: _Result,
    canaries: t.Sequence[Canary],
    rules: PromotionRules,
    now: datetime.datetime,
    checks: t.Sequence[OwnCheck],
) -> PromotionVerdict:
    state = candidate["state"]
    if state == "promoted":
        return PromotionVerdict(candidate, "promote", "AWSCURRENT is at it already, and the rest is done now")
    if state == "unknown" and not (rules.withdraw and candidate.get("version_id")):
        return _held(candidate, _because(_UNKNOWN, candidate), rules, now)
    if rules.withdraw:
        return PromotionVerdict(candidate, "withdraw", "promotion_withdraw says so")
    if state in _LOST:
        return PromotionVerdict(candidate, "withdraw", _because(_LOST[state], candidate))
    if _instant(candidate.get("not_after"), datetime.datetime.max.replace(tzinfo=datetime.timezone.utc)) <= now:
        return PromotionVerdict(candidate, "withdraw", _LOST["expired"])
    if state == "empty":
        return _held(candidate, "its version has no value, so there is nothing to deploy", rules, now)
    answers = {canary.host: answer(candidate, canary, rules.label, now) for canary in canaries}
    told = {host: found.why or found.kind for host, found in answers.items() if found.kind != "other"}
    called = {candidate["name"], candidate.get("arn")}
    of_checks = [check for check in checks if not check.names or not called.isdisjoint(check.names)]

    wrong = [f"{host} {found.why}" for host, found in answers.items() if found.kind == "wrong"]
    wrong += [f"check {check.name}: {check.why}" for check in of_checks if check.outcome == "failed"]
    if wrong:
        return PromotionVerdict(candidate, "withdraw", "; ".join(wrong), canaries=told)
    unknown = [f"{host} {found.why}" for host, found in answers.items() if found.kind in _OPEN]
    unknown += [f"check {check.name}: {check.why}" for check in of_checks if check.outcome == "unasked"]
    if not told:
        unknown.append(f"no canary has this certificate: {', '.join(answers) or 'there is none'}")
    if unknown:
        return _held(candidate, "; ".join(unknown), rules, now, told)
    if any(found.kind == "untried" for found in answers.values()):
        return PromotionVerdict(candidate, "promote", "when the canaries have proven it", rules.soak, told)
    proven = [found.since for found in answers.values() if found.since is not None]
    left = max([since + rules.soak - now for since in proven] + [datetime.timedelta(0)])
    hosts = ", ".join(host for host in told)
    return PromotionVerdict(candidate, "promote", f"proven by {hosts} since {isoformat_utc(max(proven))}", left, told)


def _held(
    candidate: _Result,
    why: str,
    rules: PromotionRules,
    now: datetime.datetime,
    canaries: t.Mapping[str, str] | None = None,
) -> PromotionVerdict:
    """Held longer than that, it is withdrawn. One of which nobody knows when it was staged is held on."""
    staged = _instant(candidate.get("created_at"), now)
    if now - staged >= rules.deadline and candidate.get("created_at"):
        said = f"held for more than {format_duration(rules.deadline)}: {why}"
        return PromotionVerdict(candidate, "withdraw", said, canaries=canaries or {})
    return PromotionVerdict(candidate, "hold", why, canaries=canaries or {})


def answer(candidate: _Result, canary: Canary, label: str, now: datetime.datetime) -> CanaryAnswer:
    """What this canary says of it. A host may send anything."""
    try:
        return _answer(candidate, canary, label, now)
    except (TypeError, KeyError, AttributeError, ValueError):
        return CanaryAnswer("unasked", "has sent something else than the result of a rotation")


def _answer(candidate: _Result, canary: Canary, label: str, now: datetime.datetime) -> CanaryAnswer:
    result = canary.result or {}
    if "certificates" not in result:
        return CanaryAnswer("unasked", f"could not be asked: {_short(canary.trouble) or 'nothing is known of it'}")
    item = _item(candidate, result["certificates"])
    if item is None or item["action"] == "removed":
        return CanaryAnswer("other")
    if item.get("version_id") != candidate["version_id"]:
        return _not_seen(item, canary, label)
    deployed = _deployed(candidate, item, result, now)
    if deployed.kind != "right" or not canary.asked_again:
        return deployed
    return _asked_again(item, canary, deployed)


def _not_seen(item: _Result, canary: Canary, label: str) -> CanaryAnswer:
    if canary.labels is not None and label not in canary.labels:
        said = ", ".join(canary.labels)
        return CanaryAnswer(
            "unread", f"reads {said} and not {label}: set haproxy_certificates_labels: [{label}, AWSCURRENT] for it"
        )
    if item.get("action") in ("refused", "failed"):
        return CanaryAnswer("unasked", f"could not read it: {_problems(item)}")
    if item.get("label") == label:
        return CanaryAnswer("unasked", "has another candidate by now")
    return CanaryAnswer("lagging", "has not seen it yet, for listings lag behind by some minutes")


def _deployed(candidate: _Result, item: _Result, result: _Result, now: datetime.datetime) -> CanaryAnswer:
    name, action = item["name"], item["action"]
    if action == "refused" and item.get("cause", "content") == "content":
        return CanaryAnswer("wrong", f"refused it: {_problems(item)}")
    if action in ("refused", "failed"):
        return CanaryAnswer("unasked", f"could not deploy it: {_problems(item)}")
    error = _short(result.get("activation_error"))
    if name in (result.get("rolled_back") or ()):
        return _rolled_back(item, result, error)
    if name in (result.get("not_proven") or {}):
        return CanaryAnswer("unasked", f"has it, and could not be asked for it: {_short(result['not_proven'][name])}")
    if item.get("proven") or name in (result.get("proven") or ()):
        # The clocks are those of several machines; before it was staged nobody has proven it.
        since = max(min(_instant(item.get("proven_at"), now), now), _instant(candidate.get("created_at"), _EVER))
        return CanaryAnswer("right", f"has proven it at {isoformat_utc(since)}", since)
    if "plan" in result:
        return CanaryAnswer("untried", "would deploy and prove it")
    return CanaryAnswer("unasked", f"does not serve it yet: {error or 'its HAProxy was not told'}")


def _rolled_back(item: _Result, result: _Result, error: str) -> CanaryAnswer:
    """A reload that is refused takes all that is new back, whatever it was refused for. The log may tell."""
    attempts = result.get("reload_attempts") or []
    logs = "\n".join(str(attempt.get("log") or "") for attempt in attempts)
    refused = bool(attempts) and not any(attempt.get("reloaded") for attempt in attempts) and logs
    if refused and str(item.get("path") or "") not in logs:
        return CanaryAnswer("unasked", f"could not reload, and nothing says that this certificate is why: {error}")
    return CanaryAnswer("wrong", f"has taken it back: {error or 'a handshake got another certificate'}")


def _asked_again(item: _Result, canary: Canary, before: CanaryAnswer) -> CanaryAnswer:
    proofs = (canary.proof or {}).get("certificates")
    found = next((proof for proof in proofs or () if proof["name"] == item["name"]), None)
    if found is None:
        why = _short((canary.proof or {}).get("msg") or canary.trouble) or "it has not answered"
        return CanaryAnswer("unasked", f"could not be asked again: {why}")
    if found["outcome"] == "right":
        return before
    why = _short("; ".join(map(str, found.get("not_proven_because") or ())))
    if found["outcome"] == "wrong":
        return CanaryAnswer("wrong", f"does not serve it any more: {why}")
    return CanaryAnswer("unasked", f"could not be asked again: {why}")


def _item(candidate: _Result, items: t.Iterable[_Result]) -> _Result | None:
    """What a host tells of the same secret."""
    return next((item for item in items if is_same_secret(item, candidate)), None)


def _problems(item: _Result) -> str:
    return _short("; ".join(str(problem["message"]) for problem in item.get("problems") or ())) or "it does not say why"


def _because(text: str, candidate: _Result) -> str:
    problems = _short("; ".join(_told(problem) for problem in candidate.get("problems") or ()))
    return f"{text}: {problems}" if problems else text


def _told(problem: t.Any) -> str:
    return str(problem["message"]) if isinstance(problem, t.Mapping) else str(problem)


def _short(text: t.Any) -> str:
    said = shown(" ".join(" ".join(lines_of(str(text or ""))).split()))
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 3]}..."


def _instant(text: t.Any, unknown: datetime.datetime) -> datetime.datetime:
    try:
        return parse_isoformat_utc(str(text)) if text else unknown
    except InvalidOption:
        return unknown
