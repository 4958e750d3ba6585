# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the certificates that came along with a leaf are those that HAProxy makes of its file. Pure.

HAProxy sends the certificates of the file as they stand there, and its configuration may change that (configuration
manual, 3.1, seen alike with 2.6 to 3.2): with "ssl-skip-self-issued-ca" it sends the path that it can build of them,
without its root, and with "issuers-chain-path" it completes a file that holds the leaf alone.
"""

from __future__ import annotations

import hashlib
import typing as t

from ..x509.certificate import load_certificate
from ..x509.problems import MaterialError

_SHOWN = 3  # certificates of one kind


class ChainRules(t.NamedTuple):
    """What HAProxy may do, by its configuration. completes: "issuers-chain-path"; builds: "ssl-skip-self-issued-ca"."""

    completes: bool = True
    builds: bool = True


def wrong_chain(leaf: bytes, deployed: t.Sequence[bytes], served: t.Sequence[bytes], rules: ChainRules) -> str | None:
    """What is wrong with the certificates after a leaf, or None. All in DER.

    deployed: those of its file, in their order; served: those that came.
    """
    if tuple(served) == tuple(deployed):
        return None
    if rules.completes and not deployed and served and _issued(served[0], leaf):
        return None
    if rules.builds and _is_path_of(leaf, deployed, served):
        return None
    missing = [der for der in dict.fromkeys(deployed) if der not in served]
    extra = [der for der in dict.fromkeys(served) if der not in deployed]
    findings = [f"without {_shown(missing)} of its file"] if missing else []
    findings += [f"with {_shown(extra)}, not in its file"] if extra else []
    return f"it comes {' and '.join(findings)}" if findings else "its chain comes in another order than in its file"


def _is_path_of(leaf: bytes, deployed: t.Sequence[bytes], served: t.Sequence[bytes]) -> bool:
    """Whether served is a whole path through deployed, up to a root that is left out."""
    left = [der for der in dict.fromkeys(deployed) if der != leaf and not _issued(der, der)]
    last = leaf
    for der in served:
        if der not in left or not _issued(der, last):
            return False
        left.remove(der)
        last = der
    return not any(_issued(der, last) for der in left)


def _issued(issuer: bytes, issued: bytes) -> bool:
    """By their names. False where they cannot be read."""
    try:
        names = load_certificate(issuer).subject_name, load_certificate(issued).issuer_name
    except MaterialError:
        return False
    return names[0] is not None and names[0] == names[1]


def _shown(certificates: t.Sequence[bytes]) -> str:
    named = [f"{_name(der)} ({hashlib.sha256(der).hexdigest()[:16]}...)" for der in certificates[:_SHOWN]]
    if len(certificates) > _SHOWN:
        named.append(f"{len(certificates) - _SHOWN} more")
    return " and ".join(named)


def _name(der: bytes) -> str:
    try:
        text = load_certificate(der).subject
    except MaterialError:
        text = ""
    return text if text and text.isprintable() else "a certificate"
