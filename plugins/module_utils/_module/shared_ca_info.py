# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_info: what is stored of a shared authority, judged, and on demand with its keys."""

from __future__ import annotations

import typing as t

from .._errors import InvalidOption
from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .masking import can_mask, mask_private_key
from .shared_ca_common import (
    PREFIX_OPTION,
    WARN_OPTION,
    failures_told_apart,
    now,
    secret_names,
    shared_secrets,
    warn_before,
)

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **PREFIX_OPTION,
    "clients": {"type": "list", "elements": "str"},
    **WARN_OPTION,
    "include_keys": {"type": "bool", "default": False, "no_log": False},
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module), failures_told_apart():
        params = module.params
        if params["include_keys"] and not (module.no_log or can_mask()):
            raise InvalidOption(
                "include_keys: set no_log: true on this task, or Ansible prints the private keys it returns."
            )
        require_library("cryptography")
        from .._core.shared_ca.facts import facts
        from .._flows.shared_ca.known_clients import known_clients
        from .._flows.shared_ca.steward import Steward
        from .._ports.openssl.peers import why_not_believed

        names, source = secret_names(params), shared_secrets(module)
        clients = params["clients"]
        if clients is None:
            clients = known_clients(source, names, module.warn)
        steward = Steward(source, names, now())
        state = steward.look(clients)
        mask = mask_private_key if params["include_keys"] else None
        result = facts(state, steward.at, warn_before(params), why_not_believed, mask)
        module.exit_json(changed=False, **result, api_calls=dict(source.api_calls))
