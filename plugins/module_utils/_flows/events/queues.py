# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Queues that are told of certificates: made, changed, removed, and looked at."""

from __future__ import annotations

import typing as t

from ..._core.events.blueprint import DEAD, Blueprint, EventAccount
from ..._core.events.patterns import KINDS
from ..._core.events.plan import EventStep, FoundPlumbing, foreign, plan_absent, plan_present, unlisted
from ..._errors import RotationError
from ..._ports.aws.event_services import EventServices


def make_queues(services: EventServices, wanted: Blueprint, *, prune: bool, check_mode: bool) -> dict[str, t.Any]:
    """Returns the result, with a diff. Raises RotationError."""
    found = _look(services, wanted.account, wanted.name, wanted.queues)
    steps = plan_present(found, wanted, prune=prune)
    _apply(services, steps, check_mode)
    left_over = unlisted(found, wanted)
    urls: dict[str, str | None] = {name: queue.url for name, queue in found.queues.items()}
    for name in () if check_mode else (wanted.dead, *wanted.queues):
        if name not in urls:
            made = services.queue(name)
            urls[name] = made.url if made else None
    return {
        **_told(steps),
        "queues": [_address(wanted, name, urls) for name in wanted.queues],
        "dead_letter_queue": {**_address(wanted, wanted.dead, urls), "waiting": _waiting(found, wanted.dead)},
        "topic_arn": wanted.topic_arn if wanted.is_fanned_out else None,
        "rules": [
            {"name": wanted.rule_name(kind), "arn": arn, "pattern": wanted.patterns[kind]}
            for kind, arn in zip(wanted.patterns, wanted.rule_arns)
        ],
        "unlisted": [] if prune else left_over,
        "left": [],
    }


def remove_queues(
    services: EventServices, account: EventAccount, name: str, queues: t.Iterable[str], *, check_mode: bool
) -> dict[str, t.Any]:
    """What belongs to this set. Returns the result, with a diff. Raises RotationError."""
    found = _look(services, account, name, queues)
    steps = plan_absent(found, name, name + DEAD)
    _apply(services, steps, check_mode)
    return {
        **_told(steps),
        "queues": [],
        "dead_letter_queue": None,
        "topic_arn": None,
        "rules": [],
        "unlisted": [],
        "left": foreign(found, name),
    }


def look_at_queues(services: EventServices, account: EventAccount, name: str, letters: int) -> dict[str, t.Any]:
    """letters: how many dead ones are shown at most. Raises RotationError when there are no such queues."""
    found = _look(services, account, name, ())
    dead = found.queues.get(name + DEAD)
    if dead is None:
        raise RotationError(
            f"There is no queue {name + DEAD} in {account.region}: nothing is set up by the name {name}."
        )
    counts = {each: _waiting(found, each) for each in sorted(found.queues) if each != dead.name}
    return {
        "queues": [
            {"name": each, "arn": account.arn("sqs", each), "url": found.queues[each].url, "waiting": count}
            for each, count in counts.items()
        ],
        "dead_letter_queue": {
            "name": dead.name,
            "arn": account.arn("sqs", dead.name),
            "url": dead.url,
            "waiting": _waiting(found, dead.name),
        },
        "dead_letters": services.letters(dead.url, letters) if letters > 0 else [],
        "rules": [
            {"name": rule.name, "arn": rule.arn, "pattern": rule.pattern, "is_enabled": rule.is_enabled}
            for rule in found.rules.values()
        ],
        "topic_arn": found.topic.arn if found.topic else None,
    }


def _look(services: EventServices, account: EventAccount, name: str, queues: t.Iterable[str]) -> FoundPlumbing:
    rules = {kind: f"{name}-{kind}" for kind in KINDS}
    return services.look(account.arn("sns", name), name + DEAD, queues, rules)


def _apply(services: EventServices, steps: t.Sequence[EventStep], check_mode: bool) -> None:
    """What a step fails for is told with what was done before it."""
    for number, step in enumerate(steps if not check_mode else ()):
        try:
            services.apply(step)
        except RotationError as error:
            raise RotationError(
                error.message, **{**error.details, **_told(steps[:number]), "changed": number > 0}
            ) from None


def _told(steps: t.Sequence[EventStep]) -> dict[str, t.Any]:
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    for step in steps:
        before[step.name], after[step.name] = step.before, step.after
    return {
        "changed": bool(steps),
        "changes": [step.name for step in steps],
        "diff": {"before": before, "after": after},
    }


def _address(wanted: Blueprint, name: str, urls: t.Mapping[str, str | None]) -> dict[str, t.Any]:
    return {"name": name, "arn": wanted.queue_arn(name), "url": urls.get(name)}


def _waiting(found: FoundPlumbing, name: str) -> int:
    queue = found.queues.get(name)
    return int(queue.attributes.get("ApproximateNumberOfMessages", 0)) if queue else 0
