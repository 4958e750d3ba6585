# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What no ACME server for tests does by itself, in front of a real one: it answers late, wrongly, without end or not.

Kinds of requests are named as RFC 8555 names what they are for: directory, newNonce, newAccount, newOrder, keyChange,
revokeCert, renewalInfo, account, order, authorization, challenge, finalize, certificate. None is all of them.
"""

from __future__ import annotations

import datetime
import email.utils
import json
import typing as t

from .acme_proxy import AcmeProxy, Answer, Handler, Seen

_PROBLEM = "urn:ietf:params:acme:error:"
RetryAfter = t.Union[float, datetime.datetime, None]


class AcmeFaults(AcmeProxy):
    """Everything is passed on but what has been told to go wrong, until heal(). The first rule for a request that is
    not used up counts. Keyword arguments skip, times, when: see AcmeProxy.rule. late: the server has done
    what was asked, only its answer is lost."""

    def answer(
        self,
        kind: str | None,
        status: int,
        problem: str | None = None,
        detail: str = "made up by a test",
        *,
        retry_after: RetryAfter = None,
        headers: t.Mapping[str, str] | None = None,
        body: bytes | None = None,
        more: t.Mapping[str, t.Any] | None = None,
        late: bool = False,
        **which: t.Any,
    ) -> None:
        """In place of the server. problem: type of a problem document, as "rateLimited"; more: of its fields, as
        instance or subproblems; retry_after: seconds, or an instant that is sent as an HTTP date; body: in place of a
        problem document."""
        sent = {"Content-Type": "application/problem+json" if problem else "text/html", **_retry(retry_after)}
        document = {"type": f"{_PROBLEM}{problem}", "detail": detail, "status": status, **(more or {})}
        content = json.dumps(document).encode() if problem else b"<html>out of order</html>"
        made = Answer(status, list({**sent, **(headers or {})}.items()), content if body is None else body)

        def do(handler: Handler, seen: Seen) -> bool:
            nonce = handler.pass_on(seen).header("Replay-Nonce") if late else handler.nonce() if problem else None
            handler.send(made.with_header("Replay-Nonce", nonce) if nonce else made)
            return True

        self.rule(kind, do, **which)

    def garbage(self, kind: str | None, body: bytes = b"\x00\xff not JSON", **which: t.Any) -> None:
        """Status 200 and something else than was asked for."""
        self.answer(kind, 200, body=body, headers={"Content-Type": "application/json"}, **which)

    def hang(self, kind: str | None, *, late: bool = False, **which: t.Any) -> None:
        """No answer until heal(), and none then."""

        def do(handler: Handler, seen: Seen) -> bool:
            if late:
                handler.pass_on(seen)
            self.released.wait(600)
            handler.drop()
            return True

        self.rule(kind, do, **which)

    def drop(self, kind: str | None, *, late: bool = False, **which: t.Any) -> None:
        """The connection is closed without an answer."""

        def do(handler: Handler, seen: Seen) -> bool:
            if late:
                handler.pass_on(seen)
            handler.drop()
            return True

        self.rule(kind, do, **which)

    def drip(self, kind: str | None, interval: float = 0.5, **which: t.Any) -> None:
        """The server's answer, byte by byte. interval: seconds between them."""

        def do(handler: Handler, seen: Seen) -> bool:
            handler.send(handler.pass_on(seen), interval)
            return True

        self.rule(kind, do, **which)

    def endless(self, kind: str | None, **which: t.Any) -> None:
        """A body that has no end."""

        def do(handler: Handler, seen: Seen) -> bool:
            handler.send_endless()
            return True

        self.rule(kind, do, **which)

    def slow(self, kind: str | None, seconds: float, **which: t.Any) -> None:
        """The server is asked after this time."""

        def do(handler: Handler, seen: Seen) -> bool:
            self.released.wait(seconds)
            return False

        self.rule(kind, do, **which)

    def header(self, kind: str | None, name: str, value: str | None, **which: t.Any) -> None:
        """The server's answer has this header, or (None) no such one. Retry-After for example."""

        def do(handler: Handler, seen: Seen) -> bool:
            given = handler.pass_on(seen)
            kept = [pair for pair in given.headers if pair[0].lower() != name.lower()]
            handler.send(Answer(given.status, [*kept, *([] if value is None else [(name, value)])], given.body))
            return True

        self.rule(kind, do, **which)

    # -- what the server says, otherwise ------------------------------------------------------------------------

    def processing(self, polls: int) -> None:
        """Each order is said to be ``processing`` by its finalization and by the next polls, before it is valid."""
        left: dict[str, int] = {}

        def change(seen: Seen, order: dict[str, t.Any], _answer: Answer) -> dict[str, t.Any]:
            if order["status"] not in ("processing", "valid"):
                return order
            with self._lock:
                left.setdefault(order["finalize"], polls + 1)
                if left[order["finalize"]] == 0:
                    return order
                left[order["finalize"]] -= 1
            return {**{name: value for name, value in order.items() if name != "certificate"}, "status": "processing"}

        self.change("finalize", change)
        self.change("order", change)

    def more_challenges(self, *types: str) -> None:
        """Authorizations offer these as well, before the others."""

        def change(seen: Seen, authorization: dict[str, t.Any], _answer: Answer) -> dict[str, t.Any]:
            more = [
                {"type": kind, "url": f"{self.address}/unknown/{kind}", "status": "pending", "novel": {"field": [1]}}
                for kind in types
            ]
            return {**authorization, "challenges": [*more, *authorization["challenges"]]}

        self.change("authorization", change)

    def directory(self, *, without: t.Sequence[str] = (), meta: t.Mapping[str, t.Any] | None = None) -> None:
        """The directory lacks these resources, as "renewalInfo"; its meta has these fields, as caaIdentities=[...]."""

        def change(seen: Seen, directory: dict[str, t.Any], _answer: Answer) -> dict[str, t.Any]:
            kept = {name: value for name, value in directory.items() if name not in without}
            return {**kept, "meta": {**kept.get("meta", {}), **(meta or {})}}

        self.change("directory", change)

    def renewal_info(
        self,
        start: datetime.datetime,
        end: datetime.datetime,
        *,
        retry_after: RetryAfter = 21600,
        explanation_url: str | None = None,
        **which: t.Any,
    ) -> None:
        """What it says of every certificate (RFC 9773), also where the server behind knows nothing of that."""
        document: dict[str, t.Any] = {"suggestedWindow": {"start": start.isoformat(), "end": end.isoformat()}}
        if explanation_url:
            document["explanationURL"] = explanation_url
        headers = {"Content-Type": "application/json"}
        body = json.dumps(document).encode()
        self.answer("renewalInfo", 200, body=body, headers=headers, retry_after=retry_after, **which)

        def change(seen: Seen, directory: dict[str, t.Any], _answer: Answer) -> dict[str, t.Any]:
            return {"renewalInfo": f"{self.address}/renewal-info", **directory}

        self.change("directory", change)


def _retry(after: RetryAfter) -> dict[str, str]:
    if after is None:
        return {}
    if isinstance(after, datetime.datetime):
        return {"Retry-After": email.utils.format_datetime(after.astimezone(datetime.timezone.utc), usegmt=True)}
    return {"Retry-After": str(after)}
