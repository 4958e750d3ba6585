# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sighting means: does history begin a new interval, and what is to be told? Pure.

Everything is told once. A change that goes to and fro (two servers behind one address, one of which was forgotten) is
told once in each direction; then there is silence, until it has stayed for WatchPolicy.settled_after.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t
from datetime import datetime, timedelta

from ..._errors import InvalidOption
from ..instants import is_ahead, isoformat_utc, parse_isoformat_utc
from ..renewal import renewal_notice
from .endpoints import WatchedEndpoint
from .ends import end_of, threshold_reached, thresholds, unneeded_ends
from .events import WatchEvent
from .policy import WatchPolicy
from .sightings import REVOKED, AddressState, SeenCertificate, Sighting
from .telling import Teller

#: A sighting older than the last one by less was made beside it, by another scan; by more: a clock was put right.
_BESIDE: t.Final = timedelta(hours=1)
_SHORT: t.Final = 16  # hexadecimal digits of a fingerprint that tell it from the few others of one address
_MOST_NOTES: t.Final = 8  # certificates that are remembered for an address, apart from the one it serves
_MOST_TURNS: t.Final = 6  # changes to and fro that are told: all that three certificates can do

# The notes in AddressState.told that are no kinds of events. "expiring@f" and "expired@f": what has been told of the
# certificate f that is not served at the moment.
_CHAIN: t.Final = "chain"  # digest of the chain of the open interval
_SUCCESSES: t.Final = "successes"  # scans in a row with a certificate, while "unreachable" has not been taken back
_TURNS: t.Final = "turns"  # changes that have been told and are not told again for a while, as "from>to"
_TURNED: t.Final = "turned"  # instant of the last change
_SAID: t.Final = "said"  # what is served, according to what has been told
_OWED: t.Final = "owed"  # kinds that were not told for that reason

_REVOKED: t.Final = "revoked"  # the certificate of which a staple has said so

_TOO_MANY: t.Final = "many"  # of certificates that a server sends and does not need: no more is told of them

_OPPOSITES: t.Final[t.Mapping[str, str]] = {
    "renewed": "replaced_early",
    "replaced_early": "renewed",
}
_REPLACEMENTS: t.Final = frozenset(_OPPOSITES)
_VERDICTS: t.Final = ("untrusted", "trusted_again")
_OF_THE_LEAF: t.Final = ("expiring", "expired")


@dataclasses.dataclass(frozen=True)
class Judgement:
    """after: what is known from now on. opens: a new interval of the history begins at after.since.

    departs: states of other addresses of the endpoint that are no longer asked; their intervals end.
    """

    after: AddressState
    events: list[WatchEvent]
    opens: bool
    departs: tuple[AddressState, ...] = ()


def judge(
    before: AddressState | None,
    sighting: Sighting,
    endpoint: WatchedEndpoint,
    former: SeenCertificate | None,
    policy: WatchPolicy,
    others: t.Sequence[AddressState] = (),
) -> Judgement:
    """before: of this address and type of key, None when it has never been seen.

    former: the certificate of before.fingerprint_sha256, None when nobody has it any more. others: all other states of
    the endpoint: of its other addresses, of other types of keys, and that of no address, from when its name did not
    resolve.
    """
    if before is not None and timedelta(0) < before.last_seen - sighting.at < _BESIDE:
        return Judgement(before, [], False)
    teller = Teller(endpoint, sighting.address, sighting.at)
    told = dict(before.told) if before else {}
    sighting = _with_what_staples_said(sighting, told)
    if sighting.leaf is None:
        failures = (before.failures if before else 0) + 1
        after, opens = _interval(before, sighting, told, failures)
        events = []
        told.pop(_SUCCESSES, None)
        if failures >= policy.unreachable_after and "unreachable" not in told:
            told["unreachable"] = ""
            since = before.since if before and before.reach == "unreachable" else sighting.at
            events.append(teller.unreachable(sighting.error, failures, since))
    else:
        twin = _twin(sighting, others) if before is None else None
        if twin is not None:  # one more address of a server that is known: only what it does differently is news
            shared = [*_OF_THE_LEAF, "chain_expiring", *(["untrusted"] if sighting.trusted is False else [])]
            told.update({kind: twin.told[kind] for kind in shared if kind in twin.told})
        events = [
            *_reach(told, sighting.leaf, teller, policy),
            *_certificate(told, before, sighting, former, teller, policy, known=twin is not None),
            *_expiry(told, sighting, sighting.leaf, teller, policy),
        ]
        after, opens = _interval(before, sighting, told, 0)
    departs, farewells = _departures(before, others, sighting, endpoint, policy)
    return Judgement(after, events + farewells, opens, departs)


