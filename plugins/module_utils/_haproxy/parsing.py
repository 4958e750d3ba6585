# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `show ssl cert` and `show ssl crt-list` print, read into plain data. Pure."""

from __future__ import annotations

import datetime
import re
import ssl
import typing as t
from dataclasses import dataclass

_ENTRY = re.compile(r"^(?P<name>.+?):(?P<line>\d+)(?P<rest>(?: .*)?)$")


@dataclass(frozen=True)
class StoredCertificate:
    """A certificate in HAProxy's memory, as `show ssl cert NAME` tells it.

    status: Used, Unused, Empty or Uncommitted. Fingerprint and serial: lower-case hexadecimal. Dates: ISO 8601, UTC.
    chain: subject and issuer of each intermediate in the "/C=DE/CN=x" form. chain_from_directory: the chain is not from
    the certificate's own file (issuers-chain-path).
    """

    name: str
    status: str
    serial_number: str | None = None
    fingerprint_sha1: str | None = None
    not_before: str | None = None
    not_after: str | None = None
    subject: str | None = None
    issuer: str | None = None
    subject_alternative_names: tuple[str, ...] = ()
    chain: tuple[tuple[str, str], ...] = ()
    chain_from_directory: bool = False


class CrtListEntry(t.NamedTuple):
    """One line of a crt-list in memory. rest: its options and SNI filters as printed, empty in a directory."""

    name: str
    line: int
    rest: str


def parse_certificate_list(text: str) -> tuple[str | None, list[str]]:
    """`show ssl cert`: the name of the open transaction, if any, and the names of all certificates."""
    transaction = None
    names: list[str] = []
    section = ""
    for line in text.splitlines():
        if line.startswith("# "):
            section = line
        elif section == "# transaction" and line.startswith("*"):
            transaction = line[1:]
        elif section == "# filename" and line:
            names.append(line)
    return transaction, names


def parse_certificate(text: str) -> StoredCertificate | None:
    """`show ssl cert NAME`; None when the answer describes no certificate."""
    fields: dict[str, str] = {}
    subjects: list[str] = []
    issuers: list[str] = []
    for line in text.splitlines():
        name, separator, value = line.partition(": ")
        if name == "Chain Subject":
            subjects.append(value)
        elif name == "Chain Issuer":
            issuers.append(value)
        elif separator:
            fields.setdefault(name, value.strip())
    if "Filename" not in fields or "Status" not in fields:
        return None
    return StoredCertificate(
        name=fields["Filename"],
        status=fields["Status"],
        serial_number=hexadecimal(int(fields["Serial"], 16)) if fields.get("Serial") else None,
        fingerprint_sha1=fields["SHA1 FingerPrint"].lower() if "SHA1 FingerPrint" in fields else None,
        not_before=_date(fields.get("notBefore")),
        not_after=_date(fields.get("notAfter")),
        subject=fields.get("Subject"),
        issuer=fields.get("Issuer"),
        subject_alternative_names=_alternative_names(fields.get("Subject Alternative Name", "")),
        chain=tuple(zip(subjects, issuers)),
        chain_from_directory="Chain Filename" in fields,
    )


def parse_crt_lists(text: str) -> list[str]:
    """`show ssl crt-list`: names of the crt-list files and directories."""
    return [line for line in text.splitlines() if line]


def parse_crt_list(text: str) -> list[CrtListEntry]:
    """`show ssl crt-list -n LIST`. Some versions print a zero byte after the ALPN list."""
    entries = []
    for line in text.replace("\0", "").splitlines():
        match = None if line.startswith("# ") else _ENTRY.match(line)
        if match:
            entries.append(CrtListEntry(match["name"], int(match["line"]), match["rest"].strip()))
    return entries


def hexadecimal(number: int) -> str:
    """A serial number as lower-case hexadecimal of whole bytes."""
    digits = f"{number:x}"
    return digits.zfill(len(digits) + len(digits) % 2)


def _date(text: str | None) -> str | None:
    """OpenSSL's "Dec  2 00:26:48 2026 GMT" as ISO 8601; None when it is absent or unreadable."""
    try:
        moment = datetime.datetime.fromtimestamp(ssl.cert_time_to_seconds(text or ""), datetime.timezone.utc)
    except ValueError:
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _alternative_names(text: str) -> tuple[str, ...]:
    """ "DNS:a, , DNS:b": HAProxy leaves names of other types empty."""
    names = (part.strip() for part in text.split(","))
    return tuple(name.partition(":")[2] for name in names if name.startswith(("DNS:", "IP Address:", "IP:")))
