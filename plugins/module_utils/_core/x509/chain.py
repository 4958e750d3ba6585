# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the given certificates is the leaf, and in which order the others lead up from it.

This arranges what was given and checks every link; whether the path ends at a trusted root is trust.py's question.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .certificate import Certificate
from .problems import Problem, error, warning


@dataclasses.dataclass(frozen=True)
class Chain:
    """intermediates: those that a server sends after its leaf, nearest issuer first."""

    intermediates: tuple[Certificate, ...]
    problems: tuple[Problem, ...]


def find_leaf(certificates: t.Sequence[Certificate]) -> Certificate | Problem:
    """The one certificate that is not an authority, or why there is no such one. certificates: no duplicates."""
    if len(certificates) == 1:
        only = certificates[0]
        if only.is_ca and not only.self_signed:
            return _leaf_is_ca(certificates)
        return only
    leaves = [certificate for certificate in certificates if not certificate.is_ca]
    if len(leaves) > 1:  # an intermediate that lacks its CA flag is not a second leaf
        leaves = [leaf for leaf in leaves if not any(_issued(leaf, other) for other in certificates)] or leaves
    if not leaves:
        return _leaf_is_ca(certificates)
    if len(leaves) > 1:
        return error(
            "multiple_leaves",
            f"There are {len(leaves)} leaf certificates ({name_list(leaves)}): store one of them with its chain.",
        )
    return leaves[0]


def arrange(leaf: Certificate, certificates: t.Sequence[Certificate], *, ordered: bool) -> Chain:
    """Sort upwards from the leaf, drop the root, and check each link's signature.

    certificates: no duplicates, leaf among them. ordered: whether the order they came in was anybody's choice.
    """
    problems: list[Problem] = []
    path = [leaf]
    remaining = [certificate for certificate in certificates if certificate != leaf]
    while remaining and not path[-1].self_signed:
        issuer, found = _issuer_of(path[-1], remaining)
        problems += found
        if issuer is None:
            break
        path.append(issuer)
        remaining.remove(issuer)

    # A root that has both its own signature and a cross-signature may be there in both forms.
    twins = [other for other in remaining if other.self_signed and any(_same_entity(other, known) for known in path)]
    strangers = [other for other in remaining if other not in twins]
    if strangers:
        problems.append(_chain_broken(path[-1], strangers))
    roots = twins + [known for known in path[1:] if known.self_signed]
    if roots:
        problems.append(warning("root_dropped", f"The root {name_list(roots)} was left out: clients have their own."))
    intermediates = tuple(known for known in path[1:] if known not in roots)
    kept = (leaf, *intermediates)
    if ordered and tuple(known for known in certificates if known in kept) != kept:
        problems.append(
            warning("chain_reordered", f"The certificates were sorted. Store them in this order: {name_list(kept)}.")
        )
    return Chain(intermediates, tuple(problems))


def name_list(certificates: t.Iterable[Certificate]) -> str:
    """For messages: quoted names, a handful at most."""
    names = [f"'{certificate.name}'" for certificate in certificates]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _issuer_of(child: Certificate, candidates: t.Sequence[Certificate]) -> tuple[Certificate | None, list[Problem]]:
    named = [candidate for candidate in candidates if candidate.subject_name == child.issuer_name]
    if not named:
        return None, []
    problems = []
    named.sort(key=lambda candidate: candidate.self_signed)  # a cross-signed form leads further up than a root
    issuer = next((candidate for candidate in named if child.signature_by(candidate) == "signed"), None)
    if issuer is None:
        issuer = named[0]
        # What cannot be checked because it is weak is reported as weak.
        if child.signature_by(issuer) == "forged" or not child.weak_signature_algorithm:
            problems.append(
                error(
                    "chain_signature_invalid",
                    f"'{child.name}' was not signed by the key of '{issuer.name}', although it names it as its issuer: "
                    "store the issuer certificate that belongs to it.",
                )
            )
    if not issuer.is_ca and not issuer.self_signed:
        problems.append(
            error(
                "intermediate_not_ca",
                f"'{issuer.name}' issued '{child.name}' but is not a certificate authority: "
                "store the certificate of the authority.",
            )
        )
    return issuer, problems


def _issued(issuer: Certificate, other: Certificate) -> bool:
    return other != issuer and other.issuer_name == issuer.subject_name and other.signature_by(issuer) == "signed"


def _same_entity(one: Certificate, other: Certificate) -> bool:
    return one.subject_name == other.subject_name and bool(one.public_key == other.public_key)


def _leaf_is_ca(certificates: t.Sequence[Certificate]) -> Problem:
    return error(
        "leaf_is_ca",
        f"The leaf is missing: {name_list(certificates)} can only issue certificates. Store the server's own one.",
    )


def _chain_broken(last: Certificate, strangers: t.Sequence[Certificate]) -> Problem:
    missing = "" if last.self_signed else f" '{last.name}' was issued by '{last.issuer}': add that certificate."
    return error(
        "chain_broken", f"{name_list(strangers)} is not part of the chain: remove what does not belong.{missing}"
    )
