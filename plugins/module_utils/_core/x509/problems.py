# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be wrong with a certificate or with the secret that holds it: the stable codes and their meaning."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._errors import RotationError

Severity = t.Literal["error", "warning"]

#: Raise it when a rule of verification changes, so that what was found good by older rules is verified again.
RULES_VERSION: t.Final = 4

#: Every code that a result's ``problems`` can hold, and its meaning. Codes are public: never rename or reuse one.
PROBLEM_CODES: t.Final[dict[str, str]] = {
    # The content cannot be read.
    "document_invalid": "The secret is neither the JSON document, nor PEM, nor DER, nor PKCS#12.",
    "field_missing": "The JSON document lacks a field that is needed, or the field is empty.",
    "field_invalid": "A field of the JSON document is not text.",
    "field_unknown": "A certificate of the chain is in a field of the JSON document that is not known for that.",
    "pem_invalid": "A PEM block is truncated, is not base64, or is of a kind that cannot be used.",
    "content_too_costly": "To read the content would take too long: too many iterations, certificates or digits.",
    "pkcs12_invalid": "The PKCS#12 container is damaged or the passphrase does not open it.",
    # The certificates and the key are not the ones needed.
    "certificate_missing": "No certificate was found.",
    "certificate_invalid": "A certificate is not valid X.509, or one of its parts is malformed.",
    "certificate_unreadable": "The content makes its reader fail in a way that is not known; its text is withheld.",
    "certificate_not_loadable": "OpenSSL does not load the files as they would be written.",
    "leaf_is_ca": "The only certificates are those of certificate authorities: the leaf is missing.",
    "multiple_leaves": "There is more than one leaf certificate.",
    "private_key_missing": "No private key was found.",
    "private_key_invalid": "The private key cannot be read, or its parts contradict each other.",
    "private_key_encrypted": "The private key is encrypted and no passphrase, or a wrong one, was given.",
    "private_key_mismatch": "The private key does not belong to the leaf certificate.",
    "multiple_private_keys": "There is more than one private key.",
    # The chain.
    "chain_broken": "A certificate of the chain is not part of the path from the leaf upwards.",
    "chain_signature_invalid": "A certificate was not signed by the key of its issuer in the chain.",
    "intermediate_not_ca": "A certificate that issues another one is not a certificate authority.",
    "path_length_exceeded": "There are more authorities below one than its path length allows.",
    "chain_reordered": "The certificates were not in order from the leaf upwards; they were sorted.",
    "root_dropped": "The chain held the root certificate, which clients have already; it was left out.",
    "chain_certificate_unneeded": "A certificate of the chain is not needed to verify the leaf; it was left out.",
    "self_signed": "The leaf is self-signed: only clients that were given it will trust it.",
    "untrusted": "There is no valid path from the leaf to one of the given trust anchors.",
    "chain_too_complex": "The search for a path was given up: there are too many possible ones.",
    "chain_certificate_unreadable": "A certificate beside the leaf cannot be read; it was left out.",
    "name_constraint_violated": "An authority of the path may not issue for the subject of a certificate below it.",
    "trust_anchors_invalid": "None of the trust anchors can be read, or they hold trust settings of OpenSSL.",
    # Dates.
    "expired": "The leaf is no longer valid.",
    "not_yet_valid": "The leaf is not valid yet.",
    "expires_too_soon": "The leaf is valid for less than the minimum that was asked for.",
    "intermediate_expired": "An intermediate certificate is no longer valid.",
    "intermediate_not_yet_valid": "An intermediate certificate is not valid yet.",
    # Names and strength.
    "san_missing": "The leaf has no DNS name and no IP address in its subjectAltName (clients ignore the common name).",
    "name_not_ascii": "The expected domain is not ASCII, and the Python library idna, which converts it, is missing.",
    "domain_not_covered": "The leaf's subject alternative names do not cover the expected domain.",
    "common_name_misspelt": "The common name is an alternative name in another spelling, or a host name in Unicode.",
    "purpose_not_allowed": "The leaf's key usage or extended key usage does not suit the purpose.",
    "serial_number_invalid": "A serial number of the path is zero, negative or longer than 20 bytes.",
    "weak_key": "A key is too short or of a kind that clients refuse.",
    "weak_signature": "A certificate is signed with an algorithm that clients refuse.",
    # Compared with the certificate that is deployed now.
    "san_dropped": "The renewed certificate does not cover a name that the deployed one covers.",
    "issuer_changed": "The renewed certificate was issued by another organization than the deployed one.",
    "key_type_changed": "The renewed certificate's key is of another type than that of the deployed one.",
    "eku_lost": "The renewed certificate lacks an extended key usage of the deployed one.",
    "expires_earlier": "The renewed certificate expires before the deployed one.",
    "chain_dropped": "The renewed certificate comes without a chain, and the deployed one has one.",
    "issued_earlier": "The pushed certificate was issued before the deployed one: an old one that comes late.",
    # Revocation lists.
    "crl_missing": "The content holds no certificate revocation list (CRL).",
    "crl_invalid": "A CRL cannot be read.",
    "crl_expired": "The next update of a CRL is past.",
    "crl_not_yet_valid": "A CRL is not valid yet.",
    "crl_expires_soon": "The next update of a CRL is near.",
    # The secret, the file or the directory.
    "secret_missing": "The secret does not exist.",
    "secret_elsewhere": "The ARN is that of a secret in another region or partition, or of something else.",
    "secret_deleted": "The secret is scheduled for deletion.",
    "secret_no_current_version": "The secret has no version with the label AWSCURRENT.",
    "candidate_empty": "The version with the label of a candidate holds no value.",
    "candidate_outdated": "The label of a candidate was left behind on a version older than the current one.",
    "secret_access_denied": "AWS denied access to the secret or to the key that encrypts it.",
    "secret_unreadable": "AWS could not return the secret's value.",
    "nothing_found": "No secret was found or none was selected, so that nothing renews what is deployed.",
    "file_name_collision": "Two secrets lead to the same file name.",
    "file_name_unsafe": "The secret's name leads to no file name that is safe to use.",
    "upload_unusable": "A file of the upload is missing, too large, or no regular file of its own.",
    "fingerprint_mismatch": "The upload is named after another certificate than the one that it holds.",
    "path_not_ours": "There is a file at the path that was not written by this collection.",
    "unexpected": "An unexpected failure, not of the content; its text is withheld, since it may quote a key.",
    "write_failed": "The files could not be written; what was there before is still there.",
    "clock_wrong": "The host's clock differs from the controller's, and certificates are refused by it.",
}


@dataclasses.dataclass(frozen=True)
class Problem:
    """One finding. code: a key of PROBLEM_CODES; message: what is wrong and what to do, never key material."""

    code: str
    severity: Severity
    message: str

    def as_dict(self) -> dict[str, str]:
        """The form used in results."""
        return {"code": self.code, "severity": self.severity, "message": self.message}


def error(code: str, message: str) -> Problem:
    """A problem for which the certificate is refused."""
    return Problem(code, "error", message)


def warning(code: str, message: str) -> Problem:
    """A problem that a person should know about; the certificate is used."""
    return Problem(code, "warning", message)


class MaterialError(RotationError):
    """Content from which no certificate can be read. problem: why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message, code=code)
        self.problem = error(code, message)


class Refused(RotationError):
    """A certificate that is not written, for these problems."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("refused")
        self.problems = problems
