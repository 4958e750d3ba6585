# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run one of the collection's modules as Ansible does, in a process of its own, and look at every byte it printed."""

from __future__ import annotations

import json
import sys
import typing as t

from . import forking, secrets_scan

_RUN = """
import json, runpy, sys
from ansible.module_utils import basic
try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core < 2.19
    patch_module_args = None

def run(request):
    sys.argv = [request["module"]]
    name = "ansible_collections.certops.rotation.plugins.modules." + request["module"]
    if patch_module_args is None:
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": request["args"]}).encode()
        runpy.run_module(name, run_name="__main__")
    else:
        with patch_module_args(request["args"]):
            runpy.run_module(name, run_name="__main__")
"""
# With all that a module may import, loaded once.
FORKED = f"""
import functools, importlib, pkgutil
import boto3, botocore.loaders, cryptography.x509
import ansible_collections.amazon.aws.plugins.module_utils.modules
import ansible_collections.amazon.aws.plugins.module_utils.retries
import ansible_collections.certops.rotation.plugins.module_utils._module as runners
for found in pkgutil.iter_modules(runners.__path__, runners.__name__ + "."):
    importlib.import_module(found.name)
# What boto3 knows of AWS is read once for all, which is the larger part of a run in which nothing changed.
botocore.loaders.create_loader = functools.lru_cache(botocore.loaders.create_loader)
boto3.session.Session().client(
    "secretsmanager", region_name="eu-central-1", aws_access_key_id="none", aws_secret_access_key="none"
)
{_RUN}
"""


class ModuleRun(t.NamedTuple):
    """result: the module's JSON; returncode: of its process; output: all it printed."""

    result: dict[str, t.Any]
    returncode: int
    output: str

    @property
    def failed(self) -> bool:
        return bool(self.result.get("failed"))


def module_command() -> list[str]:
    """The command that runs a module whose request is given on standard input (see module_request)."""
    return [sys.executable, "-c", f"{_RUN}\nrun(json.load(sys.stdin))"]


def module_request(
    module: str, args: t.Mapping[str, t.Any], *, check: bool = False, diff: bool = False, verbosity: int = 4
) -> str:
    """The text for module_command's standard input."""
    internal = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_verbosity": verbosity}
    return json.dumps({"module": module, "args": {**args, **internal}})


def run_module(
    module: str,
    args: t.Mapping[str, t.Any],
    *,
    check: bool = False,
    diff: bool = True,
    env: t.Mapping[str, str] | None = None,
    timeout: float = 120,
) -> ModuleRun:
    """Run plugins/modules/<module>.py with these args. timeout: seconds.

    Raises AssertionError when the process prints no JSON result, or any private key material.
    """
    request = json.loads(module_request(module, args, check=check, diff=diff))
    imported_from = {name: path for name, path in (env or {}).items() if name == "PYTHONPATH"}
    with forking.borrowed(FORKED, imported_from) as server:
        returncode, output = server.run(request, env, timeout)
    secrets_scan.assert_no_private_key(output)
    return parse_result(module, returncode, output)


def parse_result(module: str, returncode: int, output: str) -> ModuleRun:
    """From all that a module printed. Raises AssertionError when there is no JSON result in it."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            return ModuleRun(json.loads(line), returncode, output)
    raise AssertionError(f"{module} printed no result (exit {returncode}): {output}")
