# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where certificates come from, as the stages after it see it."""

from __future__ import annotations

import typing as t

from ..._ports.aws.secrets_manager import Discovery, SecretFailure, SecretValue, SecretVersion, Selection


class CertificateSource(t.Protocol):
    """Answers discover and fetch."""

    def discover(self, selection: Selection) -> Discovery:
        """Names with version ids, without values."""

    def read(self, secrets: t.Sequence[SecretVersion]) -> t.Iterator[SecretValue | SecretFailure]:
        """The values of these, or why not, in any order."""
