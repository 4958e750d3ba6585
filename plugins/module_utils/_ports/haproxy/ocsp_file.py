# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The OCSP response that HAProxy staples: the file beside a certificate with .ocsp added to its name (RFC 6960)."""

from __future__ import annotations

import os
import typing as t

from ..._core.haproxy.content import CertificateContent
from ..._core.haproxy.parsing import hexadecimal
from ..store.atomic import read_regular_file
from ..store.places import open_place

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import ocsp
except ImportError:  # the module boundary says so
    pass

SUFFIX = ".ocsp"
ISSUER_SUFFIX = ".issuer"  # the issuer's certificate, where the chain does not have it
_LARGEST = 1 << 20  # bytes; responses have a few thousand


class StaleResponse(t.NamedTuple):
    """A response that is for other certificates only. serial_numbers: theirs."""

    path: str
    serial_numbers: tuple[str, ...]

    def remove(self) -> None:
        """Raises OSError and StoreError."""
        # The directory may be somebody else's: what is removed is in it, and nowhere else.
        with open_place(os.path.dirname(self.path), private=False) as place:
            place.unlink(os.path.basename(self.path))


def find_stale_response(certificate_path: str, content: CertificateContent) -> StaleResponse | None:
    """The response beside a certificate file, if it is for other certificates than the file's leaf (content).

    One that is out of date is not stale: it is renewed by whoever wrote it. Nor is an empty file (HAProxy fills it at
    run time) or one that cannot be read.
    """
    path = f"{certificate_path}{SUFFIX}"
    try:
        singles = list(ocsp.load_der_ocsp_response(read_regular_file(path, limit=_LARGEST)).responses)
        if any(_is_for(single, content) for single in singles):
            return None
        return StaleResponse(path, tuple(hexadecimal(single.serial_number) for single in singles))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):  # ValueError: also for answers without responses
        return None


def _is_for(single: ocsp.OCSPSingleResponse, content: CertificateContent) -> bool:
    leaf, issuer = content.leaf.x509, content.issuer
    if single.serial_number != leaf.serial_number:
        return False
    if issuer is None:  # not in the file: the serial number has to do
        return True
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer.x509, single.hash_algorithm).build()
    return request.issuer_key_hash == single.issuer_key_hash
