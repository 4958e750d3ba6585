# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CA and CRL files: content, what HAProxy prints of it, and the order of commands, against a scripted HAProxy."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.parsing import (
    StoredRevocations,
    parse_authorities,
    parse_crls,
    parse_names,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.trust_content import (
    TrustContent,
    facts,
    parse_authority_file,
    parse_crl_file,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.errors import (
    PayloadTooLarge,
    ReloadRequired,
    UnsupportedCommand,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.runtime import RuntimeApi
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.trust_files import TrustFiles
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.revocation import crl_pem

FIRST, SECOND = pki.CertificateAuthority("First"), pki.CertificateAuthority("Second")
NAME = "/c/ca.pem"
MARK = "@changed-at-run-time"
LOOKS = ("show", "abort ssl ca-file @nobody")  # the second tells whose transaction is open
CRLS = """Filename: /c/crl.pem
Status: Used

Certificate Revocation List #1:
Version 2
Signature Algorithm: ecdsa-with-SHA256
Issuer: /CN=Old CA
Last Update: Nov 21 01:51:34 2026 GMT
Next Update: Dec 22 01:51:34 2026 GMT
Revoked Certificates:
    Serial Number: 1234
        Revocation Date: Nov 22 01:51:34 2026 GMT
    Serial Number: 0A
        Revocation Date: Nov 22 01:51:35 2026 GMT

Certificate Revocation List #2:
Version 2
Issuer: /CN=New CA
Last Update: Nov 21 01:51:34 2026 GMT
Next Update:
No Revoked Certificates."""


def content(*authorities: pki.CertificateAuthority) -> TrustContent:
    return parse_authority_file("".join(one.certificate_pem for one in authorities), pki.now())


def shown(trusted: TrustContent, name: str = NAME) -> str:
    """As HAProxy prints these."""
    text = f"Filename: {name}\nStatus: Used\n"
    for number, member in enumerate(trusted.members, start=1):
        dates = [
            f"{datetime.datetime.fromisoformat(str(date).rstrip('Z')):%b %d %H:%M:%S %Y} GMT" for date in member[1:3]
        ]
        text += f" \nCertificate #{number}:\nSerial: {facts(member)['serial_number'].upper()}\nnotBefore: {dates[0]}\n"
        text += f"notAfter: {dates[1]}\nSubject Alternative Name: \nAlgorithm: EC256\n"
        text += f"SHA1 FingerPrint: {facts(member)['fingerprint_sha1'].upper()}\nSubject: {facts(member)['subject']}\n"
    return text


class ScriptedHaproxy(RuntimeApi):
    """Has one CA file with FIRST in it. largest: bytes of a payload; can_add: knows `add ssl ca-file`; status: its."""

    def __init__(self, *, largest: int = 16384, can_add: bool = True, status: str = "Used") -> None:
        super().__init__("/nowhere", timeout=1)
        self.files = {NAME: content(FIRST)}
        self.commands: list[str] = []
        self._pending = ""
        self._largest = largest
        self._can_add = can_add
        self._status = status
        self.serial_number = 1  # of its one certificate, which has no place with the CA file

    def execute(self, command: str, *arguments: str, payload: str | None = None, **_options: t.Any) -> str:
        self.commands.append(" ".join((command, *arguments)))
        if payload is not None and len(payload) > self._largest:
            return "The command is too big for the buffer size."
        answer: str = getattr(self, "_" + command.replace("-", "_").replace(" ", "_"))(
            *arguments, *([payload] * bool(payload))
        )
        return answer

    def execute_all(self, *commands: t.Sequence[str], payload: str | None = None) -> list[str]:
        first, *others = commands
        answer = self.execute(*first, payload=payload)
        return [answer] if "too big" in answer else [answer, *(self.execute(*command) for command in others)]

    def _show_ssl_crl_file(self) -> str:
        return "# filename"

    def _show_ssl_ca_file(self, name: str = "") -> str:
        if not name:
            return "# filename\n" + "\n".join(f"{file} - 1 certificate(s)" for file in self.files)
        trusted = parse_authority_file(self._pending, pki.now()) if name.startswith("*") else self.files[name]
        return shown(trusted, name).replace("Used", self._status)

    def _show_ssl_cert(self, name: str = "") -> str:
        if not name:
            return "# filename\n/c/a.pem"
        return f"Filename: {name}\nStatus: Used\nSerial: {self.serial_number}\n"

    def _set_ssl_ca_file(self, name: str, payload: str) -> str:
        self._pending = payload
        return f"transaction created for CA {name}!"

    def _add_ssl_ca_file(self, name: str, payload: str) -> str:
        if not self._can_add:
            raise UnsupportedCommand("unknown")
        self._pending += f"\n{payload}"
        return f"transaction updated for CA {name}!"

    def _commit_ssl_ca_file(self, name: str) -> str:
        self.files[name] = parse_authority_file(self._pending, pki.now())
        return f"Committing {name}.\nSuccess!"

    def _abort_ssl_ca_file(self, name: str) -> str:
        if name == "@nobody":
            return "No ongoing transaction!"
        return f"Transaction aborted for certificate '{name}'!"

    def _new_ssl_ca_file(self, name: str) -> str:
        self.files[name] = TrustContent((), ())
        return f"New CA file created '{name}'!"

    def _del_ssl_ca_file(self, name: str) -> str:
        del self.files[name]
        return f"CA file '{name}' deleted!"


def test_names_without_counts() -> None:
    text = "# transaction\n*/c/a b.pem - 2 certificate(s)\n# filename\n/c/a b.pem - 1 certificate(s)"
    assert parse_names(text) == ("/c/a b.pem", ["/c/a b.pem"])


def test_crls_as_printed() -> None:
    first, second = parse_crls(CRLS)
    assert first.revoked == {(0x1234, "2026-11-22T01:51:34Z"), (10, "2026-11-22T01:51:35Z")}
    assert first[:3] == ("/CN=Old CA", "2026-11-21T01:51:34Z", "2026-12-22T01:51:34Z")
    assert second == StoredRevocations("/CN=New CA", "2026-11-21T01:51:34Z", None)
    assert facts(first)["revoked"] == 2


def test_authorities_as_printed() -> None:
    both = content(FIRST, SECOND)
    text = shown(both)
    assert list(both.members) == parse_authorities(text)
    # The end of Ed25519 as 2.8 prints it: no line break before the next one's number.
    short = text.replace("Certificate #2:", "Algorithm:  \nCertificate #2:")
    assert len(parse_authorities(short)) == 2


def test_what_is_held() -> None:
    both = content(FIRST, SECOND)
    held = list(both.members)
    assert both.is_held(held[::-1])
    assert not both.is_held(held[:1])
    assert not both.is_held([*held, held[0]])
    assert not content(FIRST).is_held(held)
    without_details = [member._replace(fingerprint_sha1=None, subject=None) for member in held]
    assert both.is_held(without_details)
    assert not content(FIRST, pki.CertificateAuthority("Third")).is_held(without_details)
    lists = parse_crl_file(crl_pem(FIRST) + crl_pem(SECOND), pki.now())
    assert lists.is_held(lists.members)
    assert not lists.is_held([lists.members[0], lists.members[0]])
    assert not lists.is_held(held)


def test_duplicates_are_sent_once() -> None:
    assert len(content(FIRST, SECOND, FIRST).payloads) == 2
    expired = pki.CertificateAuthority("Expired", not_after=pki.now() - datetime.timedelta(days=1))
    assert "has expired" in content(expired).warnings[0]


def test_a_crl_that_is_not_in_force() -> None:
    pem = crl_pem(FIRST)
    for at, code in (
        (pki.now() - datetime.timedelta(days=1), "crl_not_yet_valid"),
        (pki.now() + datetime.timedelta(days=8), "crl_expired"),
    ):
        with pytest.raises(MaterialError, match="First") as caught:
            parse_crl_file(pem, at)
        assert caught.value.problem.code == code


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ("2.6.12-1+deb12u4", False),
        ("2.8.24", False),
        ("2.8.25-5cf5d0683", True),
        ("3.0.11", False),
        ("3.2.25", False),
        ("3.2.26-1", True),
        ("3.3.0", True),
        ("3.3-dev12", True),
        ("4.0", True),
        ("", False),
    ],
)
def test_changes_again_as_long_as_no_certificate_has_changed(version: str, safe: bool) -> None:
    api = ScriptedHaproxy()
    TrustFiles(api, version).update("ca", NAME, content(FIRST, SECOND))
    assert any(name.startswith(MARK) for name in api.files) != safe
    TrustFiles(api, version).update("ca", NAME, content(SECOND))
    api.serial_number += 1
    later = TrustFiles(api, version)
    if safe:
        later.update("ca", NAME, content(FIRST))
    else:
        with pytest.raises(ReloadRequired, match="3165"):
            later.check_safe("ca", NAME)
        with pytest.raises(ReloadRequired, match="3165"):
            later.update("ca", NAME, content(FIRST))
    assert content(FIRST if safe else SECOND).is_held(api.files[NAME].members)


