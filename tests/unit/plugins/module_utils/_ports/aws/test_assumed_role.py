# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.assumed_role import assume_role
from botocore.exceptions import ClientError, NoCredentialsError

ROLE = "arn:aws:iam::2:role/dns"
CREDENTIALS = {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}


class Sts:
    def __init__(self, answer: t.Any) -> None:
        self.answer = answer
        self.requests: list[dict[str, t.Any]] = []

    def assume_role(self, **request: t.Any) -> t.Any:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Credentials": self.answer}


@pytest.mark.parametrize("external_id", [None, "agreed"])
def test_the_role_is_assumed(external_id: str | None) -> None:
    sts = Sts(CREDENTIALS)
    assert assume_role(sts, ROLE, external_id, "session") == CREDENTIALS
    expected = {"RoleArn": ROLE, "RoleSessionName": "session", "DurationSeconds": 3600}
    assert sts.requests == [expected | ({"ExternalId": external_id} if external_id else {})]


def test_a_role_that_does_not_trust_us_is_told() -> None:
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized."}}, "AssumeRole")
    with pytest.raises(
        RotationError, match=r"AssumeRole of arn:aws:iam::2:role/dns failed with AccessDenied"
    ) as caught:
        assume_role(Sts(error), ROLE, None, "session")
    assert "external_id" in caught.value.message


def test_no_credentials_are_told() -> None:
    with pytest.raises(RotationError, match="failed: NoCredentialsError"):
        assume_role(Sts(NoCredentialsError()), ROLE, None, "session")