def retirement(endpoint: WatchedEndpoint, at: datetime) -> WatchEvent:
    """The event of an endpoint that is taken out of the registry."""
    return Teller(endpoint, None, at).retired()


def _with_what_staples_said(sighting: Sighting, told: dict[str, str]) -> Sighting:
    """A certificate that has been revoked stays so until a staple says otherwise: not each scan asks for one, and
    servers do not send one each time."""
    name = sighting.leaf.fingerprint_sha256[:_SHORT] if sighting.leaf else ""
    if sighting.staple == "revoked":
        told[_REVOKED] = name
    elif name and told.get(_REVOKED) == name:
        if sighting.staple != "good":
            return dataclasses.replace(sighting, trusted=False, trust_error=REVOKED)
        del told[_REVOKED]
    return sighting


def _interval(
    before: AddressState | None, sighting: Sighting, told: dict[str, str], failures: int
) -> tuple[AddressState, bool]:
    """The state that follows, and whether it opens an interval. told: what it holds; gets a note of the chain."""
    leaf, at = sighting.leaf, sighting.at
    trusted, trust_error = (sighting.trusted, sighting.trust_error) if leaf else (None, None)
    fingerprint = leaf.fingerprint_sha256 if leaf else before.fingerprint_sha256 if before else None
    same_leaf = before is not None and before.reach == "served" and before.fingerprint_sha256 == fingerprint
    if before and leaf and same_leaf and trusted is None:  # nobody asked: no reason to doubt
        trusted, trust_error = before.trusted, before.trust_error
    chain = _digest(sighting.chain) if leaf else told.get(_CHAIN, "")
    opens = (
        before is None
        or at < before.last_seen
        or before.reach != sighting.reach
        or (leaf is not None and not same_leaf)
        or told.get(_CHAIN, chain) != chain
        or before.trusted is not trusted
        or _gist(before.trust_error) != _gist(trust_error)
        or _gist(before.error) != _gist(sighting.error)
    )
    if chain:
        told[_CHAIN] = chain
    after = AddressState(
        endpoint=sighting.endpoint,
        address=sighting.address,
        reach=sighting.reach,
        since=at if before is None or opens else before.since,
        last_seen=at,
        fingerprint_sha256=fingerprint,
        trusted=trusted,
        trust_error=trust_error,
        error=sighting.error,
        failures=failures,
        told=told,
        key_type=sighting.key_type,
    )
    return after, opens


def _reach(told: dict[str, str], leaf: SeenCertificate, teller: Teller, policy: WatchPolicy) -> t.Iterator[WatchEvent]:
    if "unreachable" not in told:
        return
    successes = int(told.get(_SUCCESSES, "0")) + 1
    if successes < policy.recovered_after:
        told[_SUCCESSES] = str(successes)
        return
    told.pop(_SUCCESSES, None)
    del told["unreachable"]
    yield teller.recovered(leaf)


def _certificate(
    told: dict[str, str],
    before: AddressState | None,
    sighting: Sighting,
    former: SeenCertificate | None,
    teller: Teller,
    policy: WatchPolicy,
    known: bool,
) -> list[WatchEvent]:
    """What is told of another certificate, and of trust in it."""
    leaf, old = t.cast("SeenCertificate", sighting.leaf), before.fingerprint_sha256 if before else None
    served_before = _token(old, told) if old else ""
    events: list[WatchEvent] = []
    if old is None:
        if not known:
            events.append(teller.first_seen(leaf))
    elif old != leaf.fingerprint_sha256:
        events.append(teller.replaced(former, old, leaf, _early(former, sighting.at)))
        if former:
            events += teller.differences(former, leaf)
        _lay_aside(told, old, leaf.fingerprint_sha256)
    events += _trust(told, sighting, leaf, teller)
    serves = _token(leaf.fingerprint_sha256, told)
    if not old or serves == served_before:
        return events + _settle(told, serves, sighting, teller, policy)
    return _turn(told, served_before, serves, events, sighting, teller)


