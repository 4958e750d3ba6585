# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_issue: a server certificate for the request of a host that may not read the authority's key."""

from __future__ import annotations

import typing as t

from .._core.instants import isoformat_utc
from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .shared_ca_common import (
    PREFIX_OPTION,
    SERVER_SUBJECT_OPTION,
    failures_told_apart,
    now,
    secret_names,
    server_subject,
    shared_secrets,
)

if t.TYPE_CHECKING:
    from .._core.x509.certificate import Certificate
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **PREFIX_OPTION,
    "request": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "allowed_names": {"type": "list", "elements": "str", "default": []},
    "issuer": {"type": "str", "choices": ["current", "successor"], "default": "current"},
    "validity_days": {"type": "int", "default": 365},
    **SERVER_SUBJECT_OPTION,
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module), failures_told_apart():
        require_library("cryptography")
        from .._core.ca.names import alternative_names
        from .._core.ca.profiles import KeySpec, Profile, days
        from .._core.ca.request import allowed
        from .._flows.shared_ca.signer import Signer
        from .._flows.shared_ca.steward import Steward

        params = module.params
        may_have = allowed(alternative_names(params["names"]), params["allowed_names"])
        profile = Profile(server_subject(params).name(), KeySpec(), days(params["validity_days"]))
        source = shared_secrets(module)
        signer = Signer(Steward(source, secret_names(params), now()), profile, params["issuer"] == "successor")
        leaf = signer.sign(params["request"], may_have)
        module.exit_json(changed=True, **_facts(leaf, module.check_mode), api_calls=dict(source.api_calls))


def _facts(leaf: Certificate, predicted: bool) -> dict[str, t.Any]:
    return {
        "certificate": None if predicted else leaf.pem.decode(),
        "fingerprint_sha256": None if predicted else leaf.fingerprint_sha256,
        "not_after": isoformat_utc(leaf.not_after),
        "subject_alternative_names": list(leaf.subject_alternative_names),
    }
