# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS clients as strict as a browser: they trust one authority, and the certificate must be for the name."""

from __future__ import annotations

import collections
import hashlib
import socket
import ssl
import threading
import typing as t


class Served(t.NamedTuple):
    """What one handshake got. fingerprint: SHA-256 of the leaf, in hexadecimal; not_after: seconds since 1970."""

    fingerprint: str
    not_after: int


class Client:
    """Makes fresh handshakes with 127.0.0.1:port. trusted_pem: the authority that certificates must come from."""

    def __init__(self, port: int, trusted_pem: str) -> None:
        self._port = port
        self._context = ssl.create_default_context(cadata=trusted_pem)

    def handshake(self, domain: str) -> Served:
        """Raises OSError (ssl.SSLError is one) when it fails, an untrusted certificate included."""
        with (
            socket.create_connection(("127.0.0.1", self._port), timeout=10) as connection,
            self._context.wrap_socket(connection, server_hostname=domain) as tls,
        ):
            der, facts = tls.getpeercert(binary_form=True), tls.getpeercert()
        if der is None or facts is None:
            raise ssl.SSLError(f"{domain} presented no certificate")
        not_after = ssl.cert_time_to_seconds(str(facts["notAfter"]))
        return Served(hashlib.sha256(der).hexdigest(), int(not_after))


class Visitors:
    """Clients that make one handshake after the other with all domains, from __enter__ to __exit__.

    made: successful handshakes by domain and fingerprint; failures: what the others ended with.
    """

    def __init__(self, client: Client, domains: t.Sequence[str], count: int = 2) -> None:
        self.made: dict[str, collections.Counter[str]] = {domain: collections.Counter() for domain in domains}
        self.failures: list[str] = []
        self._client = client
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit, daemon=True) for _number in range(count)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def total(self) -> int:
        return sum(seen.total() for seen in self.made.values()) + len(self.failures)

    def _visit(self) -> None:
        while True:
            for domain in self.made:
                if self._stop.wait(0.005):
                    return
                try:
                    served = self._client.handshake(domain)
                except OSError as error:
                    with self._lock:
                        self.failures.append(f"{domain}: {error}")
                else:
                    with self._lock:
                        self.made[domain][served.fingerprint] += 1