def _trust(told: dict[str, str], sighting: Sighting, leaf: SeenCertificate, teller: Teller) -> t.Iterator[WatchEvent]:
    if sighting.trusted is False and "untrusted" not in told:
        if leaf.not_after and leaf.not_after <= sighting.at:
            return  # "expired" says it
        told["untrusted"] = ""
        yield teller.untrusted(leaf, sighting.trust_error)
    elif sighting.trusted and "untrusted" in told:
        del told["untrusted"]
        yield teller.trusted_again(leaf)


def _expiry(
    told: dict[str, str], sighting: Sighting, leaf: SeenCertificate, teller: Teller, policy: WatchPolicy
) -> t.Iterator[WatchEvent]:
    end, at = end_of(leaf, sighting.needed_until), sighting.at
    if end is not None:
        limits = thresholds(leaf, policy)
        reached = threshold_reached(end, at, limits)
        if end <= at:
            if "expired" not in told:
                told["expired"] = ""
                yield teller.expired(leaf, end)
        else:
            told.pop("expired", None)  # by a clock that went wrong for a while
            if sighting.trusted is not None:  # else it is not known whether what is needed has got a later end
                _take_back_expiring(told, end - at, reached)
            if reached is not None:
                seconds = round(reached.total_seconds())
                if "expiring" not in told or seconds < int(told["expiring"]):
                    told["expiring"] = str(seconds)
                    yield teller.expiring(leaf, end, reached, last=len(limits) > 1 and reached == min(limits))
    ending = unneeded_ends(sighting.chain, sighting.needed_until, at, policy)
    known = told.get("chain_expiring", "").split()
    new = [each for each in ending if each.fingerprint_sha256[:_SHORT] not in known and known != [_TOO_MANY]]
    if new:
        known += dict.fromkeys(each.fingerprint_sha256[:_SHORT] for each in new)
        told["chain_expiring"] = " ".join(known) if len(known) <= _MOST_NOTES else _TOO_MANY
        yield teller.chain_expiring(new)


def _take_back_expiring(told: dict[str, str], left: timedelta, reached: timedelta | None) -> None:
    """Where the end that was told is no longer so near: what it is within now has been told with that."""
    if reached is None:
        told.pop("expiring", None)
    elif "expiring" in told and left > timedelta(seconds=int(told["expiring"])):
        told["expiring"] = str(round(reached.total_seconds()))


def _turn(
    told: dict[str, str],
    old: str,
    new: str,
    events: list[WatchEvent],
    sighting: Sighting,
    teller: Teller,
) -> list[WatchEvent]:
    """Those of the events of a change that are to be told now."""
    turns, turn = told.get(_TURNS, "").split(), f"{old}>{new}"
    kinds = [event.kind for event in events]
    if "renewed" in kinds and not any(new[:_SHORT] in former for former in turns):
        turns = []  # one after the other, as it should be, and be it every day
    told[_TURNED] = isoformat_utc(sighting.at)
    if turn in turns or len(turns) >= _MOST_TURNS:
        owed = [kind for kind in told.get(_OWED, "").split() if kind not in kinds and _OPPOSITES.get(kind) not in kinds]
        told[_OWED] = " ".join([*owed, *(kind for kind in kinds if kind not in _VERDICTS)])
        return []
    events = events + _arrears(told, new, kinds, sighting, teller)
    told.update({_TURNS: " ".join([*turns, turn]), _SAID: new})
    told.pop(_OWED, None)
    return events


def _settle(
    told: dict[str, str], serves: str, sighting: Sighting, teller: Teller, policy: WatchPolicy
) -> list[WatchEvent]:
    """Of the same as before. Only what was seen to stay has stayed: who looks weekly sees a change each time."""
    if not _settled(told, sighting.at, policy):
        return []
    events = _arrears(told, serves, [], sighting, teller)
    _forget_turns(told)
    return events


