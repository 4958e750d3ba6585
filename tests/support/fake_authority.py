# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ACME CA in memory, for faults that a real one cannot be made to have, and a clock that nobody waits for."""

from __future__ import annotations

import collections
import threading
import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.acme.authority import (
    AcmeProblem,
    Authorization,
    Challenge,
    DirectoryFacts,
    Order,
    RenewalWindow,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DIRECTORY = "https://ca.example/directory"


class FakeClock:
    """Time that passes when somebody sleeps."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.passed = 0.0
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.passed += seconds


@dataclass
class FakeAuthority:
    """Validates what was answered, at once, and issues.

    refused: names whose validation fails, with the detail; processing: how many polls an order is processing;
    retry_after: of orders that are not there yet; ready_at_once: authorizations are valid from the beginning;
    fail: called with the operation and the order's identifiers before each request, may raise; challenges: offered.
    """

    clock: FakeClock
    directory: str = DIRECTORY
    refused: t.Mapping[str, str] = field(default_factory=dict)
    processing: int = 0
    retry_after: float | None = None
    ready_at_once: bool = False
    fail: t.Callable[[str, tuple[str, ...]], None] = lambda operation, identifiers: None
    challenges: tuple[str, ...] = ("http-01", "dns-01", "device-attest-01")
    windows: dict[str, RenewalWindow] = field(default_factory=dict)
    account_url: str = "https://ca.example/account/1"
    account_thumbprint: str = "thumbprint"
    lifetime: timedelta = timedelta(days=90)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.calls: collections.Counter[str] = collections.Counter()
        self.orders: dict[str, Order] = {}
        self.wanted: list[tuple[tuple[str, ...], str | None, str | None]] = []
        self.answered: set[str] = set()
        self.certificates: dict[str, str] = {}
        self.asked_at: dict[str, list[float]] = collections.defaultdict(list)
        self._polls: collections.Counter[str] = collections.Counter()

    @property
    def requests(self) -> int:
        return self.calls.total()

    def facts(self) -> DirectoryFacts:
        return DirectoryFacts(caa_identities=("ca.example",), renewal_info=True)

    def new_order(self, identifiers: t.Sequence[str], *, profile: str | None, replaces: str | None) -> Order:
        names = tuple(identifiers)
        self._called("new_order", names)
        with self._lock:
            url = f"{self.directory}/order/{len(self.orders)}"
            authorizations = tuple(f"{url}/authz/{name}" for name in names)
            status: t.Any = "ready" if self.ready_at_once else "pending"
            self.orders[url] = Order(url, status, names, authorizations, f"{url}/finalize")
            self.wanted.append((names, profile, replaces))
            return self.orders[url]

    def order(self, url: str) -> Order:
        order = self._order(url)
        self._called("order", order.identifiers)
        self.asked_at[url].append(self.clock.monotonic())
        with self._lock:
            if order.status == "pending":
                if any(self._authorization(each).status == "invalid" for each in order.authorizations):
                    order = replace(order, status="invalid")
                elif all(self._authorization(each).status == "valid" for each in order.authorizations):
                    order = replace(order, status="ready")
            elif order.status == "processing":
                self._polls[url] += 1
                if self._polls[url] >= self.processing:
                    order = replace(order, status="valid", certificate_url=f"{url}/certificate")
            is_waiting = order.status in ("pending", "processing")
            self.orders[url] = replace(order, retry_after=self.retry_after if is_waiting else None)
            return self.orders[url]

    def authorization(self, url: str) -> Authorization:
        self._called("authorization", (url.rpartition("/")[2],))
        return self._authorization(url)

    def _authorization(self, url: str) -> Authorization:
        name = url.rpartition("/")[2]
        status: t.Any = "valid" if self.ready_at_once else "pending"
        problem = None
        if url in self.answered:
            problem = AcmeProblem("unauthorized", self.refused[name], 403) if name in self.refused else None
            status = "invalid" if problem else "valid"
        challenges = tuple(
            Challenge(kind, f"{url}#{kind}", f"token-{name}", status, problem if kind == "dns-01" else None)
            for kind in self.challenges
        )
        return Authorization(url, status, name.removeprefix("*."), name.startswith("*."), challenges)

    def key_authorization(self, token: str) -> str:
        return f"{token}.thumbprint"

    def txt_value(self, token: str) -> str:
        return f"txt-{token}"

    def answer(self, challenge: Challenge) -> None:
        url = challenge.url.partition("#")[0]
        self._called("answer", (url.rpartition("/")[2],))
        with self._lock:
            self.answered.add(url)

    def finalize(self, order: Order, csr_der: bytes) -> Order:
        self._called("finalize", order.identifiers)
        with self._lock:
            if self.orders[order.url].status != "ready":
                raise AcmeError("The order is not ready.", "request", problem_type="orderNotReady")
            self.certificates[order.url] = self._issue(csr_der)
            status: t.Any = "processing" if self.processing else "valid"
            url = f"{order.url}/certificate" if status == "valid" else None
            self.orders[order.url] = replace(
                order, status=status, certificate_url=url, retry_after=self.retry_after if self.processing else None
            )
            return self.orders[order.url]

    def certificate(self, order: Order, preferred_chain: str | None) -> str:
        self._called("certificate", order.identifiers)
        return self.certificates[order.url]

    def renewal_window(self, certificate_id: str) -> RenewalWindow | None:
        self._called("renewal_window", ())
        return self.windows.get(certificate_id)

    def _called(self, operation: str, identifiers: tuple[str, ...]) -> None:
        with self._lock:
            self.calls[operation] += 1
        self.fail(operation, identifiers)

    def _order(self, url: str) -> Order:
        if url not in self.orders:
            raise AcmeError("No such order.", "gone")
        return self.orders[url]

    def _issue(self, csr_der: bytes) -> str:
        request = x509.load_der_x509_csr(csr_der)
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        now = self.clock.now().astimezone(timezone.utc)
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Fake CA")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(issuer)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + self.lifetime)
            .add_extension(names, critical=not list(request.subject))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()
