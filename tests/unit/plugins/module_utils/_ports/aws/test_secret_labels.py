# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# ruff: noqa: N803 - arguments are named as boto3 names them

"""Who is trusted with the label of which secret, where several accounts have one of the same name."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.labels import LabelMove
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.secret_labels import SecretLabels
from ansible_collections.certops.rotation.tests.support.memory_secrets_manager import (
    MemorySecretsManager,
    client_error,
)

OTHERS = "arn:aws:secretsmanager:eu-central-1:2:secret:web-XyXyXy"


class TwoAccounts(MemorySecretsManager):
    """Of the account 1, with a secret of the account 2 that lets it in."""

    def describe_secret(self, *, SecretId: str) -> dict[str, t.Any]:
        if SecretId == OTHERS:
            return {"ARN": OTHERS, "Name": "web", "VersionIdsToStages": {"new": ["AWSCURRENT"], "old": ["AWSPREVIOUS"]}}
        return super().describe_secret(SecretId=SecretId)


def labels(client: TwoAccounts) -> SecretLabels:
    return SecretLabels(client, lambda function: function)


def test_the_arn_of_another_accounts_secret_is_not_the_one_that_is_expected() -> None:
    client = TwoAccounts()
    move = LabelMove(OTHERS, "old")
    client.create_secret(Name="web", ClientRequestToken="0" * 32, SecretString="mine")
    own = client.describe_secret(SecretId="web")
    with pytest.raises(RotationError, match="that of another account"):
        labels(client).plan(move, "AWSCURRENT", {"web": ""})
    assert labels(client).plan(move, "AWSCURRENT")[1] is not None, (
        "an operator may name what is shared with the account"
    )
    assert labels(client).plan(LabelMove(own["ARN"], "0" * 32), "AWSCURRENT", {"web": ""})[1] is None


def test_one_that_only_another_account_has() -> None:
    client = TwoAccounts()
    assert labels(client).plan(LabelMove(OTHERS, "old"), "AWSCURRENT", {"web": ""})[1] is not None

    def deny(operation: str) -> None:
        raise client_error("AccessDeniedException")

    client.before = deny
    assert labels(client).plan(LabelMove(OTHERS, "old"), "AWSCURRENT", {"web": ""})[1] is not None
