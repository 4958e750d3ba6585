# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates put in order without asking whether they may be served."""

from __future__ import annotations

from .bundle import CertificateBundle
from .certificate import load_certificate
from .chain import arrange, find_leaf
from .document import parse_secret
from .encodings import read_blocks
from .opener import Opener
from .pem import CERTIFICATE
from .problems import MaterialError, Problem
from .reading import material_errors


@material_errors()
def arranged_pem(content: str, opener: Opener, *, private_key: bool) -> bytes:
    """Leaf, intermediates, and with private_key the key, of a secret's content; without it, of any PEM.

    Raises MaterialError when it cannot be read or is no chain.
    """
    if private_key:
        material = parse_secret(content, opener)
        certificates = tuple(dict.fromkeys(material.certificates))
        key_pem = material.private_key_pem
    else:
        ders = [block.der for block in read_blocks(content) if block.label == CERTIFICATE]
        certificates = tuple(dict.fromkeys(map(load_certificate, ders)))
        key_pem = b""
    if not certificates:
        raise MaterialError("certificate_missing", "There is no certificate: give the leaf certificate as PEM.")
    leaf = find_leaf(certificates)
    if isinstance(leaf, Problem):
        raise MaterialError(leaf.code, leaf.message)
    chain = arrange(leaf, certificates, ordered=False)
    for problem in chain.problems:
        if problem.severity == "error":
            raise MaterialError(problem.code, problem.message)
    return CertificateBundle(leaf, chain.intermediates, key_pem).render("haproxy")["pem"]
