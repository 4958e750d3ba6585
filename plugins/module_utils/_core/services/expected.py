# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which leaf an endpoint of a service should show, and what its answers say of the lineages. Pure.

Of several lineages that cover a name (one for each key type, a wildcard beside it) the service chooses: the leaf of any
is right.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from ..x509.names import covers
from .definitions import LiveLineage, ServiceDefinition


@dataclass(frozen=True)
class EndpointQuestion:
    """label: ``host:port``, with the server name where that is another; server_name: asked for by SNI, "" for none;
    candidates: lineages of which one should be shown, () where nobody knows which."""

    label: str
    server_name: str
    candidates: tuple[LiveLineage, ...]

    @property
    def address(self) -> str:
        """``host:port`` alone."""
        return self.label.partition(" ")[0]


@dataclass(frozen=True)
class EndpointAnswer:
    """fingerprint_sha256: of the leaf that was shown, None where none was; error: why not; answered_before: whether
    it showed any before the service was told."""

    fingerprint_sha256: str | None
    error: str = ""
    answered_before: bool = False


class EndpointVerdict(t.NamedTuple):
    """Lineages by name, each in order. complaints: a sentence for each endpoint that did not answer rightly."""

    wrong: tuple[str, ...] = ()
    proven: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()


def candidates_for(
    service: ServiceDefinition, host: str, server_name: str, live: t.Iterable[LiveLineage]
) -> tuple[LiveLineage, ...]:
    """Those that cover the name that is asked for, or else the ones that the entry names; where no name is asked for,
    the only one there is.

    host: what is connected to, for an endpoint that is asked without a name.
    """
    concerned = tuple(each for each in live if service.concerns(each.name))
    name = server_name or host
    covering = tuple(each for each in concerned if covers(*_names(each), name))
    if covering:
        return covering
    # A name that none of them covers is asked of a server whose certificate is somebody else's.
    return concerned if service.lineages or (len(concerned) == 1 and not _is_asked_for(server_name)) else ()


def is_right(question: EndpointQuestion, answer: EndpointAnswer) -> bool:
    return any(answer.fingerprint_sha256 == each.fingerprint_sha256 for each in question.candidates)


def judge_endpoints(
    questions: t.Sequence[EndpointQuestion],
    answers: t.Sequence[EndpointAnswer],
    told: t.Collection[str],
    *,
    is_told: bool = True,
) -> EndpointVerdict:
    """told: names of the lineages that the service has just been told of; of others nothing is said; is_told: whether
    that went well. Where it did not, one that shows what it had before is no sign against the new leaf.

    What is shown instead of several is no sign against one that is shown there by each name that it has alone, either:
    it is another one's fault.
    """
    alone = _shown_alone(questions, answers)
    wrong: set[str] = set()
    shown: set[str] = set()
    unasked: set[str] = set()
    complaints = []
    for question, answer in zip(questions, answers):
        concerned = {each.name for each in question.candidates if each.name in told}
        if is_right(question, answer):
            shown |= {
                each.name
                for each in question.candidates
                if each.name in told and each.fingerprint_sha256 == answer.fingerprint_sha256
            }
            continue
        complaints.append(_complaint(question, answer))
        is_wrong = is_told if answer.fingerprint_sha256 is not None else answer.answered_before
        if not question.candidates:
            unasked |= set(told)
        elif is_wrong:
            shows = answer.fingerprint_sha256 is not None
            cleared = {each.name for each in question.candidates if shows and (question.address, each.name) in alone}
            at_fault = {each.name for each in question.candidates} - cleared
            wrong |= concerned & (at_fault or cleared)
            unasked |= concerned & cleared
        else:
            unasked |= concerned
    return EndpointVerdict(
        tuple(sorted(wrong)),
        tuple(sorted(shown - wrong - unasked)),
        tuple(sorted(unasked - wrong)),
        tuple(complaints),
    )


def _shown_alone(questions: t.Sequence[EndpointQuestion], answers: t.Sequence[EndpointAnswer]) -> set[tuple[str, str]]:
    """Address and name of each lineage that is shown there wherever it is the only candidate."""
    found: dict[tuple[str, str], bool] = {}
    for question, answer in zip(questions, answers):
        if len(question.candidates) == 1:
            key = (question.address, question.candidates[0].name)
            found[key] = found.get(key, True) and is_right(question, answer)
    return {key for key, is_shown in found.items() if is_shown}


def _complaint(question: EndpointQuestion, answer: EndpointAnswer) -> str:
    names = " or ".join(each.name for each in question.candidates)
    if not question.candidates:
        return (
            f"{question.label}: no live lineage covers {question.server_name or 'it'}, so nobody knows what it should"
            " show. Name the lineage in lineages, or correct server_name."
        )
    if answer.fingerprint_sha256 is not None:
        return f"{question.label} shows another certificate ({answer.fingerprint_sha256[:16]}...) than that of {names}."
    if answer.answered_before:
        return f"{question.label} answered before, and does not since the service was told of {names}: {answer.error}."
    return f"{question.label} could not be asked for {names}, neither before nor now: {answer.error}."


def _is_asked_for(server_name: str) -> bool:
    """Whether it is more than the host's own name, by which an endpoint without a server name is asked."""
    return server_name.lower() not in ("", "localhost") and not _is_address(server_name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _names(lineage: LiveLineage) -> tuple[list[str], list[str]]:
    """DNS names and IP addresses."""
    dns, addresses = [], []
    for name in lineage.subject_alternative_names:
        try:
            addresses.append(str(ipaddress.ip_address(name)))
        except ValueError:
            dns.append(name)
    return dns, addresses
