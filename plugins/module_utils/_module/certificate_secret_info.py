# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_secret_info: parameters to which secrets and how, what is stored to the result."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._errors import InvalidOption
from .._flows.stored_certificates import look_at_secrets
from .._ports.aws.secrets_manager import SecretsManager
from .boundary import module_boundary
from .masking import can_mask, mask_private_key
from .selection import CONTENT_OPTIONS, SELECTION_OPTIONS, secret_selection, secret_verifier

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **SELECTION_OPTIONS,
    "server_name": {"type": "str"},
    "include_tags": {"type": "bool", "default": True},
    "verify": {"type": "bool", "default": True},
    "include_private_key": {"type": "bool", "default": False, "no_log": False},
    **CONTENT_OPTIONS,
}
REQUIRED_ONE_OF = [["names", "name_prefix", "tags"]]


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        with_key, server_name = params["include_private_key"], params["server_name"]
        if with_key and not (module.no_log or can_mask()):
            raise InvalidOption(
                "include_private_key: set no_log: true on this task, or Ansible prints the private keys it returns."
            )
        if server_name and not (params["verify"] or with_key):
            raise InvalidOption("server_name: names are known from the values alone. Leave verify at true.")
        source = SecretsManager(module.client("secretsmanager"), module.retry)
        found = look_at_secrets(
            source,
            secret_selection(params, empty_prefix_is_all=True),
            secret_verifier(params) if params["verify"] or with_key else None,
            server_name=server_name,
            with_tags=params["include_tags"],
            mask=mask_private_key if with_key else None,
            now=datetime.now(timezone.utc),
        )
        for warning in found.warnings:
            module.warn(warning)
        module.exit_json(changed=False, secrets=found.items, api_calls=dict(source.api_calls))
