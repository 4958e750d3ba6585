# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Knot DNS on loopback, unprivileged, whose zones are changed by signed updates (RFC 2136, RFC 8945)."""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import typing as t

import dns.message
import dns.query
import dns.rdatatype
import dns.tsig
import dns.update
import dns.zone

from . import secrets_scan
from .ports import free_port


class TsigKey(t.NamedTuple):
    """secret: base64."""

    name: str
    secret: str
    algorithm: str = "hmac-sha256"

    @property
    def key(self) -> dns.tsig.Key:
        return dns.tsig.Key(self.name, self.secret, self.algorithm)


def new_tsig_key(name: str, algorithm: str = "hmac-sha256") -> TsigKey:
    """Known to secrets_scan."""
    secret = base64.b64encode(os.urandom(48)).decode()
    secrets_scan.register_private_key(secret)
    return TsigKey(name, secret, algorithm)


class DnsUpdateServer:
    """Started on __enter__, gone with its directory on __exit__. Names have no dot at their end.

    key: may change and transfer all zones; reader: may only transfer them; nameserver: "127.0.0.1:port", UDP and TCP.
    An alias into another zone is not followed, not even into one of its own.
    """

    def __init__(self, zones: t.Sequence[str] = ("example.com",), algorithm: str = "hmac-sha256") -> None:
        self.zones = tuple(zones)
        self.key = new_tsig_key("certops-writer", algorithm)
        self.reader = new_tsig_key("certops-reader")
        self.port = free_port()
        self.nameserver = f"127.0.0.1:{self.port}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="knot", dir="/tmp"))
        self._log_path = self.directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        program = shutil.which("knotd")
        assert program, "knotd is missing: scripts/bootstrap installs it"
        self._command = [program, "-c", str(self.directory / "knot.conf")]
        for zone in self.zones:
            self._write_zone(zone)
        self._write_config()

    def _write_zone(self, zone: str) -> None:
        lines = [
            f"$ORIGIN {zone}.",
            "$TTL 60",
            f"@ SOA ns1.{zone}. hostmaster.{zone}. 1 7200 900 1209600 5",
            f"@ NS ns1.{zone}.",
            "ns1 A 127.0.0.1",
        ]
        (self.directory / f"{zone}.zone").write_text("\n".join(lines) + "\n")

    def _write_config(self) -> None:
        lines = [
            "server:",
            f'  rundir: "{self.directory}"',
            f"  listen: 127.0.0.1@{self.port}",
            "  udp-workers: 1",
            "  tcp-workers: 1",
            "  background-workers: 1",
            "log:",
            "  - target: stderr",
            "    any: info",
            "database:",
            f'  storage: "{self.directory}"',
            "  journal-db-max-size: 32M",
            "key:",
        ]
        for key in (self.key, self.reader):
            lines += [f"  - id: {key.name}.", f"    algorithm: {key.algorithm}", f"    secret: {key.secret}"]
        lines += ["acl:", "  - id: write", f"    key: {self.key.name}.", "    action: [update, transfer]"]
        lines += ["  - id: read", f"    key: {self.reader.name}.", "    action: transfer"]
        lines += ["zone:"]
        for zone in self.zones:
            lines += [f"  - domain: {zone}.", f'    storage: "{self.directory}"', f'    file: "{zone}.zone"']
            lines += ["    acl: [write, read]"]
        path = self.directory / "knot.conf"
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n")

    # -- life ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> DnsUpdateServer:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start it (again, on the same port, with the zones as they were) and wait until it answers."""
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 30
        while True:
            query = dns.message.make_query(self.zones[-1], "SOA")
            with contextlib.suppress(OSError, dns.exception.DNSException):
                if dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.5).answer:
                    return
            assert self._process.poll() is None, f"knotd ended:\n{self.log}"
            assert time.monotonic() < deadline, f"knotd needs too long to start:\n{self.log}"
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(60)
            self._process = None

    @property
    def log(self) -> str:
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    # -- what it holds ------------------------------------------------------------------------------------------

    def add(self, zone: str, name: str, kind: str, *values: str) -> None:
        """As somebody else would. values: as zone files have them, so TXT in quotation marks where there are spaces."""
        update = dns.update.UpdateMessage(zone, keyring=self.key.key)
        for value in values:
            update.add(f"{name}.", 60, kind, value)
        reply = dns.query.tcp(update, "127.0.0.1", port=self.port, timeout=10)
        assert reply.rcode() == dns.rcode.NOERROR, reply

    def records(self, zone: str) -> dict[tuple[str, str], list[str]]:
        """All but SOA and NS, by a transfer: (name, type) -> values, sorted; TXT without quotation marks."""
        found = dns.zone.Zone(zone, relativize=False)
        query, _serial = dns.xfr.make_query(found, keyring=self.reader.key)
        dns.query.inbound_xfr("127.0.0.1", found, query, port=self.port, timeout=10)
        return {
            (name.to_text(omit_final_dot=True), dns.rdatatype.to_text(records.rdtype)): sorted(
                record.to_text().strip('"') for record in records
            )
            for name, records in found.iterate_rdatasets()
            if records.rdtype not in (dns.rdatatype.SOA, dns.rdatatype.NS)
        }

    def txt(self, zone: str) -> dict[str, list[str]]:
        """Name -> TXT values."""
        return {name: values for (name, kind), values in self.records(zone).items() if kind == "TXT"}
