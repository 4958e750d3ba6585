# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What issuing needs around the collection: a real ACME server, and an emulated AWS whose DNS zones really resolve."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import ssl
import typing as t
import urllib.request

from authority import Authority
from occasion import ROOT
from stage import EmulatedAws, StageError, _Program, free_port

_DNS_SERVER = "ansible_collections.certops.rotation.tests.support.acme_dns_server"
_DAYS = 90


class EmulatedAwsWithDns(EmulatedAws):
    """nameserver: "host:port" of a DNS server that answers for the zones of Route53."""

    name = "moto"

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory)
        self._dns_port = free_port()
        self.nameserver = f"127.0.0.1:{self._dns_port}"

    def __enter__(self) -> EmulatedAwsWithDns:
        search = f"PYTHONPATH={ROOT / '.dev' / 'collections'}"
        python = str(ROOT / ".dev/venv/bin/python")
        self._start(["env", search, python, "-m", _DNS_SERVER, str(self._dns_port), str(self.port)], self._answers)
        return self

    @contextlib.contextmanager
    def counting(self) -> t.Iterator[collections.Counter[str]]:
        """As EmulatedAws, of all services."""
        calls: collections.Counter[str] = collections.Counter()
        before = self.told()["operations"]
        try:
            yield calls
        finally:
            calls.update(self.told()["operations"])
            calls.subtract(before)
            for operation in [operation for operation, count in calls.items() if not count]:
                del calls[operation]

    def told(self) -> dict[str, t.Any]:
        """operations: their number by name; queries: of the DNS, each (server, name, type)."""
        request = urllib.request.Request(f"{self.url}/scene/told", b"{}", method="POST")  # noqa: S310  # loopback
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
            return dict(json.load(reply))


class Pebble(_Program):
    """Let's Encrypt's ACME server for tests (https://github.com/letsencrypt/pebble). It validates for real.

    nameserver: whom it asks; directory_url, ca_bundle: what clients are given; http_port: at which it asks for answers
    to http-01.
    """

    name = "pebble"

    def __init__(self, directory: pathlib.Path, nameserver: str, authority: Authority) -> None:
        """authority: of its own HTTPS."""
        super().__init__(directory)
        self._nameserver = nameserver
        port, self._management = free_port(), free_port()
        self.directory_url = f"https://localhost:{port}/dir"
        self.ca_bundle = directory / "https-ca.pem"
        self.ca_bundle.write_text(authority.certificate_pem)
        own = authority.issue("localhost")
        certificate, key = directory / "https.pem", directory / "https-key.pem"
        certificate.write_text(own.certificate_pem)
        key.touch(mode=0o600)
        key.write_text(own.private_key_pem)
        self._config = directory / "pebble.json"
        self.http_port = free_port()
        config = {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(certificate),
            "privateKey": str(key),
            "httpPort": self.http_port,
            "tlsPort": free_port(),
            "certificateValidityPeriod": _DAYS * 86400,
            "retryAfter": {"authz": 1, "order": 1},
        }
        self._config.write_text(json.dumps({"pebble": config}))
        self._context = ssl.create_default_context(cafile=str(self.ca_bundle))

    def __enter__(self) -> Pebble:
        os.environ["PEBBLE_VA_NOSLEEP"] = "1"
        command = [self._program(), "-config", str(self._config), "-dnsserver", self._nameserver, "-strict"]
        self._start(command, self._answers)
        return self

    @property
    def version(self) -> str:
        return "2.6"

    @property
    def root(self) -> str:
        """PEM of the authority that its certificates come from, another one each time that it starts."""
        return self._ask("/roots/0")

    @property
    def orders(self) -> int:
        """That were placed so far."""
        return self.log.count(" Added order ")

    def status(self, serial: int) -> str:
        """Of a certificate: Valid or Revoked."""
        return str(json.loads(self._ask(f"/cert-status-by-serial/{serial:x}"))["Status"])

    def _program(self) -> str:
        program = ROOT / ".dev/pebble/2.6/pebble"
        if not program.exists():
            raise StageError("Pebble is not there: run 'make quickstart-issue', which brings it.")
        return str(program)

    def _answers(self) -> bool:
        try:
            return bool(self.root)
        except OSError:
            return False

    def _ask(self, path: str) -> str:
        url = f"https://localhost:{self._management}{path}"
        with urllib.request.urlopen(url, timeout=10, context=self._context) as reply:  # loopback
            return str(reply.read().decode())
