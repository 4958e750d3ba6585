# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose failure is a problem? What is wrong with the content is so on every host; the rest is a host's own. Pure.

A rollout goes on to the next hosts only with what is wrong everywhere.
"""

from __future__ import annotations

import typing as t

#: content: of the secret or the certificate, the same for every host; host: its disk, its directory, its clock;
#: source: what AWS lets this host have and find.
Cause = t.Literal["content", "host", "source"]
CAUSES: t.Final[tuple[Cause, ...]] = t.get_args(Cause)

#: Every code of PROBLEM_CODES: a new one has to be given its place.
CODES: t.Final[dict[Cause, tuple[str, ...]]] = {
    "content": (
        "document_invalid",
        "field_missing",
        "field_invalid",
        "field_unknown",
        "pem_invalid",
        "content_too_costly",
        "pkcs12_invalid",
        "certificate_missing",
        "certificate_invalid",
        "certificate_unreadable",
        "certificate_not_loadable",
        "leaf_is_ca",
        "multiple_leaves",
        "private_key_missing",
        "private_key_invalid",
        "private_key_encrypted",
        "private_key_mismatch",
        "multiple_private_keys",
        "chain_broken",
        "chain_signature_invalid",
        "intermediate_not_ca",
        "path_length_exceeded",
        "chain_reordered",
        "root_dropped",
        "chain_certificate_unneeded",
        "self_signed",
        "untrusted",
        "chain_too_complex",
        "chain_certificate_unreadable",
        "name_constraint_violated",
        "trust_anchors_invalid",
        "expired",
        "not_yet_valid",
        "expires_too_soon",
        "intermediate_expired",
        "intermediate_not_yet_valid",
        "san_missing",
        "domain_not_covered",
        "common_name_misspelt",
        "purpose_not_allowed",
        "serial_number_invalid",
        "weak_key",
        "weak_signature",
        "san_dropped",
        "issuer_changed",
        "key_type_changed",
        "eku_lost",
        "expires_earlier",
        "chain_dropped",
        "issued_earlier",
        "crl_missing",
        "crl_invalid",
        "crl_expired",
        "crl_not_yet_valid",
        "crl_expires_soon",
        # All hosts ask for the same names, so that these are not one host's own.
        "secret_missing",
        "secret_deleted",
        "secret_no_current_version",
        "candidate_empty",
        "candidate_outdated",
        "file_name_collision",
        "file_name_unsafe",
        "upload_unusable",
        "fingerprint_mismatch",
    ),
    "host": ("name_not_ascii", "path_not_ours", "unexpected", "write_failed", "clock_wrong"),
    # Each host has credentials, a region and a way to AWS of its own.
    "source": ("secret_elsewhere", "secret_access_denied", "secret_unreadable", "nothing_found"),
}
_CAUSE_OF: t.Final[dict[str, Cause]] = {code: cause for cause, codes in CODES.items() for code in codes}

#: What a wrong clock says of a certificate that is good.
BY_THE_CLOCK: t.Final = frozenset(
    ("expired", "not_yet_valid", "expires_too_soon", "intermediate_expired", "intermediate_not_yet_valid")
)


def is_own_failure(sync: t.Mapping[str, t.Any]) -> bool:
    """Whether a result of certificate_sync tells of what may be wrong on this host alone.

    Where the controller asks AWS, its access is the same for all hosts.
    """
    own = ("host",) if sync.get("source") == "controller" else ("host", "source")
    causes = sync.get("failures_by_cause", {})
    return any(causes.get(cause) for cause in own)


def cause_of(codes: t.Iterable[str]) -> Cause:
    """Of a failure that several problems make: the host's own before the others, so that it is not passed over."""
    found = {_CAUSE_OF.get(code, "host") for code in codes}
    return "host" if "host" in found else "source" if "source" in found else "content"
