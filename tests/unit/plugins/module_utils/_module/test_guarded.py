# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guarded module prints. What it may be given is tested with every module in tests/integration."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.tests.support import pki

CERTIFICATE = pki.CertificateAuthority("Root").issue("a.example.com")
LINE = CERTIFICATE.private_key_pem.splitlines()[1]
SPEC = {"private_key": {"type": "str", "no_log": True}, "count": {"type": "int"}, "path": {"required": True}}


@pytest.fixture
def ending(capsys: pytest.CaptureFixture[str]) -> t.Callable[..., dict[str, t.Any]]:
    """The result of a module that is given args, and ends as told."""

    def run(args: dict[str, t.Any], end: t.Callable[[t.Any], None]) -> dict[str, t.Any]:
        with patch_module_args(args), pytest.raises(SystemExit):
            end(GuardedModule(argument_spec=SPEC))
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_a_line_of_a_key_that_somebody_quotes_is_masked(ending) -> None:
    args = {"path": "/x", "private_key": CERTIFICATE.combined_pem}

    def fail(module: t.Any) -> None:
        module.warn(f"it said {LINE}")
        module.fail_json(msg=f"Unknown command: '{LINE}'", log=[{"lines": [LINE, CERTIFICATE.certificate_pem]}])

    result = ending(args, fail)
    assert LINE not in json.dumps(result)
    assert result["msg"] == "Unknown command: '********'"
    assert result["log"][0]["lines"][1] == CERTIFICATE.certificate_pem
    assert result["invocation"]["module_args"]["path"] == "/x"


def test_a_refusal_comes_before_whatever_else_is_wrong(ending) -> None:
    result = ending({"private_key": [LINE], "count": "many", "unknown": LINE}, lambda module: module.exit_json())
    assert result["msg"].startswith("The option private_key must be text, and a list was given.")
    assert result["failed"]
    assert LINE not in json.dumps(result)
