# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why HAProxy refused, in words that are known beforehand: what else it says may quote the key that it was sent."""

from __future__ import annotations

# Of ssl_ckch.c, ssl_crtlist.c, ssl_sock.c and cli.c, HAProxy 2.2 to 3.3, without the names that they are printed with.
_SENTENCES = (
    "Can't replace a certificate which is not referenced by the configuration",
    "Can't replace a CA file which is not referenced by the configuration",
    "Can't replace a CRL file which is not referenced by the configuration",
    "The transaction must contain at least a certificate and a private key",
    "inconsistencies between private key and certificate loaded",
    "unable to load certificate from file",
    "unable to load certificate chain from file",
    "unable to load private key from file",
    "No Private Key found",
    "unable to load SSL certificate into SSL Context",
    "unable to load SSL private key into SSL Context",
    "unable to load chain certificate into SSL Context",
    "unable to stat certificate from file",
    "Can't load the payload",
    "Payload expected",
    "No ongoing transaction",
    "The ongoing transaction is about",
    "ongoing transaction for the certificate",
    "Operations on certificates are currently locked",
    "cannot be deleted, it is used as default certificate by the following frontends",
    "in use, can't be deleted",
    "must contain the directory path",
    "file already exists in this directory",
    "already exists",
    "wrong line number after colons",
    "does not exist",
    "doesn't exist",
    "can't be found in crt-list",
    "in several entries",
    "the line number is incorrect",
    "unknown ssl keyword",
    "unknown ssl/tls version",
    "ssl args out of '[]'",
    "line too long",
    "unable to load",
    "unable to set SSL cipher list",
    "unable to set TLSv1.3 cipher suites",
    "unable to set SSL curves list",
    "Incompatibilities found in OCSP update mode",
    "has an OCSP auto-update set to 'on' but an error occurred (maybe the OCSP URI or the issuer could not be found)",
    "activates OCSP but it is impossible to compute the OCSP certificate ID (maybe the issuer could not be found)",
    "is already instantiated with incompatible parameters",
    "is empty",
    "Not found or the certificate is a bundle",
    "command is too big for the buffer size",
    "Can't allocate memory",
    "Can't alloc memory",
    "Out of memory",
)
UNKNOWN = "HAProxy refused it with a message that is not shown, since it may quote the key."


def reason(answer: str) -> str:
    """The known sentences of an answer as one line, or UNKNOWN. No other word of the answer is in it."""
    said = answer.lower()
    known = [sentence for sentence in _SENTENCES if sentence.lower() in said]
    # "already exists" is a part of another one.
    known = [one for one in known if not any(one != other and one in other for other in known)]
    return f"{'; '.join(known)}." if known else UNKNOWN
