# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof of a push, from the machine that pushes: the endpoints of a host serve what it got."""

from __future__ import annotations

import math
import typing as t

from ..._core.x509.names import covers
from ..._ports.tls.endpoint import Endpoint, is_ip, parse_endpoint
from ..._ports.tls.probe import Observation, probe_many

if t.TYPE_CHECKING:
    from ..._core.push.lineage import Lineage
    from ..._core.push.targets import PushTarget
    from ..issue.run_time import RunTime

#: Asks some endpoints at once: the time for each, and how many at a time.
EndpointProbe = t.Callable[[t.Sequence[Endpoint], float, int], t.Sequence[Observation]]

_TIMEOUT: t.Final = 10.0
_AT_A_TIME: t.Final = 8
#: Seconds until an endpoint that does not show it yet is asked again.
_PAUSE: t.Final = 1.0


class EndpointProof:
    """several: whether the host gets more than one lineage."""

    def __init__(
        self, target: PushTarget, *, several: bool, run_time: RunTime, probe: EndpointProbe = probe_many
    ) -> None:
        self._name = target.name
        self._endpoints = [parse_endpoint(entry, position) for position, entry in enumerate(target.endpoints)]
        self._several = several
        self._time = run_time
        self._probe = probe

    def ask(self, lineages: t.Sequence[Lineage], patience: float, beside: t.Iterable[Lineage] = ()) -> dict[str, str]:
        """Name of a lineage -> "" when endpoints show it, else what is wrong; without those that no endpoint concerns.

        Of several lineages that cover a name (one for each key type, an older one beside it) the service chooses: an
        endpoint that shows another one of them is right, and proves nothing of this one. One for which all do so is not
        in the result either. beside: all that the host gets, as they are now. patience: seconds to ask again for; once
        is always asked. Raises RunEnds.
        """
        known = (*lineages, *beside)
        concerned = {
            lineage.name: [endpoint for endpoint in self._endpoints if concerns(endpoint, lineage)]
            for lineage in lineages
        }
        wrong: dict[str, str] = {}
        open_ones = [lineage for lineage in lineages if concerned[lineage.name]]
        until = self._time.monotonic() + patience
        while open_ones:
            self._time.check()
            seen = self._seen([endpoint for lineage in open_ones for endpoint in concerned[lineage.name]])
            for lineage in open_ones:
                theirs = {endpoint: seen[endpoint] for endpoint in concerned[lineage.name]}
                wrong[lineage.name] = self._wrong(lineage, theirs, known)
                if not wrong[lineage.name] and all(
                    each.fingerprint_sha256 != lineage.fingerprint_sha256 for each in theirs.values()
                ):
                    del wrong[lineage.name]
            open_ones = [lineage for lineage in open_ones if wrong.get(lineage.name)]
            if not open_ones or self._time.monotonic() + _PAUSE > until:
                break
            self._time.pause(_PAUSE)
        return wrong

    def _seen(self, endpoints: t.Sequence[Endpoint]) -> dict[Endpoint, Observation]:
        """Each asked once, whatever lineages it concerns. A socket that is silent costs no more than the run has."""
        each = list(dict.fromkeys(endpoints))
        return dict(zip(each, self._probe(each, max(0.1, min(_TIMEOUT, self._time.left)), _AT_A_TIME)))

    def _wrong(self, lineage: Lineage, seen: t.Mapping[Endpoint, Observation], known: t.Collection[Lineage]) -> str:
        problems = []
        for endpoint, observation in seen.items():
            right = {each.fingerprint_sha256 for each in (lineage, *known) if _covers(endpoint, each)}
            if not endpoint.server_name and self._several:
                problems.append(
                    f"{endpoint} has no server_name, so that nobody can tell which lineage it should show. Give it one"
                )
            elif observation.fingerprint_sha256 is None:
                problems.append(f"{endpoint} cannot be asked: {observation.error}")
            elif observation.fingerprint_sha256 not in right:
                problems.append(f"{endpoint} shows another certificate ({observation.fingerprint_sha256[:16]}...)")
        if not problems:
            return ""
        return (
            f"It was delivered to {self._name}, and is not served there: {'; '.join(problems)}. See that the service is"
            " told of new certificates."
        )


def concerns(endpoint: Endpoint, lineage: Lineage) -> bool:
    """Whether it may show the lineage's certificate, if its host gets it."""
    fits = endpoint.key_type == "any" or lineage.key_type in (endpoint.key_type, "")
    return fits and _covers(endpoint, lineage)


def can_prove(target: PushTarget, lineage: Lineage, gets: t.Iterable[Lineage]) -> bool:
    """Whether an endpoint of the target has to show this lineage, and none of the others that it gets. (One for a type
    of key may show another type: where the server speaks TLS 1.3 only.)"""
    others = [other for other in gets if other.name != lineage.name]
    return any(
        concerns(endpoint, lineage) and not any(_covers(endpoint, other) for other in others)
        for endpoint in (parse_endpoint(entry, position) for position, entry in enumerate(target.endpoints))
    )


def longest_proof(target: PushTarget) -> float:
    """Seconds that it takes to ask the endpoints of a target, with all patience."""
    rounds = math.ceil(len(target.endpoints) / _AT_A_TIME)
    return target.receipt_timeout + rounds * _TIMEOUT if rounds else 0


def _covers(endpoint: Endpoint, lineage: Lineage) -> bool:
    name = endpoint.server_name
    return not name or is_ip(name) or covers(lineage.domains, (), name)
