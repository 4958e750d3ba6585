# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running HAProxy holds in memory."""

from __future__ import annotations

import typing as t

from .._core.haproxy.parsing import StoredCertificate
from .._flows.haproxy_failures import process_facts
from .._ports.haproxy.certificates import CertificateMemory
from .._ports.haproxy.load_paths import FileNames, KnownNames, read_load_paths
from .._ports.haproxy.runtime import RuntimeApi
from .boundary import module_boundary


def run(module: t.Any) -> None:
    """The module haproxy_certificate_info."""
    with module_boundary(module):
        api = RuntimeApi(module.params["socket"], module.params["timeout"])
        info = api.info()
        memory = CertificateMemory(api)
        transaction, names = memory.list_names()
        known = KnownNames(FileNames(read_load_paths(module.params["config"] or [], api)), names)
        wanted = module.params["names"]
        asked = names if wanted is None else dict.fromkeys(found for name in wanted for found in known.of(name))
        described = [memory.describe(name) for name in asked]
        module.exit_json(
            changed=False,
            # A certificate may go between the list and the question.
            certificates=[_certificate(stored, known) for stored in described if stored is not None],
            crt_lists=[
                {
                    "name": _printable(crt_list),
                    "entries": [
                        {"name": _printable(entry.name), "line": entry.line, "options": _printable(entry.rest)}
                        for entry in entries
                    ],
                }
                for crt_list, entries in memory.crt_lists().items()
            ],
            open_transaction=_printable(transaction) if transaction is not None else None,
            haproxy=process_facts(info),
        )


def _certificate(stored: StoredCertificate, known: KnownNames) -> dict[str, t.Any]:
    return {
        "name": _printable(stored.name),
        "names": [_printable(name) for name in known.of(stored.name)],
        "status": stored.status,
        "fingerprint_sha1": stored.fingerprint_sha1,
        "serial_number": stored.serial_number,
        "not_before": stored.not_before,
        "not_after": stored.not_after,
        "subject": _printable(stored.subject),
        "issuer": _printable(stored.issuer),
        "subject_alternative_names": [_printable(name) for name in stored.subject_alternative_names],
        "ocsp_key": _printable(stored.ocsp_key),
        "chain": [{"subject": _printable(subject), "issuer": _printable(issuer)} for subject, issuer in stored.chain],
    }


def _printable(text: str | None) -> str | None:
    """HAProxy prints bytes; those that are not UTF-8 would break a module's result."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
