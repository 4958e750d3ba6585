# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lineages to push, in memory: as they are read from certbot's directory."""

from __future__ import annotations

import functools

from ansible_collections.certops.rotation.plugins.module_utils._core.push.lineage import Lineage

from . import pki


@functools.cache
def _authority() -> pki.CertificateAuthority:
    return pki.CertificateAuthority(parent=pki.CertificateAuthority())


def new_lineage(name: str = "www.example.com", *, domains: tuple[str, ...] = ()) -> Lineage:
    """A renewal each time. domains: its name if none are given."""
    issued = _authority().issue(list(domains or (name,)))
    parts = {
        "cert": issued.certificate_pem,
        "chain": issued.chain_pem,
        "fullchain": issued.certificate_pem + issued.chain_pem,
        "privkey": issued.private_key_pem,
    }
    contents = {part: text.encode() for part, text in parts.items()}
    return Lineage(name, 1, contents, issued.fingerprint_sha256, issued.names, "2030-01-01T00:00:00Z")
