# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and ARNs of secrets."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import is_arn_of, name_in_arn

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        (f"{ARN}web/a-AbCdEf", "web/a"),
        (f"{ARN}web/a", "web/a"),
        (f"{ARN}my-secret", "my"),
        ("web/a-AbCdEf", "web/a-AbCdEf"),
        ("x:secret:y", "x:secret:y"),
    ],
)
def test_name_in_arn(identifier: str, name: str) -> None:
    assert name_in_arn(identifier) == name


def test_is_arn_of() -> None:
    assert is_arn_of(f"{ARN}a-AbCdEf", f"{ARN}a-AbCdEf")
    assert is_arn_of(f"{ARN}a", f"{ARN}a-AbCdEf")
    assert not is_arn_of("a", f"{ARN}a-AbCdEf")
    assert not is_arn_of(f"{ARN}a", f"{ARN}a-b-AbCdEf")
