# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Problem documents of ACME (RFC 7807, RFC 8555 section 6.7): read without fear, and whose fault each is. Pure."""

from __future__ import annotations

import re
import typing as t

from ..._errors import AcmeError, AcmeFault
from ..text import shown
from .authority import AcmeProblem

_PREFIXES: t.Final = ("urn:ietf:params:acme:error:", "urn:acme:error:")
_MOST_SUBPROBLEMS: t.Final = 100  # a certificate has no more names at the public CAs
_LONGEST_TYPE: t.Final = 100
_LONGEST_DETAIL: t.Final = 1000
_LONGEST_URL: t.Final = 2048
_URL_IN_TEXT = re.compile(r"https://[!#-&(-;=?-~]{4,}")  # no quotation marks, no <>

#: RFC 8555 section 6.7, RFC 8739, RFC 9773 section 7.4, draft-ietf-acme-profiles. "unauthorized" is decided apart.
_FAULTS: t.Final[dict[str, AcmeFault]] = {
    "accountDoesNotExist": "account",
    "alreadyReplaced": "request",
    "alreadyRevoked": "request",
    "badCSR": "request",
    "badNonce": "authority",
    "badPublicKey": "account",
    "badRevocationReason": "request",
    "badSignatureAlgorithm": "account",
    "caa": "identifier",
    "connection": "identifier",
    "dns": "identifier",
    "dnssec": "identifier",
    "externalAccountRequired": "account",
    "incorrectResponse": "identifier",
    "invalidContact": "account",
    "invalidProfile": "request",
    "orderNotReady": "request",
    "rateLimited": "rate_limited",
    "rejectedIdentifier": "identifier",
    "serverInternal": "authority",
    "tls": "identifier",
    "unsupportedContact": "account",
    "unsupportedIdentifier": "identifier",
    "userActionRequired": "account",
}
_ADVICE: t.Final[dict[str, str]] = {
    "accountDoesNotExist": "Register the account again, with the module acme_account.",
    "badCSR": "Choose another key_type, or look at what this CA demands of names and keys.",
    "badPublicKey": "Choose a key of another type: P-256 or RSA 2048 is taken everywhere.",
    "badSignatureAlgorithm": "Give the account a key of another type: P-256 or RSA 2048 is taken everywhere.",
    "caa": "Let the CAA records of the domain name this CA, or choose another issuer.",
    "connection": "See that the CA reaches the domain's servers.",
    "dns": "See that the domain's name servers answer everybody.",
    "dnssec": "Mend the DNSSEC of the domain.",
    "externalAccountRequired": "Give eab_secret the key that the CA has made for you.",
    "invalidContact": "Correct contacts.",
    "invalidProfile": "Choose a profile that the CA's directory names.",
    "rejectedIdentifier": "Leave the name out, or choose another issuer.",
    "unsupportedContact": "Give contacts mail addresses.",
    "unsupportedIdentifier": "Leave the name out, or choose another issuer or profile.",
    "userActionRequired": "Agree to the CA's terms at the address given, then set terms_agreed.",
}


def parse_problem(document: t.Any, status: int | None = None) -> AcmeProblem | None:
    """Of any JSON value; None where it is none. status: of the HTTP answer, where the document tells none."""
    if not isinstance(document, dict):
        return None
    subproblems = []
    for item in _list(document.get("subproblems"))[:_MOST_SUBPROBLEMS]:
        found = _own_problem(item, status) if isinstance(item, dict) else None
        if found is not None:
            identifier = item.get("identifier")
            value = identifier.get("value") if isinstance(identifier, dict) else None
            subproblems.append((bounded_text(value, 253), found))
    return _own_problem(document, status, tuple(subproblems))


def _own_problem(
    document: dict[str, t.Any], status: int | None, subproblems: tuple[tuple[str, AcmeProblem], ...] = ()
) -> AcmeProblem | None:
    kind = bounded_text(document.get("type"), _LONGEST_TYPE)
    for prefix in _PREFIXES:
        kind = kind.removeprefix(prefix)
    detail = bounded_text(document.get("detail") or document.get("title"), _LONGEST_DETAIL)
    told = document.get("status")
    if isinstance(told, int) and not isinstance(told, bool) and 100 <= told <= 599 and status is None:
        status = told
    if not (kind or detail or subproblems):
        return None
    instance = _page(document.get("instance")) or _page_in(document.get("detail"))
    return AcmeProblem("" if kind == "about:blank" else kind, detail, status, instance, subproblems)


def bounded_text(value: t.Any, longest: int) -> str:
    """Text of a CA as it may be shown: on one line, moving no cursor, not longer than that; "" for other types."""
    if not isinstance(value, str):
        return ""
    text = shown(" ".join(value[: 4 * longest].split()))
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else []


def _page(value: t.Any) -> str | None:
    if not isinstance(value, str) or len(value) > _LONGEST_URL or not _URL_IN_TEXT.fullmatch(value):
        return None
    return shown(value)


def _page_in(detail: t.Any) -> str | None:
    """Let's Encrypt tells the page where a paused name is set free in the text alone."""
    found = _URL_IN_TEXT.search(detail) if isinstance(detail, str) else None
    return _page(found[0].rstrip(".,;:)")) if found else None


def problem_fault(problem: AcmeProblem, *, validating: bool = False) -> AcmeFault:
    """Whose fault it is. validating: it is told by a challenge, an authorization or an order, not by a refused request:
    then "unauthorized" is about a name."""
    status = problem.status or 0
    if status >= 500 and not validating:
        return "authority"  # also "busy" of a CA that calls that rateLimited
    if status == 429:
        return "rate_limited"
    if problem.type == "unauthorized":
        return "identifier" if validating else "account"
    if problem.type in _FAULTS:
        return _FAULTS[problem.type]
    faults = {problem_fault(each, validating=validating) for _identifier, each in problem.subproblems}
    if faults:  # of a compound one, and of "malformed", which is what Boulder calls several bad names
        return faults.pop() if len(faults) == 1 else "identifier"
    if status in (404, 410):
        return "gone"
    return "request"


def problem_identifiers(problem: AcmeProblem) -> tuple[str, ...]:
    """Those that its subproblems name, without repetitions."""
    return tuple(dict.fromkeys(identifier for identifier, _problem in problem.subproblems if identifier))


def problem_text(problem: AcmeProblem) -> str:
    """For people, on one line: what the CA says, of each name where it says that, its type, and its page."""
    parts = [problem.detail or "no reason given"]
    said = [f"{identifier or 'a name'}: {each.detail or each.type}" for identifier, each in problem.subproblems]
    if said:
        parts.append(f"({bounded_text('; '.join(said), _LONGEST_DETAIL)})")
    if problem.type:
        parts.append(f"[{problem.type}]")
    text = " ".join(parts)
    if problem.instance and problem.instance not in text:
        text += f" See {problem.instance}"
    return text


def problem_error(
    problem: AcmeProblem,
    what: str,
    *,
    fault: AcmeFault | None = None,
    retry_after: float | None = None,
) -> AcmeError:
    """what: the beginning of the message, such as "The CA at https://... refuses to ..."; fault: where it is known
    better."""
    advice = _ADVICE.get(problem.type, "")
    return AcmeError(
        f"{what}: {problem_text(problem)}" + (f" {advice}" if advice else ""),
        fault or problem_fault(problem),
        problem_type=problem.type,
        retry_after=retry_after,
        url=problem.instance,
        identifiers=problem_identifiers(problem),
    )
