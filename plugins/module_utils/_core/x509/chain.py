# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the given certificates are sent after the leaf, and in which order.

This chooses among what was given and checks every link; whether the way ends at a trusted root is trust.py's question.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

if t.TYPE_CHECKING:
    from cryptography import x509

from .called import called, name_list
from .certificate import Certificate
from .problems import Problem, error, warning
from .ways_up import WaysUp, WayUp, is_too_high, may_issue

_MAX_ASKED: t.Final = 8


@dataclasses.dataclass(frozen=True)
class Chain:
    """intermediates: those that a server sends after its leaf, nearest issuer first."""

    intermediates: tuple[Certificate, ...]
    problems: tuple[Problem, ...]


@dataclasses.dataclass(frozen=True)
class Choice:
    """By what one of several ways up is chosen.

    is_fit: whether a certificate may be sent at all, for its dates and its strength; is_current: for its dates alone,
    without which it is nobody's root. accepts: whether a verifier takes
    the way; anchors: what is trusted. Both are asked only where there is something to choose.
    """

    is_fit: t.Callable[[Certificate], bool]
    is_current: t.Callable[[Certificate], bool]
    accepts: t.Callable[[WayUp], bool]
    anchors: t.Callable[[], t.Sequence[Certificate]] = tuple


def arrange(leaf: Certificate, certificates: t.Sequence[Certificate], choice: Choice, *, ordered: bool) -> Chain:
    """The best way up from the leaf, without its root; where none is good, what is wrong with the likeliest.

    certificates: no duplicates, leaf among them. ordered: whether the order they came in was anybody's choice.
    """
    others = [certificate for certificate in certificates if certificate != leaf]
    problems: list[Problem] = []
    # No way ends well, or early, at a root that nobody has: it is as if it were not there, unless all ways end at one.
    gone = [other for other in others if other.self_signed and not choice.is_current(other)]
    way, gave_up = _best_way(leaf, [other for other in others if other not in gone], choice, gone)
    if way is None and not gave_up and gone:
        way, gave_up = _best_way(leaf, others, choice)
    if way is None:
        path = _likeliest(leaf, others, choice)
        problems += _link_problems(path, certificates)
        if gave_up and not problems:
            problems.append(_too_complex(leaf))
    else:
        path = list(way.members)
    intermediates = tuple(member for member in path[1:] if not member.self_signed)
    kept = (leaf, *intermediates)

    left_out = [other for other in others if other not in kept]
    related = _related(path, left_out)
    strangers = [other for other in left_out if other not in related]
    if strangers:
        problems.append(_chain_broken(path[-1], strangers, certificates))
    roots = [other for other in related if other.self_signed]
    if roots:
        names = name_list(roots, certificates)
        problems.append(warning("root_dropped", f"The root {names} was left out: clients have their own."))
    unneeded = [other for other in related if not other.self_signed]
    if unneeded:
        problems.append(
            warning(
                "chain_certificate_unneeded",
                f"{name_list(unneeded, certificates)} was left out: '{leaf.name}' does not need it. Remove it.",
            )
        )
    if ordered and tuple(known for known in certificates if known in kept) != kept:
        names = name_list(kept, certificates)
        problems.append(warning("chain_reordered", f"The certificates were sorted. Store them in this order: {names}."))
    return Chain(intermediates, tuple(problems))


