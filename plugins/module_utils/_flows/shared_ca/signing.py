# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server certificate of a host that may not read the authority's key: a signer issues it on request.

The host makes a key and a request for it (SignatureNeeded), somebody takes that to the signer, and the host gets the
certificate, or hears why there is none.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..._core.ca.judge import is_issued_by, leaf_problems
from ..._core.ca.trust import PeerTrust
from ..._core.shared_ca.material import Identity, read_certificates
from ..._core.x509.certificate import Certificate
from ..._core.x509.names import a_labels
from ..._errors import RotationError
from ..._ports.openssl.peers import why_not_believed

if t.TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True)
class SignersAnswer:
    """certificate: that the signer made, as PEM, "" for none; failure: why it made none, "" when it was not asked."""

    certificate: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Signing:
    """key: made on this host, waiting for a certificate; None where there is none yet.

    is_strict: whether a host that could go on must not, when the signer fails.
    """

    key: t.Any = field(repr=False)
    answer: SignersAnswer
    is_strict: bool = False

    def identity(
        self, names: t.Collection[x509.GeneralName], authority: Certificate, trust: PeerTrust, at: datetime
    ) -> Identity:
        """The signer's certificate with its key. authority: that has to have issued it.

        Raises RotationError for one that is not what was asked for.
        """
        certificates = read_certificates(self.answer.certificate)
        if len(certificates) != 1:
            raise RotationError(f"The signer gave {len(certificates)} certificates instead of one.")
        if self.key is None:
            raise RotationError("No key waits on this host for the signer's certificate. Run again.")
        leaf = certificates[0]
        found = leaf_problems(leaf, self.key, "server", trust, at, timedelta(0), why_not_believed)
        why = [problem.message for problem in found if problem.severity == "error"]
        if not why and not is_issued_by(leaf, authority):
            why.append(f"'{leaf.name}' is of another authority than the one that has to issue.")
        if {a_labels(name) for name in leaf.subject_alternative_names} != {str(name.value) for name in names}:
            why.append(f"'{leaf.name}' has other names than were asked for.")
        if why:
            raise RotationError(f"The signer's certificate cannot be used: {' '.join(why)}")
        return Identity(leaf, self.key)

    def require_good(self, installed: Identity | None, trust: PeerTrust, at: datetime, failure: str) -> None:
        """For where the signer fails. failure: a sentence. Raises RotationError for a host that cannot go on."""
        why = ["This host has no server certificate."]
        if installed:
            leaf, key = installed.certificate, installed.key
            found = leaf_problems(leaf, key, "server", trust, at, timedelta(0), why_not_believed)
            why = [problem.message for problem in found if problem.severity == "error"]
        if why or self.is_strict:
            has_not = f" And this host cannot go on: {' '.join(why)}" if why else ""
            raise RotationError(f"{failure}{has_not}", reason="signer")


class SignatureNeeded(Exception):
    """The signer has to be asked. taken: what this host is to have, with a stand-in for its server certificate."""

    def __init__(self, taken: t.Any) -> None:
        super().__init__("a signature is needed")
        self.taken = taken
