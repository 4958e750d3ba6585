# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The boundary where errors become results."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._module.boundary import module_boundary
from ansible_collections.certops.rotation.tests.support import pki


class Failed(Exception):
    """Raised by Module.fail_json, as SystemExit is by the real one."""


class Module:
    def __init__(self) -> None:
        self.result: dict[str, t.Any] = {}

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn:
        self.result = {"msg": msg, **kwargs}
        raise Failed


def run_in_boundary(error: BaseException) -> dict[str, t.Any]:
    module = Module()
    with pytest.raises(Failed), module_boundary(module):
        raise error
    return module.result


def test_boundary_tells_expected_errors() -> None:
    assert run_in_boundary(RotationError("what and why", secret="a")) == {"msg": "what and why", "secret": "a"}


@pytest.mark.parametrize("kind", [ValueError, KeyError, RuntimeError, UnicodeDecodeError])
def test_boundary_withholds_the_text_of_unexpected_errors(kind: type[Exception]) -> None:
    key = pki.private_key_pem(pki.shared_key())
    error = kind("utf-8", b"x", 0, 1, key) if kind is UnicodeDecodeError else kind(key)
    message = run_in_boundary(error)["msg"]
    assert message.startswith(f"Unexpected {kind.__name__} in run_in_boundary (")
    assert "PRIVATE KEY" not in message


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt()])
def test_boundary_lets_the_end_of_the_process_pass(error: BaseException) -> None:
    with pytest.raises(type(error)), module_boundary(Module()):
        raise error
