# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signed requests to one ACME CA, from many threads, in bounded time."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import random
import socket
import ssl
import threading
import time
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ..._core.acme.breaker import ALWAYS, Breaker, Repeating, pause_before
from ..._core.acme.headers import parse_retry_after
from ..._core.acme.problems import bounded_text, parse_problem
from ..._core.text import shown
from ..._errors import AcmeError
from .bounded import MOST_OF_A_BODY, AnswerTooLong, BoundedAdapter

try:
    import josepy
    import requests
    import urllib3.exceptions
    from acme import messages
    from acme.client import ClientNetwork
except ImportError:  # require_library says so, in the runner
    ClientNetwork = object  # type: ignore[assignment, misc]

if t.TYPE_CHECKING:
    from ..._core.acme.authority import AcmeProblem

_VERSION: t.Final = "1.0.0"
#: One CA in two that are refused would end one request of 2,000 with ten; with this, one of 30 million.
_MOST_BAD_NONCES: t.Final = 24
_MOST_NONCES_KEPT: t.Final = 64
_BLOCK: t.Final = 65536

# The library writes each payload and answer to the log at the level debug, and urllib3 each URL.
for _name in ("acme", "josepy", "requests", "urllib3"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class AcmeLimits:
    """connect, answer: seconds for a connection and for one answer; request: for one request with all its repetitions;
    connections: threads that use it at once."""

    connect: float = 10.0
    answer: float = 45.0
    request: float = 60.0
    connections: int = 16


@dataclass(frozen=True)
class AcmeClock:
    """What tells the time and lets it pass, for tests."""

    now: t.Callable[[], datetime] = field(default=lambda: datetime.now(timezone.utc))
    monotonic: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep


class Payload(dict[str, t.Any]):
    """What is signed, as the library wants it. Not its own messages: NewOrder has no "replaces", and the empty object
    that answers a challenge would be taken for no payload at all, because it is empty."""

    def __bool__(self) -> bool:
        return True

    def json_dumps(self, **_options: t.Any) -> str:
        return json.dumps(dict(self))


#: A field of Repeating; "final": the same would happen again.
Arrival = t.Literal["unsent", "broken", "silent", "final"]


class NoGoodAnswer(Exception):
    """Its text tells what happened, as the end of "The CA at https://... ..."."""

    def __init__(self, text: str, how: Arrival) -> None:
        super().__init__(text)
        self.how = how


class HttpAnswer(t.NamedTuple):
    status: int
    headers: t.Mapping[str, str]
    body: bytes
    retry_after: float | None

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    def document(self) -> t.Any:
        """The JSON value, None when it is none."""
        try:
            return json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            return None

    def problem(self) -> AcmeProblem | None:
        return None if self.is_good else parse_problem(self.document(), self.status)


class AcmeNetwork(ClientNetwork):
    """The library's network, for many threads, with patience and an end.

    directory: how messages call the CA; key: josepy's, None where nothing is
    signed; account_url: None for requests that are signed with the key
    alone; verify: as trusted_certificates gives it.
    """

    def __init__(
        self,
        directory: str,
        key: t.Any,
        account_url: str | None,
        verify: str | bool,
        limits: AcmeLimits | None = None,
        clock: AcmeClock | None = None,
    ) -> None:
        account = None
        if account_url is not None:
            account = messages.RegistrationResource(uri=account_url, body=messages.Registration())
        algorithm = algorithm_of(key) if key is not None else josepy.ES256
        super().__init__(key, account=account, alg=algorithm, verify_ssl=t.cast(bool, verify), user_agent=user_agent())
        self._called = directory
        self._limits = limits or AcmeLimits()
        self._clock = clock or AcmeClock()
        self._breaker = Breaker()
        self._lock = threading.Lock()
        self._fresh: list[str] = []
        self.sent = 0
        self.new_nonce_url: str | None = None
        self.session.mount("https://", BoundedAdapter(self._limits.connections))
        # Without one of its own a session would look for passwords in ~/.netrc.
        self.session.auth = lambda request: request

    def close(self) -> None:
        self.session.close()

    # -- requests, with patience ---------------------------------------------------------------------------------

    def look(self, url: str, *, for_all: bool = False) -> HttpAnswer:
        """A GET. for_all: nothing works without it. Returns any answer but 5xx. Raises AcmeError (authority)."""
        return self._patiently(lambda seconds: self._exchange("GET", url, seconds), ALWAYS, for_all=for_all)

    def ask(
        self, url: str, payload: Payload | None, *, repeating: Repeating = ALWAYS, accept: str | None = None
    ) -> HttpAnswer:
        """A signed POST. payload: None for POST-as-GET (RFC 8555 section 6.3). Returns and raises as look."""
        headers = {"Content-Type": self.JOSE_CONTENT_TYPE, **({"Accept": accept} if accept else {})}

        def once(seconds: float) -> HttpAnswer:
            end = self._clock.monotonic() + seconds
            for _attempt in range(_MOST_BAD_NONCES + 1):
                nonce = self._nonce(end - self._clock.monotonic())
                data = self._wrap_in_jws(t.cast(t.Any, payload), josepy.b64decode(nonce), url)  # type: ignore[arg-type]
                left = end - self._clock.monotonic()
                if left <= 0:
                    break
                answer = self._exchange("POST", url, left, data=data, headers=headers)
                self._keep_nonce(answer)
                problem = answer.problem()
                if problem is None or problem.type != "badNonce":
                    return answer
            raise NoGoodAnswer("refuses one nonce after the other, its own new ones too", "final")

        return self._patiently(once, repeating)

    def _patiently(
        self, once: t.Callable[[float], HttpAnswer], repeating: Repeating, *, for_all: bool = False
    ) -> HttpAnswer:
        self._let_through()
        end = self._clock.monotonic() + self._limits.request
        tried = {"unsent": 0, "broken": 0, "silent": 0}
        attempt = 0
        while True:
            attempt += 1
            pause = pause_before(attempt, random.random())  # noqa: S311 - spreads the load
            retry_after = None
            try:
                answer = once(end - self._clock.monotonic())
                if answer.status < 500:
                    self._succeeded()
                    return answer
                how: str = "unsent" if answer.status == 503 else "broken"
                retry_after = answer.retry_after
                pause = max(pause, retry_after or 0.0)
                problem = answer.problem()
                said = f": {problem.detail}" if problem and problem.detail else ""
                failure = f"fails with HTTP status {answer.status}{said}"
                kind = problem.type if problem else ""
            except NoGoodAnswer as error:
                how, failure, kind = error.how, str(error), ""
            tried[how] = tried.get(how, 0) + 1
            if tried[how] > getattr(repeating, how, 0) or self._clock.monotonic() + pause >= end:
                self._failed(failure, for_all=for_all)
                again = f", {attempt} times" if attempt > 1 else ""
                raise AcmeError(
                    f"The CA at {self._called} {failure}{again}. Try again later, or name another issuer after it.",
                    "authority",
                    problem_type=kind,
                    retry_after=retry_after,
                )
            self._clock.sleep(pause)

    # -- the breaker ---------------------------------------------------------------------------------------------

    def _let_through(self) -> None:
        with self._lock:
            if self._breaker.lets_through(self._clock.monotonic()):
                return
            why = self._breaker.why
        raise AcmeError(
            f"The CA at {self._called} is not asked for now, because it {why}. Try again later, or name another issuer"
            " after it.",
            "authority",
        )

    def _failed(self, why: str, *, for_all: bool) -> None:
        with self._lock:
            self._breaker.failed(self._clock.monotonic(), why, for_all=for_all)

    def _succeeded(self) -> None:
        with self._lock:
            self._breaker.succeeded()

    # -- nonces --------------------------------------------------------------------------------------------------

    def _nonce(self, seconds: float) -> str:
        """The newest first: old ones are forgotten by the CA."""
        with self._lock:
            if self._fresh:
                return self._fresh.pop()
        if self.new_nonce_url is None:
            raise NoGoodAnswer("has not been asked for its directory", "final")
        try:
            answer = self._exchange("HEAD", self.new_nonce_url, seconds)
        except NoGoodAnswer as error:
            raise NoGoodAnswer(str(error), "final" if error.how == "final" else "unsent") from None
        nonce = self._nonce_of(answer.headers)
        if nonce is None:
            how: Arrival = "unsent" if answer.status >= 500 else "final"
            raise NoGoodAnswer(f"gives no nonce (HTTP status {answer.status})", how)
        return nonce

    def _nonce_of(self, headers: t.Mapping[str, str]) -> str | None:
        """One that is not base64url is ignored, as RFC 8555 section 6.5.1 wants it."""
        nonce = headers.get(self.REPLAY_NONCE_HEADER, "")
        try:
            is_one = 0 < len(nonce) <= 1024 and josepy.b64encode(josepy.b64decode(nonce)).decode() == nonce
        except ValueError:
            return None
        return nonce if is_one else None

    def _keep_nonce(self, answer: HttpAnswer) -> None:
        nonce = self._nonce_of(answer.headers)
        with self._lock:
            if nonce is not None and len(self._fresh) < _MOST_NONCES_KEPT:
                self._fresh.append(nonce)

    # -- one exchange --------------------------------------------------------------------------------------------

    def _exchange(
        self,
        method: str,
        url: str,
        seconds: float,
        *,
        data: str | None = None,
        headers: t.Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Raises NoGoodAnswer, also for redirections: no ACME CA needs them, and what is signed is for one URL."""
        seconds = min(seconds, self._limits.answer)
        if seconds <= 0:
            raise NoGoodAnswer("does not answer in time", "silent")
        with self._lock:
            self.sent += 1
        try:
            response = self.session.request(
                method,
                url,
                data=data,
                headers={"User-Agent": self.user_agent, "Accept-Encoding": "identity", **(headers or {})},
                verify=self.verify_ssl,
                timeout=urllib3.Timeout(connect=min(self._limits.connect, seconds), total=seconds),  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
            )
            with response:
                body = _read(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _no_good_answer(error) from None
        if 300 <= response.status_code < 400:
            where = bounded_text(response.headers.get("Location"), 200) or "nowhere"
            raise NoGoodAnswer(f"sends elsewhere, to {where}: give the directory's own URL", "final")
        header = response.headers.get
        retry_after = parse_retry_after(header("Retry-After"), header("Date"), self._clock.now())
        return HttpAnswer(response.status_code, response.headers, body, retry_after)


def user_agent() -> str:
    """Whom the CA's people have to do with, and by what it speaks (RFC 8555 section 6.1)."""
    return (
        f"certops.rotation/{_VERSION} (+https://github.com/certops/rotation)"
        f" acme/{importlib.metadata.version('acme')} requests/{importlib.metadata.version('requests')}"
    )


def _read(response: requests.Response) -> bytes:
    parts, size = [], 0
    for part in response.iter_content(_BLOCK):
        size += len(part)
        if size > MOST_OF_A_BODY:
            raise AnswerTooLong
        parts.append(part)
    return b"".join(parts)


def _no_good_answer(error: BaseException) -> NoGoodAnswer:
    """In words of our own: the text of such an error has the URL and may have a proxy's password in it."""
    causes = list(_causes(error))
    through = "cannot be reached through the proxy" if isinstance(error, requests.exceptions.ProxyError) else ""
    for cause in causes:
        if isinstance(cause, AnswerTooLong):
            return NoGoodAnswer("sends more than any answer has", "final")
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = shown(str(cause.verify_message))[:200]
            return NoGoodAnswer(
                f"has a certificate that is not trusted ({reason}): set ca_bundle if it is right", "final"
            )
        if isinstance(cause, socket.gaierror) and not through:
            return NoGoodAnswer("has a name that cannot be resolved", "unsent")
    reason = next((shown(each.strerror) for each in causes if isinstance(each, OSError) and each.strerror), "")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return NoGoodAnswer(through or "takes no connection in time", "unsent")
    if any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes) or through:
        told = f" ({reason[:200]})" if reason else ""
        return NoGoodAnswer((through or "cannot be reached") + told, "unsent")
    silences = (TimeoutError, urllib3.exceptions.ReadTimeoutError, requests.exceptions.Timeout)
    if any(isinstance(cause, silences) for cause in causes):
        return NoGoodAnswer("does not answer in time", "silent")
    if isinstance(error, requests.exceptions.SSLError):
        return NoGoodAnswer(f"does not speak TLS as it should ({reason[:200] or type(error).__name__})", "unsent")
    return NoGoodAnswer(f"ends the connection without an answer ({reason[:200] or type(error).__name__})", "broken")


def _causes(error: BaseException) -> t.Iterator[BaseException]:
    """The exception, and those that it came from: urllib3 and requests keep them in different places."""
    todo: list[BaseException] = [error]
    seen: set[int] = set()
    while todo and len(seen) < 50:
        cause = todo.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        todo.extend(each for each in inner if isinstance(each, BaseException))


def algorithm_of(key: t.Any) -> t.Any:
    if isinstance(key, josepy.JWKRSA):
        return josepy.RS256
    return {256: josepy.ES256, 384: josepy.ES384, 521: josepy.ES512}[key.key.key_size]
