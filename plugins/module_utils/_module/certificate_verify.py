# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runner of certificate_verify."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from datetime import datetime, timezone

from .._core.x509.document import document_parts
from .._core.x509.examine import Examination, examine
from .._core.x509.problems import MaterialError, Problem
from .._errors import InvalidOption
from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .given import given_document
from .options import system_trust_pem

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    # Hidden, as people paste whole bundles, with the key, into them.
    "certificate": {"type": "str", "required": True, "no_log": True},
    "certificate_chain": {"type": "str", "no_log": True},
    "private_key": {"type": "str", "no_log": True},
    "trust_anchors": {"type": "str"},
    "server_names": {"type": "list", "elements": "str", "default": []},
    "purpose": {"type": "str", "choices": ["server", "client"], "default": "server"},
    "profile": {"type": "str", "choices": ["web", "private"], "default": "web"},
    "at": {"type": "str"},
    "fail_on_invalid": {"type": "bool", "default": False},
}
_FRACTION = re.compile(r"[.,]\d+")


def run(module: t.Any) -> None:
    with module_boundary(module):
        require_library("cryptography")
        params = module.params
        anchors = params["trust_anchors"]
        problems = _examine(
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


def _examine(wanted: Examination) -> list[Problem]:
    """Its certificate may be a JSON document, whose fields stand in for what was not given apart."""
    document = given_document(wanted.certificate)
    if document is not None:
        try:
            parts = document_parts(document)
        except MaterialError as error:
            return [error.problem]
        wanted = dataclasses.replace(
            wanted,
            certificate=parts["certificate"],
            certificate_chain=wanted.certificate_chain or parts["certificate_chain"],
            private_key=parts.get("private_key") if wanted.private_key is None else wanted.private_key,
        )
    return examine(wanted)
