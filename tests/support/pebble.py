# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Pebble, the ACME server of Let's Encrypt for tests, on loopback and free ports, in a directory of its own.

Its versions are what scripts/pebble_versions brings: 2.6 (renewal information; sound with 100 orders at once) and 2.10
(profiles, dns-persist-01, CAA identities).
"""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

from cryptography import x509
from cryptography.x509.oid import NameOID

from .https_program import HttpsProgram
from .ports import free_port

_ROOT = pathlib.Path(__file__).parents[2]
DAY = 86400
#: As Let's Encrypt's in late 2026: name -> description and seconds.
PROFILES: t.Mapping[str, tuple[str, int]] = {
    "classic": ("The default", 90 * DAY),
    "tlsserver": ("For servers only, shorter", 45 * DAY),
    "shortlived": ("Six days", 160 * 3600),
}


def versions() -> dict[str, tuple[str, str]]:
    """2.6 and 2.10 -> program and full version, or "" and why it could not be had."""
    found = _ROOT / ".dev/pebble/versions"
    assert found.exists(), "Pebble is missing: scripts/bootstrap brings it"
    lines = [line.split(" ", 2) for line in found.read_text().splitlines()]
    return {name: ("" if path == "-" else str(_ROOT / path), text) for name, path, text in lines}


def program(version: str) -> str:
    """The path of Pebble 2.6 or 2.10. AssertionError when it could not be had, which says why."""
    path, text = versions().get(version, ("", "scripts/pebble_versions does not know it"))
    assert path, f"Pebble {version} is needed and could not be had: {text}"
    return path


class Pebble(HttpsProgram):
    """Started on __enter__, killed and gone with its directory on __exit__. What it knows is in its memory alone.

    dns: "host:port" that it resolves with; bad_nonces: per cent of good nonces that it refuses; validity: seconds of
    its certificates (2.10 with profiles: theirs); profiles: of 2.10; external_accounts: kid -> HMAC key
    as base64url; external_account_required: whether an account needs one; alternate_roots: number of further chains;
    retry_after: seconds of authorizations and of orders; reuse_authorizations: per cent; http_port: where it asks for
    http-01; caa_identities: of 2.10; blocked: domains that it refuses; strict: as its option.

    directory_url, ca_bundle: what clients are given.
    """

    def __init__(
        self,
        dns: str,
        version: str = "2.6",
        *,
        bad_nonces: int = 0,
        validity: int = 90 * DAY,
        profiles: t.Mapping[str, tuple[str, int]] | None = None,
        external_accounts: t.Mapping[str, str] | None = None,
        external_account_required: bool = False,
        alternate_roots: int = 0,
        retry_after: tuple[int, int] = (1, 1),
        reuse_authorizations: int = 0,
        http_port: int | None = None,
        caa_identities: t.Sequence[str] = (),
        blocked: t.Sequence[str] = (),
        strict: bool = True,
    ) -> None:
        super().__init__("pebble", ["/dir"])
        self.version = version
        self.management_port = free_port()
        self.http_port = http_port or free_port()
        self.directory_url = f"https://127.0.0.1:{self.port}/dir"
        self.environment = {
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": str(bad_nonces),
            "PEBBLE_AUTHZREUSE": str(reuse_authorizations),
            "PEBBLE_ALTERNATE_ROOTS": str(alternate_roots),
        }
        config = str(self.directory / "config.json")
        self.command = [program(version), "-config", config, "-dnsserver", dns, f"-strict={strict}"]
        listening: dict[str, t.Any] = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management_port}",
            "certificate": self.certificate,
            "privateKey": self.key,
            "httpPort": self.http_port,
            "tlsPort": free_port(),
        }
        self.config: dict[str, t.Any] = {
            **listening,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": external_account_required,
            "externalAccountMACKeys": dict(external_accounts or {}),
            "domainBlocklist": list(blocked),
            "retryAfter": {"authz": retry_after[0], "order": retry_after[1]},
            "certificateValidityPeriod": validity,
        }
        if version != "2.6":
            self.config["caaIdentities"] = list(caa_identities)
            self.config["profiles"] = {
                name: {"description": text, "validityPeriod": seconds, "promoteCommonName": name == "classic"}
                for name, (text, seconds) in (PROFILES if profiles is None else profiles).items()
            }

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """With an empty memory, and what config and environment say now."""
        (self.directory / "config.json").write_text(json.dumps({"pebble": self.config}))
        super().start()

    def restart(self, **environment: str) -> None:
        """Forget all accounts, orders and its root. environment: more variables, as PEBBLE_AUTHZREUSE."""
        self.stop()
        self.environment.update(environment)
        self.start()

    # -- talk ---------------------------------------------------------------------------------------------------

    def manage(self, path: str) -> bytes:
        """Of its management interface."""
        return self.get(path, self.management_port)

    def root(self, number: int = 0) -> str:
        """PEM of the root of a chain; those above 0 are of alternate chains."""
        return self.manage(f"/roots/{number}").decode()

    def root_name(self, number: int = 0) -> str:
        """The common name of that root, which differs each time."""
        subject = x509.load_pem_x509_certificate(self.root(number).encode()).subject
        return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    def intermediate(self, number: int = 0) -> str:
        return self.manage(f"/intermediates/{number}").decode()

    def status_of(self, serial: int) -> dict[str, t.Any]:
        """Of a certificate: {"Status": "Valid" or "Revoked", "Certificate": PEM ...}."""
        return dict(json.loads(self.manage(f"/cert-status-by-serial/{serial:x}")))

    # -- what was seen ------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Since the fixture was made: "orders" and "certificates" made, and "requests" of ACME."""
        log = self.log
        return {
            "orders": len(re.findall(r"^Pebble .* Added order ", log, re.MULTILINE)),
            "certificates": len(re.findall(r"^Pebble .* Issued certificate serial ", log, re.MULTILINE)),
            "requests": len(re.findall(r"^Pebble .* -> calling handler\(\)$", log, re.MULTILINE)),
        }
