# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the modules that change a running HAProxy report what failed, alike."""

from __future__ import annotations

import typing as t

from .._core.unexpected import UnexpectedFailure
from .._core.x509.problems import MaterialError
from .._errors import (
    HaproxyError,
    HaproxyPermissionDenied,
    HaproxyUnavailable,
    InvalidOption,
    RotationError,
    StoreError,
)
from .._ports.haproxy.errors import (
    CertificateInUse,
    CertificateRefused,
    CrtListRequired,
    NotReferenced,
    PayloadTooLarge,
    ReloadRequired,
    TransactionOpen,
    TrustFileInUse,
    UnsupportedCommand,
)

_CODES: tuple[tuple[type[RotationError], str], ...] = (
    (PayloadTooLarge, "payload_too_large"),
    (UnsupportedCommand, "unsupported"),
    (ReloadRequired, "reload_required"),
    (NotReferenced, "not_referenced"),
    (TransactionOpen, "transaction_open"),
    (CertificateRefused, "refused"),
    (CertificateInUse, "in_use"),
    (TrustFileInUse, "in_use"),
    (CrtListRequired, "crt_list_required"),
    (HaproxyPermissionDenied, "permission_denied"),
    (HaproxyUnavailable, "unavailable"),
    (HaproxyError, "haproxy_error"),
    (StoreError, "crt_list_file"),
    (InvalidOption, "invalid_option"),
    (UnexpectedFailure, "unexpected"),
)
RELOAD_HELPS = (PayloadTooLarge, UnsupportedCommand, ReloadRequired)
HOPELESS = (HaproxyUnavailable, HaproxyPermissionDenied, UnsupportedCommand)  # the same for every item
_NAMED_FAILURES = 20


def error_code(error: RotationError) -> str:
    """A stable word for the kind of failure."""
    if isinstance(error, MaterialError):
        return error.problem.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), "error")


def failure_message(failed: t.Sequence[tuple[str, str | None]], total: int, what: str) -> str:
    """failed: name and message of each failure; what: the plural, such as "certificates", which is also the result."""
    if total > 1 and len(failed) == total and len({message for _name, message in failed}) == 1:
        return f"None of {total} {what} could be handled: {failed[0][1]}"
    named = " ".join(f"[{name}] {message}" for name, message in failed[:_NAMED_FAILURES])
    rest = f" And {len(failed) - _NAMED_FAILURES} more, see {what}." if len(failed) > _NAMED_FAILURES else ""
    return f"{len(failed)} of {total} {what} failed. {named}{rest}"


def process_facts(info: t.Mapping[str, str]) -> dict[str, t.Any]:
    """Of `show info`: the process that answered."""
    pid = info.get("Pid", "")
    return {"version": info.get("Version"), "worker_pid": int(pid) if pid.isdecimal() else 0}
