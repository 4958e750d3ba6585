# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One rotation without a playbook: the module haproxy_rotation, with the arguments that the last playbook gave it.

$1: the file in which the playbook left them; $2: a directory for compiled files, as those of the collections may not be
written to. Exit code 75: it takes a playbook. Else as of ansible-playbook: 0, or 2
when the run has failed, or refused a certificate.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
import typing as t

TAKES_A_PLAYBOOK = 75
FAILED = 2
ROLE = "haproxy_certificates"


def main(path: str, compiled: str) -> int:
    try:
        arguments = dict(json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["haproxy_rotation"])
    except (OSError, ValueError, KeyError, TypeError):
        return TAKES_A_PLAYBOOK
    # What the controller does for these is no part of the module.
    if arguments.get("source") != "host" or arguments.get("activation") != "direct":
        return TAKES_A_PLAYBOOK
    status, printed = in_a_process(lambda: rotate(arguments, compiled))
    if status == TAKES_A_PLAYBOOK:
        return status
    try:
        result = presentable(json.loads(printed))
    except ValueError:
        sys.stderr.write(f"haproxy_rotation ended without a result (exit code {status}), so a playbook is run.\n")
        return TAKES_A_PLAYBOOK
    return tell(result)


def in_a_process(function: t.Callable[[], None]) -> tuple[int, str]:
    """The exit code of a child that calls it, and what that has printed. Requests to end are for the child alone."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)  # unlike SIG_IGN nobody inherits it
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(writing, 1)
        os.close(reading)
        os.close(writing)
        function()
        sys.exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
        printed = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), printed


def rotate(arguments: t.Mapping[str, t.Any], compiled: str) -> None:
    """Prints what Ansible would read of the module, which has masked there what is not to be seen."""
    try:
        import_and_run(arguments, compiled)
    except ImportError as error:
        sys.stderr.write(f"Without a playbook it cannot run here: {error}\n")
        sys.exit(TAKES_A_PLAYBOOK)


def import_and_run(arguments: t.Mapping[str, t.Any], compiled: str) -> None:
    # What pip has installed is compiled. Collections are not, and to compile them takes longer than to rotate.
    import boto3.session  # noqa: F401
    import cryptography.x509  # noqa: F401
    from ansible.module_utils import basic

    sys.pycache_prefix = compiled
    from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
    from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_rotation import ARGUMENT_SPEC, run

    internal = {"_ansible_module_name": "certops.rotation.haproxy_rotation", "_ansible_check_mode": False}
    given = {"ANSIBLE_MODULE_ARGS": {**arguments, **internal}}
    basic._ANSIBLE_PROFILE = "legacy"  # of ansible-core 2.19 and later
    basic._ANSIBLE_ARGS = json.dumps(given).encode()
    run(AwsModule(ARGUMENT_SPEC))


def presentable(result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """As a playbook shows it: without what a terminal obeys, and with the names of the role's variables for options."""
    from ansible_collections.certops.rotation.plugins.module_utils._core.text import harmless

    if not (result.get("warnings") or wrong_with(result)):
        return dict(harmless(result))
    from ansible_collections.certops.rotation.plugins.plugin_utils._host_action import as_data, in_words_of_role
    from ansible_collections.certops.rotation.plugins.plugin_utils._misspelt import variables_of_roles

    roles = pathlib.Path(sys.modules[variables_of_roles.__module__].__file__ or "").parents[2] / "roles"
    return in_words_of_role(as_data(result), ROLE, variables_of_roles(roles)[ROLE])


def wrong_with(result: t.Mapping[str, t.Any]) -> str:
    """A run that failed altogether has no certificates; what is wrong with some of them is left to fail for."""
    wrong = result.get("msg") or result.get("error")
    return str(wrong or ("" if "certificates" in result else "The module has failed."))


def tell(result: t.Mapping[str, t.Any]) -> int:
    """For people, and the exit code."""
    for warning in result.get("warnings") or []:
        sys.stdout.write(f"[WARNING]: {warning if isinstance(warning, str) else warning.get('msg', warning)}\n")
    for certificate in result.get("certificates") or []:
        if certificate.get("action") != "unchanged":
            sys.stdout.write(f"{certificate.get('name')}: {certificate.get('action')}\n")
    wrong = wrong_with(result)
    if wrong:
        sys.stderr.write(f"{wrong}\n")
        return FAILED
    sys.stdout.write(f"The rotation has ended well: {'changed' if result.get('changed') else 'nothing to do'}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