def _best_way(
    leaf: Certificate, others: t.Sequence[Certificate], choice: Choice, gone: t.Sequence[Certificate] = ()
) -> tuple[WayUp | None, bool]:
    """And whether the search for it was given up. gone: roots that nobody has; what leads to one is the last choice."""

    @functools.cache
    def is_of_gone(last: Certificate) -> bool:
        return any(last.issuer_name == root.subject_name and last.signature_by(root) == "signed" for root in gone)

    @functools.cache
    def is_below_gone(member: Certificate) -> bool:
        """Who still has such a root goes no other way on from it, whatever is sent (OpenSSL 3)."""
        return not any(member.issuer_name == other.subject_name for other in others if other.self_signed) and (
            is_of_gone(member)
        )

    def is_lost(way: WayUp) -> bool:
        if way.anchored:
            return False
        return (way.root is None and is_of_gone(way.sent[-1])) or any(map(is_below_gone, way.sent[:-1]))

    search = WaysUp(leaf, others, choice.is_fit, ())
    if len(search.found) == 1 and not search.gave_up:
        return search.found[0], False
    anchors = [*filter(choice.is_current, choice.anchors())]
    if anchors:
        search = WaysUp(leaf, others, choice.is_fit, anchors)
    if not search.found:
        return None, search.gave_up
    found = sorted(search.found, key=is_lost)
    likeliest = found[:_MAX_ASKED]
    best = next(filter(choice.accepts, likeliest), likeliest[0])
    longer = [way for way in found if way.continues(best) and is_lost(way) <= is_lost(best)][:_MAX_ASKED]
    return next(filter(choice.accepts, longer), best), False


# Where no way is good: the one that is probably meant, and what is wrong with its links.


def _likeliest(leaf: Certificate, others: t.Sequence[Certificate], choice: Choice) -> list[Certificate]:
    path = [leaf]
    while not path[-1].self_signed:
        child = path[-1]
        named = [other for other in others if other.subject_name == child.issuer_name and other not in path]
        if not named:
            break
        # A cross-signed form leads further up than a root.
        ranked = [
            (
                child.signature_by(other) == "signed",
                may_issue(other),
                not other.self_signed,
                choice.is_fit(other),
                other.not_after,
                other.fingerprint_sha256,
            )
            for other in named
        ]
        path.append(named[ranked.index(max(ranked))])
    return path


def _link_problems(path: t.Sequence[Certificate], certificates: t.Sequence[Certificate]) -> list[Problem]:
    problems = []
    for position, (child, issuer) in enumerate(zip(path, path[1:]), start=1):
        name, below = called(issuer, certificates), called(child, certificates)
        link = child.signature_by(issuer)
        # What cannot be checked because it is weak is reported as weak.
        if link == "forged" or (link == "unknown" and not child.weak_signature_algorithm):
            problems.append(
                error(
                    "chain_signature_invalid",
                    f"{below} was not signed by the key of {name}, although it names it as its issuer: "
                    "store the issuer certificate that belongs to it.",
                )
            )
            break  # what is above has nothing to do with the leaf
        if not may_issue(issuer):
            why = " that may sign certificates" if issuer.is_ca else ""
            problems.append(
                error(
                    "intermediate_not_ca",
                    f"{name} issued {below} but is not a certificate authority{why}: "
                    "store the certificate of the authority.",
                )
            )
        elif is_too_high(issuer, path[:position]) and not issuer.self_signed:
            problems.append(
                error(
                    "path_length_exceeded",
                    f"{name} allows {issuer.path_length} authorities below it, and there are more: "
                    "have the certificate issued by another authority.",
                )
            )
    return problems


def _too_complex(leaf: Certificate) -> Problem:
    message = f"'{leaf.name}': the search for its chain was given up. Store only the chain that belongs to it."
    return error("chain_too_complex", message)


# What is left over.


def _related(path: t.Sequence[Certificate], others: t.Sequence[Certificate]) -> list[Certificate]:
    """Those that have to do with what is above the leaf: other forms of it, its former issuers, its neighbours."""
    names = {path[0].issuer_name}.union(*map(_names, path[1:]))
    related: set[Certificate] = set()
    while True:
        found = [other for other in others if other not in related and not names.isdisjoint(_names(other))]
        if not found:
            return [other for other in others if other in related]
        related.update(found)
        names.update(*map(_names, found))


def _names(authority: Certificate) -> list[x509.Name | None]:
    return [name for name in (authority.subject_name, authority.issuer_name) if name]


def _chain_broken(
    last: Certificate, strangers: t.Sequence[Certificate], certificates: t.Sequence[Certificate]
) -> Problem:
    missing = "" if last.self_signed else f" {called(last, certificates)} was issued by '{last.issuer}':"
    missing += " add that certificate." if missing else ""
    names = name_list(strangers, certificates)
    return error("chain_broken", f"{names} is not part of the chain: remove what does not belong.{missing}")
