# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lineage: what certbot keeps of one certificate in a directory of its own, as one archive number of it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

#: Part -> file name, as certbot calls them (https://eff-certbot.readthedocs.io, "Where are my certificates?").
LINEAGE_FILES: t.Final[dict[str, str]] = {
    "cert": "cert.pem",
    "chain": "chain.pem",
    "fullchain": "fullchain.pem",
    "privkey": "privkey.pem",
}

Part = t.Literal["cert", "chain", "fullchain", "privkey"]


@dataclass(frozen=True)
class Lineage:
    """Four files that belong together, read as one.

    name: of its directory (example.com, example.com-0001); number: certbot's archive number, None where the files are
    no links into an archive; parts: part -> PEM, never shown; fingerprint_sha256: of the leaf, lower-case hex;
    domains: the leaf's DNS names, lower case, A-labels, a wildcard as ``*.example.com``; not_after: ISO 8601, UTC;
    key_type: ``rsa``, ``ecdsa``, or "" for others.
    """

    name: str
    number: int | None
    parts: t.Mapping[str, bytes] = field(repr=False)
    fingerprint_sha256: str
    domains: tuple[str, ...]
    not_after: str
    key_type: str = ""
