# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of the user's own before a promotion: what is asked over HTTP, and what an answer means. Pure.

A URL that does not answer as it should has failed. A Prometheus that does not answer, or has no number, knows nothing:
it only watches, so that nothing speaks against a candidate then.
"""

from __future__ import annotations

import json
import math
import operator
import typing as t
from dataclasses import dataclass, field

from .._errors import InvalidOption
from .promotion_verdict import OwnCheck
from .text import shown

_KEYS: t.Final = ("name", "certificates", "retries", "delay", "timeout", "headers", "validate_certs", "ca_path")
_KEYS_OF: t.Final = {"url": ("url", "status", "body"), "prometheus": ("prometheus", "query", "expected")}
_UNRESERVED: t.Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_OPERATORS: t.Final[dict[str, t.Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
NOTHING: t.Final = "nothing"
_SHOWN = 200  # characters of an answer


@dataclass(frozen=True)
class CheckRequest:
    """url: to be asked for; statuses: that are right; body: a text that is to be found in the answer;
    expected: what each value of a query has to be, "nothing" when there is to be none; certificates: those that it is
    about, () for all.
    """

    name: str
    url: str
    statuses: tuple[int, ...] = (200,)
    body: str = ""
    expected: str = ""
    certificates: tuple[str, ...] = ()
    headers: t.Mapping[str, str] = field(default_factory=dict, repr=False)
    validate_certs: bool = True
    ca_path: str = ""
    timeout: int = 10
    retries: int = 2
    delay: int = 5

    def as_dict(self) -> dict[str, t.Any]:
        """For a task."""
        return {**vars(self), "statuses": list(self.statuses), "certificates": list(self.certificates)}


def check_requests(given: t.Any) -> list[CheckRequest]:
    """Raises InvalidOption, which names the check and what is wrong with it."""
    if isinstance(given, str):
        try:
            given = json.loads(given or "[]")
        except ValueError:
            raise InvalidOption("promotion_checks is to be a list of dictionaries, or one as JSON text.") from None
    items = [given] if isinstance(given, dict) else given
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, dict) for item in items):
        raise InvalidOption(
            "promotion_checks is to be a list of dictionaries, each with url, or with prometheus and query."
        )
    return [_request(item, number) for number, item in enumerate(items, 1)]


def _request(item: t.Mapping[str, t.Any], number: int) -> CheckRequest:
    where = f"promotion_checks, item {number}"
    url, prometheus, query = (str(item.get(name) or "").strip() for name in ("url", "prometheus", "query"))
    if bool(url) == bool(prometheus) or bool(prometheus) != bool(query):
        raise InvalidOption(f"{where}: give url, or prometheus (its address) and query.")
    known = (*_KEYS, *_KEYS_OF["prometheus" if prometheus else "url"])
    unknown = sorted(set(map(str, item)) - set(known))
    if unknown:
        raise InvalidOption(f"{where}: there is no {', '.join(unknown)} here. There are {', '.join(known)}.")
    host = _host(url or prometheus, where)
    if prometheus:
        url = f"{prometheus.rstrip('/')}/api/v1/query?query={_quoted(query)}"
    return CheckRequest(
        name=shown(str(item.get("name") or query or host)),
        url=url,
        statuses=_statuses(item.get("status"), where),
        body=str(item.get("body") or ""),
        expected=_expected(item.get("expected"), where) if prometheus else "",
        certificates=_names(item.get("certificates"), where),
        headers=_headers(item.get("headers"), where),
        validate_certs=str(item.get("validate_certs", True)).strip().lower() not in ("false", "no", "0", "off"),
        ca_path=str(item.get("ca_path") or ""),
        **{
            name: _whole(item, name, default, where)
            for name, default in (("timeout", 10), ("retries", 2), ("delay", 5))
        },
    )


def _host(url: str, where: str) -> str:
    """With its port, without who asks and what for. Raises InvalidOption."""
    scheme, _colon, rest = url.partition("://")
    host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    if scheme.lower() not in ("http", "https") or not host.strip(":") or not url.isprintable() or " " in url:
        raise InvalidOption(f"{where}: that is no URL with http:// or https:// and a host.")
    return host


def _quoted(text: str) -> str:
    """For a URL (RFC 3986, 2.1)."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def _statuses(given: t.Any, where: str) -> tuple[int, ...]:
    values = [200] if given is None else given if isinstance(given, (list, tuple)) else str(given).split(",")
    try:
        found = tuple(int(str(value)) for value in values)
    except ValueError:
        found = ()
    if not found or not all(100 <= status <= 599 for status in found):
        raise InvalidOption(f"{where}: status is to be a number such as 200, or a list of them.")
    return found


