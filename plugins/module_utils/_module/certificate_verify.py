# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runner of certificate_verify."""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timezone

from .._errors import InvalidOption
from .._x509.examine import Examination, examine
from .boundary import module_boundary
from .dependencies import require_library
from .options import system_trust_pem

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "certificate": {"type": "str", "required": True},
    "certificate_chain": {"type": "str"},
    "private_key": {"type": "str", "no_log": True},
    "trust_anchors": {"type": "str"},
    "server_names": {"type": "list", "elements": "str", "default": []},
    "purpose": {"type": "str", "choices": ["server", "client"], "default": "server"},
    "profile": {"type": "str", "choices": ["web", "private"], "default": "web"},
    "at": {"type": "str"},
    "fail_on_invalid": {"type": "bool", "default": False},
}
_PUBLIC_TEXTS = ("certificate", "certificate_chain", "trust_anchors")
_FRACTION = re.compile(r"[.,]\d+")


def run(module: t.Any) -> None:
    with module_boundary(module):
        _hide_misplaced_keys(module)
        require_library("cryptography")
        params = module.params
        anchors = params["trust_anchors"]
        problems = examine(
            Examination(
                certificate=params["certificate"],
                certificate_chain=params["certificate_chain"] or "",
                private_key=params["private_key"],
                trust_anchors=system_trust_pem() if anchors is None else anchors,
                server_names=tuple(params["server_names"] or ()),
                purpose=params["purpose"],
                profile=params["profile"],
                at=parse_instant(params["at"]) if params["at"] else datetime.now(timezone.utc),
            )
        )
        errors = [problem.message for problem in problems if problem.severity == "error"]
        result = {"changed": False, "valid": not errors, "problems": [problem.as_dict() for problem in problems]}
        if errors and params["fail_on_invalid"]:
            module.fail_json(msg="The certificate is not valid:\n" + "\n".join(errors), **result)
        module.exit_json(**result)


def parse_instant(text: str) -> datetime:
    """ISO 8601 with a date and a time, UTC when no offset is given. Raises InvalidOption."""
    # Python before 3.11 knows neither "Z" nor fractions of any length; fractions of a second decide nothing.
    plain = _FRACTION.sub("", text.strip().upper()).replace("Z", "+00:00")
    try:
        instant = datetime.fromisoformat(plain)
        aware = instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)
        return aware.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise InvalidOption("at must be an instant in ISO 8601, such as 2027-01-31T12:00:00Z.") from None


def _hide_misplaced_keys(module: t.Any) -> None:
    """A private key in one of the public texts must not be printed with the module's arguments."""
    for name in _PUBLIC_TEXTS:
        text = module.params[name]
        if text and "PRIVATE KEY" in text:
            module.no_log_values.add(text)
