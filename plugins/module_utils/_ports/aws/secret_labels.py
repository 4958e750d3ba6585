# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moves labels between the versions of secrets. No value is read."""

from __future__ import annotations

import typing as t

from ..._core.pipeline.source import name_in_arn
from ..._core.secrets.labels import LabelMove, check_expected, plan_move
from ..._core.secrets.plan import Request
from ..._errors import RotationError, SecretsManagerError
from .secret_versions import SecretVersions


class SecretLabels(SecretVersions):
    """Every method raises SecretsManagerError."""

    def plan(
        self, move: LabelMove, label: str, expected: t.Mapping[str, str] | None = None
    ) -> tuple[dict[str, t.Any], Request | None]:
        """The reply of DescribeSecret, and the request, None where nothing is to be done. expected: see plan_move.

        Raises RotationError, too.
        """
        # AWS is not asked about what nobody expects, and has the last word on the name of what it is asked about.
        check_expected(name_in_arn(move.secret), expected)
        described = self.describe(move.secret)
        if expected is not None and described is not None:
            self._require_own(move.secret, described)
        request = plan_move(move, described, label, lambda: self.version_ids(move.secret), expected)
        return described or {}, request

    def _require_own(self, secret: str, described: t.Mapping[str, t.Any]) -> None:
        """Expected are names, and by a name one means one's own secret. Raises RotationError for another account's.

        Where the own account has none of the name, or nobody here may look, there is nothing to mistake it for.
        """
        if secret == described["Name"]:
            return
        try:
            own = self.describe(described["Name"])
        except SecretsManagerError:
            return
        if own is not None and own["ARN"] != described["ARN"]:
            raise RotationError(
                f"{secret}: the secret that is expected by the name {own['Name']} is {own['ARN']}, and this is that of"
                " another account. Who suggests it, a host perhaps, is not to be trusted with it."
            )

    def move(self, move: LabelMove, label: str, request: Request) -> bool:
        """Whether it was this request that moved the label. Raises RotationError when another version took it.

        AWS refuses it when the version that it names no longer has the label, so two runs cannot undo each other.
        """
        try:
            self.apply([request], move.secret)
        except SecretsManagerError:
            if self.plan(move, label)[1] is None:
                return False
            raise
        return True