def _expected(given: t.Any, where: str) -> str:
    text = "" if given is None or isinstance(given, bool) else str(given).strip()
    if text != NOTHING and not _is_comparison(text):
        raise InvalidOption(f'{where}: expected is to be a comparison such as "< 0.01" or "== 1", or "{NOTHING}".')
    return text


def _is_comparison(text: str) -> bool:
    try:
        return math.isfinite(_comparison(text)[1])
    except ValueError:
        return False


def _comparison(text: str) -> tuple[str, float]:
    """ "< 0.01" as its parts. A number alone is to be equal. Raises ValueError."""
    sign = next((sign for sign in _OPERATORS if text.startswith(sign)), "")
    return sign or "==", float(text[len(sign) :])


def _names(given: t.Any, where: str) -> tuple[str, ...]:
    values = str(given).split(",") if isinstance(given, str) else given or ()
    if not isinstance(values, (list, tuple)):
        raise InvalidOption(f"{where}: certificates is to be a list of names.")
    return tuple(str(value).strip() for value in values if str(value).strip())


def _headers(given: t.Any, where: str) -> dict[str, str]:
    if not isinstance(given or {}, dict):
        raise InvalidOption(f"{where}: headers is to be a dictionary.")
    return {str(name): str(value) for name, value in (given or {}).items()}


def _whole(item: t.Mapping[str, t.Any], name: str, default: int, where: str) -> int:
    given = item.get(name, default)
    try:
        number = -1 if isinstance(given, bool) else int(str(given))
    except ValueError:
        number = -1
    if number < (name == "timeout"):
        raise InvalidOption(
            f"{where}: {name} is to be a whole number of {'times' if name == 'retries' else 'seconds'}."
        )
    return number


def judged(request: CheckRequest, result: t.Mapping[str, t.Any]) -> OwnCheck:
    """result: as ansible.builtin.uri returns it, with the content."""
    outcome, why = (_of_query if request.expected else _of_url)(request, result)
    return OwnCheck(request.name, outcome, why, request.certificates)


def _of_url(request: CheckRequest, result: t.Mapping[str, t.Any]) -> tuple[str, str]:
    status = _status(result)
    if "status" not in result and not result.get("timedout"):  # the module itself has failed
        return "unasked", f"nobody could ask: {_said(result)}"
    if status <= 0:
        return "failed", f"no answer: {_said(result)}"
    if status not in request.statuses:
        return "failed", f"status {status} instead of {', '.join(map(str, request.statuses))}"
    if request.body not in str(result.get("content") or ""):
        return "failed", "the answer does not hold what it should"
    return "passed", ""


def _of_query(request: CheckRequest, result: t.Mapping[str, t.Any]) -> tuple[str, str]:
    try:
        values = _values(json.loads(str(result.get("content") or "")))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        status = _status(result)
        return "unasked", f"Prometheus gave no answer: {f'status {status}' if status > 0 else _said(result)}"
    if request.expected == NOTHING:
        return ("failed", f"{len(values)} results instead of nothing") if values else ("passed", "")
    if not values or any(map(math.isnan, values)):  # no traffic yet, or nobody who measures it
        said = "no number" if values else "no result"
        return "unasked", f"Prometheus gave {said}, where each has to be {request.expected}"
    wrong = [value for value in values if not _meets(value, request.expected)]
    if wrong:
        return "failed", f"{wrong[0]:g} is not {request.expected}" + (
            f", and {len(wrong) - 1} more" if wrong[1:] else ""
        )
    return "passed", ""


def _values(document: t.Any) -> list[float]:
    """Of an instant query: a vector or a scalar. Raises what a document of another form makes."""
    if document["status"] != "success":
        raise ValueError
    data = document["data"]
    samples = [data["result"]] if data["resultType"] == "scalar" else [each["value"] for each in data["result"]]
    return [float(sample[1]) for sample in samples]


def _meets(value: float, expected: str) -> bool:
    sign, number = _comparison(expected)
    return _OPERATORS[sign](value, number)


def _status(result: t.Mapping[str, t.Any]) -> int:
    try:
        return int(result.get("status") or 0)
    except (TypeError, ValueError):
        return 0


def _said(result: t.Mapping[str, t.Any]) -> str:
    return shown(" ".join(str(result.get("msg") or "nobody was asked").split()))[:_SHOWN]
