# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Four files that were read, as the lineage that they make: they belong together, and the key to the certificate."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ..._errors import LineageError
from ..instants import isoformat_utc
from ..x509.certificate import Certificate, load_certificate
from ..x509.keys import load_private_key
from ..x509.names import a_labels
from ..x509.pem import CERTIFICATE, parse_pem
from ..x509.problems import MaterialError
from ..x509.reading import material_errors
from ..x509.verify import key_pair_problems
from .lineage import LINEAGE_FILES, Lineage
from .staging import LINEAGE_NAME

#: What certbot calls the files that its links lead to.
_NUMBERED = re.compile(r"(cert|chain|fullchain|privkey)([0-9]{1,9})\.pem")

#: What people call the kinds of keys (Certificate.key) -> what endpoints are asked with.
_KEY_TYPES: t.Final = {"RSA": "rsa", "EC": "ecdsa"}


def archive_number(part: str, link: str) -> int | None:
    """Of a link as it is in certbot's live directory (``../../archive/example.com/privkey2.pem``); None of others.

    What it leads to may be a link again, to an earlier number: of a key that was used once more (--reuse-key).
    """
    found = _NUMBERED.fullmatch(link.rpartition("/")[2])
    return int(found[2]) if found and found[1] == part else None


def require_name(name: str) -> None:
    """Raises LineageError for a name that no receiving side takes."""
    if not LINEAGE_NAME.fullmatch(name):
        raise LineageError(
            f"{name!r} is no name of a lineage that can be pushed: it has up to 200 letters, digits and characters of"
            " '_.+-', and begins with a letter, a digit or '_'. Rename it, with certbot by another --cert-name."
        )


def assemble(name: str, number: int | None, parts: t.Mapping[str, bytes]) -> Lineage:
    """parts: part -> content of its file, all of LINEAGE_FILES. Raises LineageError, which names the lineage."""
    require_name(name)
    try:
        leaf = _leaf(name, parts)
    except MaterialError as error:
        raise LineageError(f"{name}: {error.message}") from None
    return Lineage(
        name=name,
        number=number,
        parts=dict(parts),
        fingerprint_sha256=leaf.fingerprint_sha256,
        domains=_domains(leaf),
        not_after=isoformat_utc(leaf.not_after),
        key_type=_KEY_TYPES.get(leaf.key.split()[0], ""),
    )


@material_errors()
def _leaf(name: str, parts: t.Mapping[str, bytes]) -> Certificate:
    """Raises MaterialError and LineageError."""
    cert, chain, fullchain = (_certificates(part, parts[part]) for part in ("cert", "chain", "fullchain"))
    if not cert or not fullchain:
        empty = LINEAGE_FILES["fullchain" if cert else "cert"]
        raise LineageError(f"{name}: {empty} holds no certificate. Renew it, or restore the lineage.")
    if cert[0] != fullchain[0] or chain != fullchain[1:]:
        raise LineageError(
            f"{name}: fullchain.pem is not what cert.pem and chain.pem are together. Renew it, or restore the lineage."
        )
    try:
        key, _pem = load_private_key(parse_pem(parts["privkey"]))
    except MaterialError as error:
        raise MaterialError(error.problem.code, f"privkey.pem: {error.message}") from None
    for problem in key_pair_problems(cert[0], key):
        raise MaterialError(problem.code, f"privkey.pem: {problem.message}")
    return cert[0]


def _certificates(part: str, content: bytes) -> list[Certificate]:
    try:
        return [load_certificate(block.der) for block in parse_pem(content) if block.label == CERTIFICATE]
    except MaterialError as error:
        raise MaterialError(error.problem.code, f"{LINEAGE_FILES[part]}: {error.message}") from None


def _domains(leaf: Certificate) -> tuple[str, ...]:
    names = [a_labels(name) for name in leaf.dns_names]
    addresses = [str(ipaddress.ip_address(address)) for address in leaf.ip_addresses]
    return tuple(dict.fromkeys(name for name in [*names, *addresses] if name))
