# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Python libraries that a host may lack."""

from __future__ import annotations

import importlib.metadata

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._ports.host import libraries


@pytest.mark.parametrize(
    ("found", "problem"),
    [(None, "is not installed"), ("41.0.7", "is 41.0.7"), ("42.0.0", None), ("42.0", None), ("50.0.1rc1", None)],
)
def test_libraries(monkeypatch: pytest.MonkeyPatch, found: str | None, problem: str | None) -> None:
    def version(name: str) -> str:
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    message = libraries.missing_library("cryptography")
    if problem is None:
        assert message is None
        libraries.require_library("cryptography")
    else:
        assert message is not None
        assert problem in message
        with pytest.raises(RotationError, match="cryptography"):
            libraries.require_library("cryptography")
