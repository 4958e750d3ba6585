# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients of a shared authority that nobody has named."""

from __future__ import annotations

import typing as t

from ..._core.shared_ca.state import Names
from ..._errors import SecretsManagerError
from ..._ports.aws.shared_secrets import SharedSecrets, failure_kind


def known_clients(source: SharedSecrets, names: Names, warn: t.Callable[[str], None]) -> list[str]:
    """Those that are stored, as far as a listing is allowed. warn: told when it is not. Raises SecretsManagerError."""
    try:
        return names.clients(source.names(f"{names.prefix}/client-cert"))
    except SecretsManagerError as error:
        if failure_kind(error) != "denied":
            raise
        warn(
            "secretsmanager:ListSecrets is denied, so only the clients that are named are seen. Allow it on resource *,"
            " or name all of them."
        )
        return []
