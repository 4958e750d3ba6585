# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One ACME CA, asked with one key: its directory, and its refusals as exceptions."""

from __future__ import annotations

import threading
import typing as t
from datetime import datetime

from ..._core.acme.answers import AcmeDirectory, UnreadableAnswer, parse_directory
from ..._core.acme.breaker import ALWAYS, Repeating
from ..._core.acme.problems import problem_error
from ..._core.acme.urls import TrustedPlaces, UnsafeUrl
from ..._core.ca.keys import read_key
from ..._core.x509.problems import MaterialError
from ..._errors import AcmeError, AcmeFault, InvalidOption
from .bounded import trusted_certificates
from .network import AcmeClock, AcmeLimits, AcmeNetwork, HttpAnswer, Payload

try:
    import josepy
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
except ImportError:  # require_library says so, in the runner
    pass

_Read = t.TypeVar("_Read")


def signing_key(key_pem: str) -> t.Any:
    """josepy's form of an account's key. Raises InvalidOption, which does not quote it."""
    try:
        key = read_key(key_pem)
    except (MaterialError, IndexError):
        key = None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return josepy.JWKRSA(key=josepy.ComparableRSAKey(key))
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in ("secp256r1", "secp384r1", "secp521r1"):
        return josepy.JWKEC(key=josepy.ComparableECKey(key))
    raise InvalidOption(
        "The key of an ACME account is one of EC (P-256, P-384, P-521) or RSA (2048 bits or more), PEM."
    )


class AcmeClient:
    """directory: its URL; key: as signing_key gives it; account_url: None to sign with the key alone; ca_bundle: path
    of PEM trust anchors, None for the system's.

    Nothing is asked for before it is needed. Safe for threads. Raises InvalidOption.
    """

    def __init__(
        self,
        directory: str,
        key: t.Any,
        account_url: str | None = None,
        *,
        ca_bundle: str | None = None,
        limits: AcmeLimits | None = None,
        clock: AcmeClock | None = None,
    ) -> None:
        TrustedPlaces.of_directory(directory)
        self.url = directory
        self.key = key
        self._clock = clock or AcmeClock()
        self._network = AcmeNetwork(directory, key, account_url, trusted_certificates(ca_bundle), limits, self._clock)
        self._directory: AcmeDirectory | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> AcmeClient:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """The connections."""
        self._network.close()

    @property
    def requests(self) -> int:
        """HTTP requests sent so far, repeated ones included."""
        return self._network.sent

    def share_directory(self, other: AcmeClient) -> None:
        """What the other one knows of the CA need not be asked for again."""
        self._directory = self._directory or other._directory
        if self._directory is not None:
            self._network.new_nonce_url = self._directory.new_nonce

    def now(self) -> datetime:
        return self._clock.now()

    def directory_document(self) -> AcmeDirectory:
        """Asked for once. Raises AcmeError."""
        with self._lock:
            if self._directory is None:
                answer = self._network.look(self.url, for_all=True)
                if not answer.is_good:
                    raise self.refusal(answer, "to show its directory", "authority")
                self._directory = self.read(answer, lambda found: parse_directory(found, self.url))
                self._network.new_nonce_url = self._directory.new_nonce
            return self._directory

    def post(
        self,
        url: str,
        payload: Payload | None,
        what: str,
        *,
        repeating: Repeating = ALWAYS,
        accept: str | None = None,
    ) -> HttpAnswer:
        """A good answer. what: it is refused, such as "to show the order". Raises AcmeError: gone for a URL, of a
        journal perhaps, that is at none of the CA's places."""
        try:
            self.directory_document().places.checked(url)
        except UnsafeUrl as error:
            raise AcmeError(f"The CA at {self.url} is not asked {what}: that is at {error}.", "gone") from None
        answer = self._network.ask(url, payload, repeating=repeating, accept=accept)
        if not answer.is_good:
            raise self.refusal(answer, what)
        return answer

    def look(self, url: str, what: str) -> HttpAnswer:
        """A good answer to a GET. Raises AcmeError."""
        answer = self._network.look(url)
        if not answer.is_good:
            raise self.refusal(answer, what)
        return answer

    def refusal(self, answer: HttpAnswer, what: str, fault: AcmeFault | None = None) -> AcmeError:
        problem = answer.problem()
        beginning = f"The CA at {self.url} refuses {what}"
        if problem is not None:
            return problem_error(problem, beginning, fault=fault, retry_after=answer.retry_after)
        # Not by the CA's own software, it seems.
        by_status: dict[int, AcmeFault] = {404: "gone", 410: "gone", 429: "rate_limited"}
        return AcmeError(
            f"{beginning} with HTTP status {answer.status} and no reason.",
            fault or by_status.get(answer.status, "authority"),
            retry_after=answer.retry_after,
        )

    def read(self, answer: HttpAnswer, parse: t.Callable[[t.Any], _Read]) -> _Read:
        """Raises AcmeError (authority) for what has no meaning."""
        try:
            return parse(answer.document())
        except UnreadableAnswer as error:
            raise self.nonsense(error) from None

    def nonsense(self, error: UnreadableAnswer) -> AcmeError:
        return AcmeError(f"The CA at {self.url} {error}.", "authority")