def _arrears(
    told: t.Mapping[str, str], serves: str, kinds: t.Sequence[str], sighting: Sighting, teller: Teller
) -> list[WatchEvent]:
    """What was not told when it happened, and still holds. kinds: what is told at the same time."""
    said, leaf = told.get(_SAID, serves), t.cast("SeenCertificate", sighting.leaf)
    events = []
    if said[:_SHORT] != serves[:_SHORT] and not any(kind in _REPLACEMENTS for kind in kinds):
        owed: t.Sequence[t.Any] = told.get(_OWED, "").split()
        events += [teller.stays(kind, leaf) for kind in owed]
    if said[-1] != serves[-1] and not any(kind in _VERDICTS for kind in kinds):
        bad = "untrusted" in told
        events.append(teller.untrusted(leaf, sighting.trust_error) if bad else teller.trusted_again(leaf))
    return events


def _settled(told: t.Mapping[str, str], at: datetime, policy: WatchPolicy) -> bool:
    try:
        if _TURNED not in told:
            return False
        turned = parse_isoformat_utc(told[_TURNED])
        return is_ahead(turned, at) or at - turned >= policy.settled_after
    except InvalidOption:
        return True


def _forget_turns(told: dict[str, str]) -> None:
    for note in [key for key in told if "@" in key or key in (_TURNS, _TURNED, _SAID, _OWED)]:
        del told[note]


def _lay_aside(told: dict[str, str], old: str, new: str) -> None:
    """What has been told of the end of one certificate does not hold for another, but may soon hold again."""
    for kind in _OF_THE_LEAF:
        if kind in told:
            told[f"{kind}@{old[:_SHORT]}"] = told.pop(kind)
        again = told.pop(f"{kind}@{new[:_SHORT]}", None)
        if again is not None:
            told[kind] = again
    for note in [key for key in told if "@" in key][:-_MOST_NOTES]:
        del told[note]


def _early(former: SeenCertificate | None, at: datetime) -> bool:
    if former is None or not former.not_before or not former.not_after:
        return False
    return former.not_after - at > renewal_notice(former.not_before, former.not_after)


def _twin(sighting: Sighting, others: t.Sequence[AddressState]) -> AddressState | None:
    """An address of the same endpoint that was known to serve the same before this scan."""
    leaf = t.cast("SeenCertificate", sighting.leaf).fingerprint_sha256
    same = (other for other in others if other.fingerprint_sha256 == leaf and other.since < sighting.at)
    return max(same, key=lambda other: other.last_seen, default=None)


def _departures(
    before: AddressState | None,
    others: t.Sequence[AddressState],
    sighting: Sighting,
    endpoint: WatchedEndpoint,
    policy: WatchPolicy,
) -> tuple[tuple[AddressState, ...], list[WatchEvent]]:
    """The other addresses that are no more. A name that resolves to others each time does not make news of that."""
    if sighting.address is None:
        return (), []  # it does not resolve: nothing is known of any address
    # Before this scan: the others of this one may be still to come.
    earlier = [state.last_seen for state in (before, *others) if state and state.last_seen < sighting.at]
    departs, events = [], []
    present = {state.fingerprint_sha256 for state in others if state.last_seen == sighting.at}
    present.update(certificate.fingerprint_sha256 for certificate in sighting.chain[:1])
    for other in others:
        teller = Teller(endpoint, other.address, sighting.at)
        if other.address is None:
            departs.append(other)
            if "unreachable" in other.told:
                events.append(teller.recovered(None))
        elif max(earlier, default=other.last_seen) - other.last_seen >= policy.gone_after:
            departs.append(other)
            if other.fingerprint_sha256 not in present:
                events.append(teller.retired(other.last_seen, other.key_type))
    return tuple(departs), events


def _token(fingerprint: str, told: t.Mapping[str, str]) -> str:
    return fingerprint[:_SHORT] + ("-" if "untrusted" in told else "+")


def _digest(chain: t.Sequence[SeenCertificate]) -> str:
    joined = " ".join(certificate.fingerprint_sha256 for certificate in chain)
    return hashlib.sha256(joined.encode()).hexdigest()[:_SHORT]


def _gist(error: str | None) -> str | None:
    """Without what differs by chance: words with digits, such as seconds and the ids that mail servers give to each
    connection, and whether a server that goes away says goodbye."""
    if error is None:
        return None
    lasting = " ".join(word for word in error.split() if not any(map(str.isdigit, word)))
    return lasting.replace("connection reset", "connection closed")
