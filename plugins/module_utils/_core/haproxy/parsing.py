# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `show ssl cert`, `crt-list`, `ca-file` and `crl-file` print, read into plain data. Pure."""

from __future__ import annotations

import datetime
import functools
import re
import typing as t
from dataclasses import dataclass

from ..._errors import HaproxyError
from ..instants import isoformat_utc

_ENTRY = re.compile(r"^(?P<name>.+?):(?P<line>\d+)(?P<rest>(?: .*)?)$")
_HEXADECIMAL = re.compile(r"-?[0-9A-Fa-f]{1,64}")  # RFC 5280 allows 40 digits
_OCTETS = re.compile(r"[0-9a-f:]{2,100}")  # a line of a signature
_SHA1 = re.compile(r"[0-9A-Fa-f]{40}")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONGEST_NAME = 4200  # a path of Linux, and what is added to it
_COMMON_NAME = re.compile(r"/CN=([^/]*)")  # in a subject
_COUNT = re.compile(r" - \d+ certificate\(s\)$")  # in the list of CA files only
_VERSION = re.compile(r"^Version: (\d{1,4})\.(\d{1,4})", re.MULTILINE)  # of `show info`
_BUFFER = re.compile(r"^[ \t]*- Pool buffer \((\d{1,12}) bytes\)", re.MULTILINE)  # of `show pools`
_OPEN = re.compile(r"^The ongoing transaction is about '(?P<name>.+)' but you are trying to ", re.MULTILINE)


@dataclass(frozen=True)
class StoredCertificate:
    """A certificate in HAProxy's memory, as `show ssl cert NAME` tells it.

    status: Used, Unused, Empty or Uncommitted. Fingerprint and serial: lower-case hexadecimal. Dates: ISO 8601, UTC.
    chain: subject and issuer of each intermediate in the "/C=DE/CN=x" form. chain_from_directory: the chain is not from
    the certificate's own file (issuers-chain-path). ocsp_key: of the OCSP response that it is served with. algorithm:
    of the key, as "EC256" or "RSA2048".
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
    ocsp_key: str | None = None
    algorithm: str | None = None

    @property
    def server_names(self) -> tuple[str, ...]:
        """All that clients may ask for: DNS names of the SAN, and common names."""
        return (*self.subject_alternative_names, *_COMMON_NAME.findall(self.subject or ""))


class HeldResponse(t.NamedTuple):
    """The OCSP response that HAProxy staples with a certificate. signature: its own; this_update: ISO 8601 in UTC."""

    signature: bytes
    this_update: str | None


class StoredAuthority(t.NamedTuple):
    """A certificate of a CA file in HAProxy's memory. Of Ed25519 and Ed448 it shows only serial number and dates."""

    serial_number: int
    not_before: str | None
    not_after: str | None
    fingerprint_sha1: str | None = None
    subject: str | None = None


class StoredRevocations(t.NamedTuple):
    """A revocation list in HAProxy's memory. revoked: serial number and date of each entry."""

    issuer: str | None
    last_update: str | None
    next_update: str | None
    revoked: frozenset[tuple[int, str | None]] = frozenset()


class CrtListEntry(t.NamedTuple):
    """One line of a crt-list in memory. rest: its options and SNI filters as printed, empty in a directory."""

    name: str
    line: int
    rest: str


def split_answers(text: str, count: int) -> list[str]:
    """What a peer said to so many commands: the whole answers, each of which an empty line ends. Fewer than count when
    it did not run them all; of the first one all that there is, though it may have an empty line of its own (a commit
    with a warning) or none at its end.
    """
    answers: list[str] = []
    lines: list[str] = []
    for line in text.split("\n")[:-1]:
        if line:
            lines.append(line)
        else:
            answers.append("\n".join(lines))
            lines = []
    if not answers:
        return [text] if text else []
    own = max(len(answers) - count, 0) + 1
    return ["\n\n".join(answers[:own]), *answers[own:]]


def parse_open_transaction(text: str) -> str | None:
    """Whose transaction is in the way, as `set`, `commit` and `abort` say it; None when this answer names none."""
    found = _OPEN.search(text)
    return found["name"] if found else None


