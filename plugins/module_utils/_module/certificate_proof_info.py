# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runner of certificate_proof_info."""

from __future__ import annotations

import typing as t

from .._flows.rotate.prove import prove_deployed
from .._flows.rotate.settings import ProofSettings
from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .haproxy_options import CONFIG

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "certificates": {"type": "list", "elements": "dict", "required": True},
    "only": {"type": "list", "elements": "str"},
    "binds": {"type": "list", "elements": "str"},
    "config": {"type": "list", "elements": "path", "default": [CONFIG]},
    "environment": {"type": "dict", "default": {}},
    "max_names": {"type": "int"},
    "socket": {"type": "str"},
    "reloaded": {"type": "bool", "default": False},
    "allow_unreferenced": {"type": "bool", "default": False},
    "on_unproven": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
    "timeout": {"type": "float", "default": 5.0},
    "concurrency": {"type": "int", "default": 32},
    "retries": {"type": "int", "default": 3},
    "delay": {"type": "float", "default": 0.5},
    "on_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
}


def run(module: t.Any) -> None:
    with module_boundary(module):
        params = module.params
        settings = ProofSettings(**{name: params[name] for name in ProofSettings._fields if name in params}).check()
        require_library("cryptography")
        proof = prove_deployed(params["certificates"], settings, only=params["only"], reloaded=params["reloaded"])
        allow_unreferenced = params["allow_unreferenced"]
        result, message = proof.as_result(allow_unreferenced), proof.message(allow_unreferenced)
        failures = proof.report.failures(allow_unreferenced, params["on_unproven"] == "warn")
        for warning in proof.warnings:
            module.warn(warning)
        if failures and params["on_failure"] == "fail":
            module.fail_json(msg=message, **result)
        if not result["proven"] and not failures:
            module.warn(message)
        module.exit_json(msg=message, **result)
