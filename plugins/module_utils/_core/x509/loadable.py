# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last question before anything is written: does OpenSSL load these very bytes, as HAProxy will?

Parsers differ. What cryptography reads and OpenSSL does not would keep HAProxy from starting, with all its other
certificates.
"""

from __future__ import annotations

import typing as t

from .certificate import Certificate
from .problems import MaterialError


class WhyNotLoaded(t.Protocol):
    """Asks OpenSSL."""

    def __call__(self, pem: bytes) -> str | None:
        """Why it does not load leaf, intermediates and private key as they would be written; None when it does.

        OSError: nobody could ask it.
        """


def require_loadable(pem: bytes, leaf: Certificate, why_not_loaded: WhyNotLoaded) -> None:
    """Raises MaterialError, and OSError as why_not_loaded. leaf: of the PEM."""
    if leaf.malformed:
        raise MaterialError("certificate_invalid", f"'{leaf.name}': {leaf.malformed}. Have it issued again.")
    reason = why_not_loaded(pem)
    if reason is not None:
        raise MaterialError(
            "certificate_not_loadable",
            f"'{leaf.name}': OpenSSL does not load it as it would be written ({reason}), and HAProxy would not start"
            " with it: have it issued again.",
        )