def parse_progress(text: str, name: str) -> int | None:
    """`commit ssl ...`: a dot for each place where a certificate has been loaded anew; None when it is not told."""
    dots = text.partition("\n")[0].removeprefix(f"Committing {name}")
    return len(dots) if not dots.strip(".") else None


def parse_is_used(text: str) -> bool:
    """`show ssl ca-file|crl-file NAME`: whether a bind or server line, or an entry of a crt-list, uses it. Of an empty
    CA file nothing is told: none that is used is empty.
    """
    return re.search(r"^Status: Used$", text, re.MULTILINE) is not None


def parse_names(text: str) -> tuple[str | None, list[str]]:
    """`show ssl cert|ca-file|crl-file`: the name of the open transaction, if any, and the names of all files."""
    transaction = None
    names: list[str] = []
    section = ""
    for line in text.split("\n"):
        if line.startswith("# "):
            section = line
        elif len(line) > _LONGEST_NAME:
            continue
        elif section == "# transaction" and line.startswith("*"):
            transaction = _COUNT.sub("", line[1:])
        elif section == "# filename" and line:
            names.append(_COUNT.sub("", line))
    return transaction, names


def parse_certificate(text: str) -> StoredCertificate | None:
    """`show ssl cert NAME`; None when the answer describes no certificate."""
    fields: dict[str, str] = {}
    subjects: list[str] = []
    issuers: list[str] = []
    for line in text.split("\n"):
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
        serial_number=hexadecimal(_number(fields["Serial"])) if fields.get("Serial") else None,
        fingerprint_sha1=_fingerprint(fields),
        not_before=_date(fields.get("notBefore")),
        not_after=_date(fields.get("notAfter")),
        subject=fields.get("Subject"),
        issuer=fields.get("Issuer"),
        subject_alternative_names=_alternative_names(fields.get("Subject Alternative Name", "")),
        chain=tuple(zip(subjects, issuers)),
        chain_from_directory="Chain Filename" in fields,
        ocsp_key=fields.get("OCSP Response Key") or None,
        algorithm=fields.get("Algorithm"),
    )


def parse_held_response(text: str) -> HeldResponse | None:
    """`show ssl cert NAME.ocsp` (HAProxy 2.5), which is OpenSSL's text of it; None when it shows none."""
    digits, update, is_signature = "", None, False
    for line in map(str.strip, text.split("\n")):
        if is_signature and _OCTETS.fullmatch(line):
            digits += line.replace(":", "")
        elif digits:  # what follows are the signer's certificates
            break
        elif line.startswith("This Update: "):
            update = update or _date(line.partition(": ")[2].strip())
        is_signature = is_signature if _OCTETS.fullmatch(line) else line.startswith("Signature ")
    return HeldResponse(bytes.fromhex(digits), update) if digits and len(digits) % 2 == 0 else None


def parse_server_names(text: str) -> dict[str, dict[str, None]]:
    """`show ssl sni` (HAProxy 3.2): name of a certificate -> the names by which clients get it, as an ordered set."""
    found: dict[str, dict[str, None]] = {}
    for line in text.split("\n"):
        cells = line.split("\t")
        if len(cells) >= 5 and not line.startswith("#") and len(line) <= 2 * _LONGEST_NAME:
            found.setdefault(cells[4], {})[cells[1]] = None
    return found


def parse_authorities(text: str) -> list[StoredAuthority]:
    """`show ssl ca-file NAME[:INDEX]`."""
    parts = re.split(r"^ ?Certificate #\d+:$", text, flags=re.MULTILINE)[1:]
    return [
        StoredAuthority(
            serial_number=_number(fields.get("Serial") or "0"),
            not_before=_date(fields.get("notBefore")),
            not_after=_date(fields.get("notAfter")),
            fingerprint_sha1=_fingerprint(fields),
            subject=fields.get("Subject"),
        )
        for fields in map(_fields, parts)
    ]


