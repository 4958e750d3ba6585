# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another CA than Pebble, of another maker: acme2certifier with a root and an intermediate of its own (dns-01, ARI).

scripts/bootstrap brings it into .dev/acme2certifier.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import sqlite3
import typing as t

from .https_program import HttpsProgram
from .pki import CertificateAuthority, private_key_pem

_ROOT = pathlib.Path(__file__).parents[2]
_PYTHON = _ROOT / ".dev/acme2certifier/bin/python"
_EXTENSIONS = """
[extensions]
subjectKeyIdentifier: hash, issuer:, subject:
keyUsage: critical, digitalSignature
basicConstraints: critical, CA:FALSE
authorityKeyIdentifier: keyid, issuer:always
extendedKeyUsage: serverAuth
"""


class SecondCa(HttpsProgram):
    """Started on __enter__, killed and gone with its directory on __exit__. What it knows outlives stop() and start().

    dns: "127.0.0.1:port" that it resolves with; days: of its certificates; caa_identities: of its directory;
    external_accounts: kid -> HMAC key as base64url, of which an account then needs one; contact_required:
    whether an account needs an e-mail address; with_subject: False for certificates that no client may accept, with an
    empty subject and names that are not critical (RFC 5280 section 4.2.1.6).

    directory_url, ca_bundle: what clients are given; authority: its intermediate, whose parent is its root.
    """

    def __init__(
        self,
        dns: str,
        *,
        days: int = 90,
        caa_identities: t.Sequence[str] = (),
        external_accounts: t.Mapping[str, str] | None = None,
        contact_required: bool = False,
        with_subject: bool = True,
    ) -> None:
        assert _PYTHON.exists(), "acme2certifier is missing: scripts/bootstrap brings it"
        super().__init__("acme2certifier", ["/directory"])
        self.directory_url = f"https://127.0.0.1:{self.port}/directory"
        self.authority = CertificateAuthority("Second Intermediate", parent=CertificateAuthority("Second Root"))
        host, _colon, dns_port = dns.rpartition(":")
        server = str(pathlib.Path(__file__).with_name("second_ca_server.py"))
        self.command = [str(_PYTHON), server, str(self.port), self.certificate, self.key, dns_port]
        self.environment = {"ACME_SRV_CONFIGFILE": str(self.directory / "acme_srv.cfg"), "PYTHONPATH": ""}
        self._configure(host, days, caa_identities, external_accounts, contact_required, with_subject)

    def _configure(
        self,
        dns_host: str,
        days: int,
        caa_identities: t.Sequence[str],
        external_accounts: t.Mapping[str, str] | None,
        contact_required: bool,
        with_subject: bool,
    ) -> None:
        here = self.directory
        (here / "ca-key.pem").write_text(private_key_pem(self.authority.key))
        (here / "issued").mkdir()
        (here / "ca.pem").write_text(self.authority.certificate_pem)
        (here / "extensions.cfg").write_text(_EXTENSIONS)
        lines = [
            "[DEFAULT]",
            "debug: False",
            f"dns_server_list: {json.dumps([dns_host])}",
            "[DBhandler]",
            "handler: wsgi",
            f"dbfile: {here / 'a2c.db'}",
            "[CAhandler]",
            "handler_module: acme2certifier.cahandlers.openssl_ca_handler",
            f"issuing_ca_key: {here / 'ca-key.pem'}",
            f"issuing_ca_cert: {here / 'ca.pem'}",
            f"issuing_ca_crl: {here / 'crl.pem'}",
            f"cert_save_path: {here / 'issued'}",
            f"openssl_conf: {here / 'extensions.cfg'}",
            f"cert_validity_days: {days}",
            f"cn_enforce: {with_subject}",
            "[Account]",
            f"contact_check_disable: {not contact_required}",
            "[Directory]",
            *([f"caaidentities: {json.dumps(list(caa_identities))}"] if caa_identities else []),
        ]
        if external_accounts:
            keys = here / "eab.json"
            keys.write_text(json.dumps(dict(external_accounts)))
            lines += [
                "[EABhandler]",
                "eab_handler_module: acme2certifier.eabhandlers.json_handler",
                f"key_file: {keys}",
            ]
        (here / "acme_srv.cfg").write_text("\n".join(lines) + "\n")

    def root(self) -> str:
        """PEM of the root."""
        return self.authority.root_pem

    def counts(self) -> dict[str, int]:
        """Of "orders" and "certificates" made."""
        with contextlib.closing(sqlite3.connect(self.directory / "a2c.db")) as database:
            queries = {"orders": "SELECT count(*) FROM orders", "certificates": "SELECT count(*) FROM certificate"}
            return {name: int(database.execute(query).fetchone()[0]) for name, query in queries.items()}
