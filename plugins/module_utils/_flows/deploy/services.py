# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell the services of new lineages, one after the other, and prove that they serve them."""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace

from ..._core.services.definitions import Activation, LiveLineage, ServiceDefinition, ServiceOutcome
from ..._core.services.expected import EndpointVerdict
from ..._core.services.output import told
from ..._core.services.pending import PendingLineage, concerned
from ..._core.unexpected import only_rotation_errors
from ..._errors import RotationError
from ..._ports.services.missing import ServiceMissing
from ..._ports.store.atomic import read_regular_file
from .prove_services import ServiceProof
from .service_types import make_service


def run_services(
    services: t.Sequence[ServiceDefinition],
    pending: t.Collection[PendingLineage],
    live: t.Sequence[LiveLineage],
    *,
    due: bool = True,
    check_mode: bool = False,
    remember: t.Callable[[tuple[PendingLineage, ...]], object] = lambda _pending: None,
) -> list[ServiceOutcome]:
    """An outcome for each service, in their order. Never raises for what a service does; one that fails does not stop
    the rest.

    pending: lineages that services are to be told of (core.services.pending), also those left by earlier runs; live:
    all lineages that are live now, pending or not: an endpoint may show any of them; due: whether the delay is over
    (core.services.debounce), else nothing is told; check_mode: nothing is told or asked, what would be has the outcome
    ran; remember: called with pending, when that is due: before anybody is told, with the endpoints that answer now,
    and after each service but the last, with what that one has been told. Whoever keeps it on disk then, and gives it
    to the next run, lets that one see which of them a run that was killed has been the end of, and go on where it was.

    Afterwards, the lineages in ``wrong`` of any outcome are to be taken back, and this is to be called again for them
    alone, as pending with the leaf that is live again and nobody told of it; what is left of pending is what
    still_pending says. A lineage is proven when it is in ``proven`` of one outcome and in ``wrong`` or ``unasked`` of
    none.
    """
    told_of = {id(service): concerned(service, pending) for service in services}
    runs = due and not check_mode
    concerns = [service for service in services if runs and told_of[id(service)]]
    last = concerns[-1] if concerns else None
    proof = ServiceProof(concerns, answered=frozenset().union(*(each.answering for each in pending)))
    pending = tuple(replace(each, answering=proof.answering) for each in pending)
    if concerns:
        remember(pending)
    outcomes = []
    for service in services:
        names = tuple(sorted(each.lineage for each in told_of[id(service)]))
        if not names:
            outcomes.append(ServiceOutcome(service.title, "unchanged", key=service.key))
        elif not runs:
            outcome: t.Literal["ran", "pending"] = "ran" if due else "pending"
            outcomes.append(ServiceOutcome(service.title, outcome, lineages=names, key=service.key))
        else:
            outcomes.append(_run(service, names, live, proof))
            pending = tuple(_once_told(each, outcomes[-1]) for each in pending)
            if service is not last:
                remember(pending)
    return outcomes


def _once_told(pending: PendingLineage, outcome: ServiceOutcome) -> PendingLineage:
    """What a run that is killed leaves to the next one. Of a lineage with which something is wrong, or that could not
    be asked for, nothing: the next run is to see that, too."""
    if pending.lineage not in {*outcome.told} - {*outcome.wrong, *outcome.unasked}:
        return pending
    return replace(pending, told=pending.told | {outcome.key})


def _run(
    service: ServiceDefinition, names: tuple[str, ...], live: t.Sequence[LiveLineage], proof: ServiceProof
) -> ServiceOutcome:
    is_told = is_there = True
    activation, wrong = Activation(), ()
    try:
        with only_rotation_errors():
            activation = make_service(service, names, live).activate()
    except ServiceMissing as error:
        activation, is_there, is_told = Activation(error=error.message), False, service.on_missing == "skip"
    except RotationError as error:
        details = error.details
        log = str(details.get("log") or "")
        activation = Activation(log, details.get("proven", ()), details.get("unasked", ()), error.message)
        is_told, wrong = False, details.get("wrong", ())
    # Also of one that failed: it may be dead since, or have gone on with what it had.
    verdict = EndpointVerdict()
    if is_there or not is_told:
        try:
            with only_rotation_errors():
                verdict = proof.prove(service, names, live, is_told=is_told)
        except RotationError as error:
            verdict = EndpointVerdict(unasked=names, complaints=(error.message,))
    all_wrong = set(names) & {*wrong, *verdict.wrong}
    unasked = set(names) & {*activation.unasked, *verdict.unasked} - all_wrong
    proven = set(names) & {*activation.proven, *verdict.proven} - unasked - all_wrong
    printed = told(activation.output, _keys_of(live), {each.fingerprint_sha256 for each in live})
    return ServiceOutcome(
        service.title,
        "ran" if is_told and not all_wrong else "failed",
        "\n".join(filter(None, (activation.error, printed, *verdict.complaints))),
        wrong=tuple(sorted(all_wrong)),
        proven=tuple(sorted(proven)),
        unasked=tuple(sorted(unasked)),
        lineages=names,
        told=names if is_told else (),
        key=service.key,
        complaint="\n".join(filter(None, (activation.error, *verdict.complaints))),
    )


def _keys_of(live: t.Iterable[LiveLineage]) -> t.Iterator[bytes]:
    """Private keys that a service may print."""
    for lineage in live:
        try:
            yield read_regular_file(os.path.join(lineage.path, "privkey.pem"))
        except (OSError, RotationError):
            continue
