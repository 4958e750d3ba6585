# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that many hosts share, where they are replicas of another region's."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.overlay import Overlay
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.shared_secrets import (
    Properties,
    SharedSecrets,
)
from ansible_collections.certops.rotation.tests.support.memory_secrets_manager import MemorySecretsManager


class Replicas(MemorySecretsManager):
    """All secrets are those of another region."""

    def describe_secret(self, *, SecretId: str) -> dict[str, t.Any]:  # noqa: N803
        return {**super().describe_secret(SecretId=SecretId), "PrimaryRegion": "us-east-1"}


@pytest.mark.parametrize("dry", [False, True])
def test_a_replica_is_read_and_not_written_in_check_mode_either(dry: bool) -> None:
    client = Replicas()
    store = SharedSecrets(client, lambda function: function)
    assert store.create("a", "text")
    writes = list(client.writes)
    seen = Overlay(store) if dry else store
    secret = seen.fetch("a")
    assert secret is not None
    (version,) = secret.versions
    with pytest.raises(RotationError, match="its primary in region us-east-1"):
        seen.succeed("a", "other", token="0" * 64, label="AWSCURRENT")
    with pytest.raises(RotationError, match="its primary in region us-east-1"):
        seen.move("a", "AWSPENDING", version.version_id, None)
    assert client.writes == writes


def test_no_replica_of_itself() -> None:
    with pytest.raises(InvalidOption, match="the secret itself"):
        SharedSecrets(MemorySecretsManager(), lambda function: function, Properties(replica_regions=("eu-central-1",)))