def parse_crls(text: str) -> list[StoredRevocations]:
    """`show ssl crl-file NAME`."""
    parts = re.split(r"^Certificate Revocation List #\d+:$", text, flags=re.MULTILINE)[1:]
    crls = []
    for part in parts:
        head, _mark, revoked = part.partition("Revoked Certificates:\n")
        fields = _fields(head)
        entries = re.findall(r"Serial Number: (-?[0-9A-F]+)\s+Revocation Date: (.+)", revoked)
        crls.append(
            StoredRevocations(
                issuer=fields.get("Issuer"),
                last_update=_date(fields.get("Last Update")),
                next_update=_date(fields.get("Next Update")),
                revoked=frozenset((_number(serial), _date(date)) for serial, date in entries),
            )
        )
    return crls


def parse_crt_lists(text: str) -> list[str]:
    """`show ssl crt-list`: names of the crt-list files and directories."""
    return [line for line in text.split("\n") if line and len(line) <= _LONGEST_NAME]


def parse_crt_list(text: str) -> list[CrtListEntry]:
    """`show ssl crt-list -n LIST`. Some versions print a zero byte after the ALPN list."""
    entries = []
    for line in text.replace("\0", "").split("\n"):
        match = None if line.startswith("# ") else _ENTRY.match(line)
        if match:
            entries.append(CrtListEntry(match["name"], int(match["line"]), match["rest"].strip()))
    return entries


def parse_payload_limit(info: str, pools: str) -> int | None:
    """`show info`, `show pools`: bytes of a command with its payload that HAProxy has no room for (tune.bufsize).

    None: ask by sending. Before 3.4, whose limit is another one, HAProxy may abort itself over a payload that does not
    fit: "spinning".
    """
    version = _VERSION.search(info)
    if not version or (int(version[1]), int(version[2])) >= (3, 4):
        return None
    size = _BUFFER.search(pools)
    return int(size[1]) if size else None


def parse_version(text: str) -> tuple[int, int] | None:
    """Of "2.6.12-1+deb12u4", or of what `haproxy -v` prints, (2, 6); None when it is no version of HAProxy."""
    found = re.match(r"(?:HA-?Proxy version )?(\d{1,4})\.(\d{1,4})(?!\d)", text)
    return (int(found[1]), int(found[2])) if found else None


def hexadecimal(number: int) -> str:
    """A serial number as lower-case hexadecimal of whole bytes."""
    digits = f"{number:x}"
    return digits.zfill(len(digits) + len(digits) % 2)


def _number(text: str) -> int:
    """Raises HaproxyError when this is no serial number."""
    if not _HEXADECIMAL.fullmatch(text):
        raise HaproxyError("The socket's answer is not that of HAProxy: it tells a serial number that is none.")
    return int(text, 16)


def _fingerprint(fields: t.Mapping[str, str]) -> str | None:
    """None when it is absent. Raises HaproxyError when it is none."""
    text = fields.get("SHA1 FingerPrint")
    if text is not None and not _SHA1.fullmatch(text):
        raise HaproxyError("The socket's answer is not that of HAProxy: it tells a fingerprint that is none.")
    return text.lower() if text is not None else None


def _fields(text: str) -> dict[str, str]:
    """ "Name: value" lines."""
    lines = (line.partition(": ") for line in text.split("\n"))
    return {name.strip(): value.strip() for name, separator, value in lines if separator}


@functools.lru_cache(maxsize=1024)
def _date(text: str | None) -> str | None:
    """OpenSSL's "Dec  2 00:26:48 2026 GMT" as ISO 8601; None when it is absent or unreadable."""
    month, _space, rest = (text or "").partition(" ")
    try:
        # The names of the months are English wherever this runs, which strptime's are not.
        numbers = f"{_MONTHS.index(month) + 1} {rest}"
        moment = datetime.datetime.strptime(numbers, "%m %d %H:%M:%S %Y GMT").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return None
    return isoformat_utc(moment)


def _alternative_names(text: str) -> tuple[str, ...]:
    """ "DNS:a, , DNS:b": HAProxy leaves names of other types empty."""
    names = (part.strip() for part in text.split(","))
    return tuple(name.partition(":")[2] for name in names if name.startswith(("DNS:", "IP Address:", "IP:")))
