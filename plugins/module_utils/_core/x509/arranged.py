# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates put in order without asking whether they may be served."""

from __future__ import annotations

import datetime

from .bundle import CertificateBundle
from .certificate import load_certificate
from .document import CertificateMaterial, parse_secret
from .encodings import read_blocks
from .leaf import find_leaf
from .opener import Opener
from .pem import CERTIFICATE
from .problems import MaterialError, Problem
from .reading import material_errors
from .verify import VerificationPolicy, chosen_chain


@material_errors()
def arranged_pem(content: str, opener: Opener, *, private_key: bool, at: datetime.datetime) -> bytes:
    """Leaf, intermediates, and with private_key the key, of a secret's content; without it, of any PEM.

    at: the instant (aware) at which the chain is to be valid, where there is one to choose.

    Raises MaterialError when it cannot be read or is no chain.
    """
    if private_key:
        material = parse_secret(content, opener)
    else:
        ders = [block.der for block in read_blocks(content) if block.label == CERTIFICATE]
        material = CertificateMaterial(tuple(map(load_certificate, ders)), None, b"")
    if not material.certificates:
        raise MaterialError("certificate_missing", "There is no certificate: give the leaf certificate as PEM.")
    leaf = find_leaf(material)
    if isinstance(leaf, Problem):
        raise MaterialError(leaf.code, leaf.message)
    certificates = tuple(dict.fromkeys(material.certificates))
    chain = chosen_chain(leaf, certificates, VerificationPolicy(), at, ordered=False)
    for problem in chain.problems:
        if problem.severity == "error":
            raise MaterialError(problem.code, problem.message)
    return CertificateBundle(leaf, chain.intermediates, material.private_key_pem).render("haproxy")["pem"]
