# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role promotion knows, as the core takes it: variables of any type, facts of hosts, the clock."""

from __future__ import annotations

import datetime
import math
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.instants import parse_duration
from ansible_collections.certops.rotation.plugins.module_utils._core.promotion_checks import (
    CheckRequest,
    check_requests,
    judged,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.promotion_report import (
    hosts_behind,
    promotion_report,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.promotion_verdict import (
    Canary,
    OwnCheck,
    PromotionRules,
    is_lagging,
    is_left_behind,
    verdicts,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.record.run_report import well_formed
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.plugin_utils._typed import typed

_T = t.Mapping[str, t.Any]
_PAUSE = 15  # seconds before a canary is asked again


def _verdicts(
    candidates: t.Sequence[_T],
    canaries: _T,
    rules: _T,
    before: t.Sequence[_T] | None = None,
    checks: t.Sequence[_T] = (),
    failed_tasks: _T | None = None,
) -> list[dict[str, t.Any]]:
    """failed_tasks: name or ARN of a certificate -> why the user's own tasks have failed for it."""
    own = [OwnCheck(**{**check, "names": tuple(check["names"])}) for check in checks]
    own += [OwnCheck("promotion_tasks", "failed", str(why), (str(name),)) for name, why in (failed_tasks or {}).items()]
    found = verdicts(candidates, _canaries(canaries), _rules(rules), _now(), before=before, checks=own)
    return [verdict.as_result() for verdict in found]


def _wait(found: t.Sequence[_T], canaries: _T, rules: _T, lag: t.Any, phase: str, waited: t.Any) -> int:
    """Seconds before this canary is asked again; 0 when it has seen what there is, or was waited for long enough.

    found: candidates, or, on the way back, verdicts.
    """
    left = int(_duration(lag, "promotion_lag").total_seconds()) - int(waited)
    (canary,) = _canaries({host: _told(facts) for host, facts in canaries.items()})
    if phase == "back":
        is_late = is_left_behind([one for one in found if one["verdict"] == "withdraw"], canary)
    else:
        is_late = is_lagging(found, canary, _rules(rules), _now())
    return max(min(left, _PAUSE), 0) if is_late else 0


def _rest(lag: t.Any, since: t.Any) -> int:
    """Seconds until every listing has to know what changed. since: seconds since 1970."""
    ends = float(since) + _duration(lag, "promotion_lag").total_seconds()
    return max(math.ceil(ends - _now().timestamp()), 0)


def _told(host: _T) -> dict[str, t.Any]:
    """Of all variables of a canary those that tell of the promotion. Nothing that it could not have said itself."""
    facts = {
        "result": host.get("haproxy_certificates_result"),
        "trouble": host.get("__promotion_trouble"),
        "labels": host.get("haproxy_certificates_labels", ["AWSCURRENT"]),
        "proof": host.get("haproxy_certificates_proof"),
        "asked_again": host.get("__promotion_asked_again"),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _rotated(host: _T) -> dict[str, t.Any]:
    result = host.get("haproxy_certificates_result") or {}
    return well_formed(dict(result)) if "certificates" in result else {}


def _selected(host: _T) -> dict[str, t.Any]:
    return {name: host.get(f"haproxy_certificates_{name}") for name in ("names", "name_prefix", "tags")}


def _identifier(candidate: _T) -> str:
    """By which AWS is asked for it again."""
    return str(candidate.get("arn") or candidate["name"])


def _canaries(hosts: _T) -> list[Canary]:
    """hosts: name -> result, trouble, labels and proof, as far as they are known."""
    return [_canary(host, facts) for host, facts in sorted(hosts.items())]


def _canary(host: str, facts: _T) -> Canary:
    result, labels, proof = facts.get("result") or {}, facts.get("labels"), facts.get("proof")
    return Canary(
        host,
        well_formed(dict(result)) if "certificates" in result else None,
        str(result.get("msg") or facts.get("trouble") or ""),
        None if labels is None else tuple(typed(labels, "list", "haproxy_certificates_labels")),
        proof if isinstance(proof, dict) else None,
        bool(facts.get("asked_again")),
    )


def _moves(verdicts_so_far: t.Sequence[_T], verdict: str) -> list[dict[str, t.Any]]:
    """For certificate_candidate."""
    fields = ("version_id", "current_version_id")
    found = [one for one in verdicts_so_far if one["verdict"] == verdict]
    return [{"name": _identifier(one), **{name: one[name] for name in fields}} for one in found]


def _rules(given: _T) -> PromotionRules:
    return PromotionRules(
        str(given["label"]),
        _duration(given["soak"], "promotion_soak"),
        _duration(given["deadline"], "promotion_deadline"),
        bool(given["withdraw"]),
    )


def _duration(text: t.Any, name: str) -> datetime.timedelta:
    try:
        return parse_duration(str(text))
    except InvalidOption as error:
        raise InvalidOption(f"{name}: {error.message}") from None


def _checks(given: t.Any) -> list[dict[str, t.Any]]:
    return [request.as_dict() for request in check_requests(given)]


def _judge(requests: t.Sequence[_T], results: t.Sequence[_T]) -> list[dict[str, t.Any]]:
    """results: of ansible.builtin.uri, in the order of the requests."""
    found = zip(requests, results)
    return [_as_dict(judged(_request(request), result)) for request, result in found]


def _request(given: _T) -> CheckRequest:
    tuples = {name: tuple(given[name]) for name in ("statuses", "certificates")}
    return CheckRequest(**{**given, **tuples})


def _as_dict(check: OwnCheck) -> dict[str, t.Any]:
    return {**vars(check), "names": list(check.names)}


def _selections(given: _T, hosts: t.Iterable[_T]) -> list[dict[str, t.Any]]:
    """What the user selects, else what the canaries do: each once."""
    own = _selection(given, "promotion_")
    found = [own] if own else [_selection(host, "haproxy_certificates_") for host in hosts]
    selections: list[dict[str, t.Any]] = []
    for selection in found:
        if selection and selection not in selections:
            selections.append(selection)
    if not selections:
        raise InvalidOption(
            "Neither promotion_names, promotion_name_prefix nor promotion_tags are given, and the canaries have no"
            " haproxy_certificates_names, haproxy_certificates_name_prefix or haproxy_certificates_tags: say which"
            " certificates are meant."
        )
    return selections


def _selection(given: _T, prefix: str) -> dict[str, t.Any]:
    names = [str(name) for name in typed(given.get("names"), "list", f"{prefix}names")]
    tags = typed(given.get("tags"), "dict", f"{prefix}tags")
    start = typed(given.get("name_prefix"), "str", f"{prefix}name_prefix")
    found = {"names": names, "name_prefix": start, "tags": tags}
    return found if any(found.values()) else {}


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


QUESTIONS: t.Final[dict[str, t.Callable[..., t.Any]]] = {
    "verdicts": _verdicts,
    "wait": _wait,
    "rest": _rest,
    "told": _told,
    "rotated": _rotated,
    "selected": _selected,
    "identifier": _identifier,
    "moves": _moves,
    "checks": _checks,
    "judge": _judge,
    "report": promotion_report,
    "behind": hosts_behind,
    "selections": _selections,
}
