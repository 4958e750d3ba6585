# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account of AWS on the controller, by the options of a task."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec
from ansible_collections.amazon.aws.plugins.plugin_utils.base import AWSPluginBase
from ansible_collections.certops.rotation.plugins.module_utils._module.aws import repeating
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.secrets_manager import SecretsManager


def validated(arguments: t.Mapping[str, t.Any], spec: dict[str, t.Any]) -> dict[str, t.Any]:
    """As a module would see them. Raises AnsibleActionFail."""
    result = ArgumentSpecValidator(spec).validate(dict(arguments))
    if result.error_messages:
        raise AnsibleActionFail("; ".join(result.error_messages))
    return dict(result.validated_parameters)


class Account(AWSPluginBase):
    """options: those that all modules of amazon.aws have."""

    ansible_name = "certops.rotation.certificate_sync"

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        self._options = validated(options, aws_argument_spec())

    def secrets_manager(self) -> SecretsManager:
        self.require_aws_sdk()
        return SecretsManager(self.client("secretsmanager"), repeating())

    # Of AWSPluginBase

    def get_options(self) -> dict[str, t.Any]:
        return self._options

    def _do_fail(self, message: str) -> t.NoReturn:
        raise AnsibleActionFail(message)
