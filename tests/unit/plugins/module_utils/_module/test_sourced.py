# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that the controller asks AWS for needs no library of AWS. That such hosts rotate is in test_fleet_push."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t

import pytest

_PROGRAM = """
import json, sys
from ansible.module_utils import basic
from ansible_collections.certops.rotation.plugins.module_utils._module import haproxy_rotation, sourced

basic._ANSIBLE_ARGS = sys.argv[1].encode()
basic._ANSIBLE_PROFILE = "legacy"
module = sourced.sourced_module(haproxy_rotation.ARGUMENT_SPEC)
print(json.dumps([type(module).__name__, "boto3" in sys.modules, module.check_mode, module.params["source"]]))
"""


def made(arguments: dict[str, t.Any]) -> list[t.Any]:
    """The class of the module, whether boto3 is imported, check_mode and the option source."""
    given = json.dumps({"ANSIBLE_MODULE_ARGS": {"_ansible_check_mode": True, **arguments}})
    command = [sys.executable, "-c", _PROGRAM, given]
    return list(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_the_controller_asks() -> None:
    assert made({"source": "controller"}) == ["GuardedModule", False, True, "controller"]


@pytest.mark.parametrize("source", [{}, {"source": "host"}])
def test_the_host_asks(source: dict[str, str]) -> None:
    assert made({"region": "eu-central-1", "environment": {"source": "controller"}, **source}) == [
        "AwsModule",
        True,
        True,
        "host",
    ]
