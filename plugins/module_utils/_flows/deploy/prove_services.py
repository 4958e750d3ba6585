# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof of any service: its endpoints are asked, until they show the new leaf or have had their time."""

from __future__ import annotations

import time
import typing as t

from ..._core.services.definitions import LiveLineage, ServiceDefinition
from ..._core.services.expected import (
    EndpointAnswer,
    EndpointQuestion,
    EndpointVerdict,
    candidates_for,
    is_right,
    judge_endpoints,
)
from ..._ports.tls.endpoint import Endpoint, parse_endpoint
from ..._ports.tls.probe import Observation, probe_many

_CONCURRENCY = 16
_HANDSHAKE = 5.0  # seconds for one
_AGAIN = 4  # more handshakes, for a process that was left behind at the same port
_PAUSE, _LONGEST_PAUSE = 0.2, 2.0  # seconds between two rounds, in between they double


class ServiceProof:
    """Of several services. Made before any of them is told: which endpoints answer then, is part of the proof.

    answered: labels of others that answered, when a run that was killed looked; answering: labels of all of them.
    """

    def __init__(
        self,
        services: t.Iterable[ServiceDefinition],
        *,
        answered: t.Iterable[str] = (),
        handshake: float = _HANDSHAKE,
    ) -> None:
        self._handshake = handshake
        services = tuple(services)
        endpoints = {endpoint for service in services for endpoint in _endpoints(service)}
        timeout = min([handshake, *(service.prove_within for service in services)])
        seen = self._ask(list(endpoints), timeout)
        self.answering = frozenset(answered) | {_label(each.endpoint) for each in seen if each.reachable}

    def prove(
        self,
        service: ServiceDefinition,
        told: t.Collection[str],
        live: t.Sequence[LiveLineage],
        *,
        is_told: bool = True,
    ) -> EndpointVerdict:
        """Asks again what is not answered rightly, up to service.prove_within seconds: it may just be starting.

        And then all once more, for a few new connections have to be answered alike. is_told: see judge_endpoints.
        """
        endpoints = _endpoints(service)
        questions = [_question(service, endpoint, live) for endpoint in endpoints]
        # Nobody knows what is right for one without candidates: it is not waited for.
        answers: dict[int, EndpointAnswer] = {}
        everyone = wanting = list(range(len(endpoints)))
        end, pause = time.monotonic() + service.prove_within, _PAUSE
        while wanting:
            left = max(end - time.monotonic(), 0.5)
            timeout = min(self._handshake, left)
            observations = self._ask([endpoints[index] for index in wanting], timeout)
            answers.update((index, self._answer(seen)) for index, seen in zip(wanting, observations))
            wanting = _wanting(questions, answers, wanting)
            for _time in range(_AGAIN):
                if wanting:
                    break
                judged = [index for index in everyone if questions[index].candidates]
                observations = self._ask([endpoints[index] for index in judged], timeout)
                # One that turns us away when it is asked more often has answered before.
                told_again = {i: self._answer(seen) for i, seen in zip(judged, observations) if not seen.turned_away}
                wanting = _wanting(questions, told_again, list(told_again))
                answers.update((index, told_again[index]) for index in wanting)
            if time.monotonic() + pause >= end:
                break
            if wanting:
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        return judge_endpoints(questions, [answers[index] for index in range(len(endpoints))], told, is_told=is_told)

    def _answer(self, observation: Observation) -> EndpointAnswer:
        answered_before = _label(observation.endpoint) in self.answering
        return EndpointAnswer(observation.fingerprint_sha256, observation.error or "", answered_before)

    @staticmethod
    def _ask(endpoints: t.Sequence[Endpoint], timeout: float) -> list[Observation]:
        return probe_many(endpoints, timeout, _CONCURRENCY)


def _wanting(
    questions: t.Sequence[EndpointQuestion], answers: t.Mapping[int, EndpointAnswer], numbers: t.Sequence[int]
) -> list[int]:
    """Of these the ones that are not answered rightly."""
    return [
        number
        for number in numbers
        if questions[number].candidates and not is_right(questions[number], answers[number])
    ]


def _endpoints(service: ServiceDefinition) -> list[Endpoint]:
    return [parse_endpoint(entry, position) for position, entry in enumerate(service.endpoints)]


def _question(service: ServiceDefinition, endpoint: Endpoint, live: t.Iterable[LiveLineage]) -> EndpointQuestion:
    name = endpoint.server_name or ""
    return EndpointQuestion(_label(endpoint), name, candidates_for(service, endpoint.host, name, live))


def _label(endpoint: Endpoint) -> str:
    name = endpoint.server_name
    return str(endpoint) if name in (None, "", endpoint.host) else f"{endpoint} ({name})"
