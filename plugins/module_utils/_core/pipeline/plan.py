# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sync has to do, from what is desired and what is observed. Pure: no reads, no writes."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..instants import format_duration, isoformat_utc
from ..x509.problems import Problem, error
from .naming import certificate_file_stem, colliding_stems


class Secret(t.Protocol):
    """A secret with a current version."""

    @property
    def name(self) -> str: ...

    @property
    def version_id(self) -> str: ...


class Deployed(t.Protocol):
    """What is remembered of a certificate on disk."""

    stem: str
    layout: str
    rules: str

    @property
    def version_id(self) -> str: ...


S = t.TypeVar("S", bound=Secret)


@dataclass(frozen=True)
class Plan(t.Generic[S]):
    """unchanged: nothing to read; fetch: to be read and compared; refused: secret and why, before any read."""

    unchanged: list[S] = field(default_factory=list)
    fetch: list[S] = field(default_factory=list)
    refused: list[tuple[S, Problem]] = field(default_factory=list)


def plan_sync(
    secrets: t.Iterable[S],
    deployed: t.Mapping[str, Deployed],
    *,
    layout: str,
    rules: str,
    intact: t.Callable[[str], bool],
) -> Plan[S]:
    """Sort the secrets. intact: whether the files of a deployed certificate (by name) are as remembered."""
    plan: Plan[S] = Plan()
    secrets = list(secrets)
    stems = {secret.name: certificate_file_stem(secret.name) for secret in secrets}
    collisions = {name: names for names in colliding_stems(stems).values() for name in names}
    for secret in secrets:
        known = deployed.get(secret.name)
        if secret.name in collisions:
            text = (
                f"Secrets {' and '.join(collisions[secret.name])} would be written to one file ({stems[secret.name]})."
                " Rename one of them, or sync them to different directories."
            )
            plan.refused.append((secret, Problem("file_name_collision", "error", text)))
        elif (
            known is not None
            and (known.version_id, known.rules, known.layout) == (secret.version_id, rules, layout)
            and intact(secret.name)
        ):
            plan.unchanged.append(secret)
        else:
            plan.fetch.append(secret)
    return plan


def vanished(deployed: t.Iterable[str], found: t.Collection[str], kept: t.Collection[str]) -> list[str]:
    """Names of deployed certificates whose secrets are gone: neither found now nor kept for a reason. Sorted.

    Finding nothing at all means that discovery cannot be trusted, not that every certificate is gone: then [].
    """
    if not found:
        return []
    return sorted(name for name in deployed if name not in found and name not in kept)


NO_NEWER: t.Final = "and its secret has no newer one. Renew the secret"


#: AWS refuses requests whose time is off by more than this (Signature Version 4).
CLOCK_TOLERANCE: t.Final = timedelta(minutes=5)


def clock_wrong(offset: timedelta) -> Problem:
    """offset: the clock of whoever asked AWS minus this host's."""
    where = "behind" if offset > timedelta(0) else "ahead of"
    return error(
        "clock_wrong",
        f"This host's clock is {format_duration(abs(offset))} {where} the controller's: what has expired or is not"
        " valid yet by it may be good. Keep it right by NTP (chrony or systemd-timesyncd), and run again.",
    )


def date_problems(
    summary: t.Mapping[str, t.Any], *, now: datetime, min_remaining: timedelta, why: str = NO_NEWER
) -> list[Problem]:
    """What time has done to a certificate that was good when it was written.

    summary: what is remembered of it; why: end of the sentence, why there is no newer one and what to do.
    """
    problems = []
    # Instants are compared as text, which sorts as they do: parsing those of thousands of certificates takes long.
    instant, limit = isoformat_utc(now), isoformat_utc(now + min_remaining)
    not_after = summary.get("not_after") or limit
    if not_after <= instant and "not_after" in summary:
        message = f"The deployed certificate expired at {not_after} {why}."
        problems.append(error("expired", message))
    elif not_after < limit:
        message = f"The deployed certificate expires at {not_after}, which is less than min_remaining ahead, {why}."
        problems.append(error("expires_too_soon", message))
    chain_not_after = summary.get("chain_not_after")
    if chain_not_after and chain_not_after <= instant:
        message = (
            f"An intermediate of the deployed certificate expired at {chain_not_after}."
            " Store the authority's current chain."
        )
        problems.append(error("intermediate_expired", message))
    return problems
