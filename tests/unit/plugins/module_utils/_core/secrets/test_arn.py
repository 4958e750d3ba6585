# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One secret or two? A replica is the same one, and the same name in another account is not."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.arn import is_same_secret

ARN = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:web/a-AbCdEf"


@pytest.mark.parametrize(
    ("arn", "name", "is_same"),
    [
        (ARN, "web/a", True),
        (ARN.replace("eu-central-1", "us-east-1"), "web/a", True),  # a replica, or its primary
        (ARN, ARN, True),  # where its name is not known
        (ARN.replace("111122223333", "444455556666"), "web/a", False),
        (ARN.replace("arn:aws:", "arn:aws-cn:"), "web/a", False),  # a replica is in the same partition
        (ARN.replace("AbCdEf", "GhIjKl"), "web/a", False),  # made anew, or made by itself in another region
        (ARN.replace("web/a", "web/ba"), "web/ba", False),
        ("arn:web/a", "web/a", False),  # no ARN at all: a host may send anything
        (5, "web/a", False),
        (None, "web/a", True),
        ("", "web/b", False),
    ],
)
def test_by_their_arns_else_by_their_names(arn: t.Any, name: str, is_same: bool) -> None:
    known, told = {"name": "web/a", "arn": ARN}, {"name": name, "arn": arn}
    assert is_same_secret(known, told) is is_same_secret(told, known) is is_same
    assert is_same_secret(told, told)


def test_of_whom_no_arn_is_known() -> None:
    assert is_same_secret({"name": "web/a"}, {"name": "web/a", "arn": ARN})
    assert not is_same_secret({"name": "web/a"}, {"name": "web/b"})
