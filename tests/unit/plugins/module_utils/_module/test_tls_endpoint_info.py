# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tls_endpoint_info needs before it asks anybody."""

from __future__ import annotations

import importlib.metadata
import json
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.tls_endpoint_info import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.tests.support import pki


def result(capsys: pytest.CaptureFixture[str], **arguments: t.Any) -> dict[str, t.Any]:
    given = {"endpoints": ["127.0.0.1:1"], "trust_anchors": pki.CertificateAuthority().root_pem, **arguments}
    with patch_module_args(given), pytest.raises(SystemExit):
        run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


def test_pyopenssl_is_needed_for_staples_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def version(name: str) -> str:
        if name == "pyOpenSSL":
            raise importlib.metadata.PackageNotFoundError(name)
        return "99"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert result(capsys)["endpoints"][0]["error"] == "connection refused"
    failed = result(capsys, staple=True)
    assert failed["failed"]
    assert failed["msg"].startswith("The Python library pyOpenSSL (>= 24.0.0) is not installed")
