# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module of those that bring certificates: it speaks to AWS, unless the controller does so in the host's place."""

from __future__ import annotations

import json
import typing as t

from ansible.module_utils import basic

from .guarded import GuardedModule

if t.TYPE_CHECKING:
    from .aws import AwsModule

    #: Only an AwsModule has clients.
    SourcedModule: t.TypeAlias = "AwsModule | GuardedModule"


def sourced_module(argument_spec: t.Mapping[str, t.Any]) -> SourcedModule:
    """argument_spec: with the option source. For source=controller the options of AWS are unknown ones."""
    if _source() == "controller":
        return GuardedModule(argument_spec=dict(argument_spec), supports_check_mode=True)
    # Together with boto3 this takes a third of a run in which nothing has changed.
    from .aws import AwsModule

    return AwsModule(argument_spec)


def _source() -> str | None:
    """As it is given. None where that cannot be told before there is a module: then it may be anything."""
    given: bytes | None = getattr(basic, "_ANSIBLE_ARGS", None)
    try:
        return str(json.loads(given or b"{}")["ANSIBLE_MODULE_ARGS"]["source"])
    except (ValueError, KeyError, TypeError):
        return None