def test_what_nothing_uses_can_always_change() -> None:
    api = ScriptedHaproxy(status="Unused")
    TrustFiles(api, "2.6.12").update("ca", NAME, content(SECOND))
    assert list(api.files) == [NAME]


def test_a_new_file_that_fails_leaves_nothing() -> None:
    api = ScriptedHaproxy(largest=10)
    with pytest.raises(PayloadTooLarge):
        TrustFiles(api, "2.8.25").add("ca", "/c/new.pem", content(FIRST))
    assert list(api.files) == [NAME]


def test_large_bundle_in_parts() -> None:
    both = content(FIRST, SECOND)
    largest = max(map(len, both.payloads))
    api = ScriptedHaproxy(largest=largest)
    TrustFiles(api, "2.8.25").update("ca", NAME, both)
    assert [command for command in api.commands if not command.startswith(LOOKS)] == [
        f"{verb} ssl ca-file {NAME}" for verb in ("set", "abort", "set", "add", "commit")
    ]
    assert both.is_held(api.files[NAME].members)


def test_large_bundle_where_nothing_can_be_added() -> None:
    both = content(FIRST, SECOND)
    api = ScriptedHaproxy(largest=max(map(len, both.payloads)), can_add=False)
    with pytest.raises(PayloadTooLarge):
        TrustFiles(api, "2.6.12").update("ca", NAME, both)
    assert list(api.files) == [NAME]
    assert api.commands[-2].startswith(f"abort ssl ca-file {NAME}")
    assert api.commands[-1].startswith(f"del ssl ca-file {MARK}")
