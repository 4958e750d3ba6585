# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moves labels between the versions of secrets. No value is read."""

from __future__ import annotations

import typing as t

from ..._core.pipeline.source import is_arn_of, name_in_arn
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
        described = self.describe(move.secret) if expected is None else self._expected(move.secret)
        request = plan_move(move, described, label, lambda: self.version_ids(move.secret), expected)
        return described or {}, request

    def _expected(self, secret: str) -> dict[str, t.Any] | None:
        """The reply of DescribeSecret. Expected are names, and by a name one means one's own secret.

        Where the own account has none of the name, or nobody here may look, nothing can be mistaken.
        Raises RotationError for another account's.
        """
        name = name_in_arn(secret)
        try:
            own = self.describe(name)
        except SecretsManagerError:
            if name == secret:
                raise
            own = None
        if name == secret or (own is not None and is_arn_of(secret, own["ARN"])):
            return own
        described = self.describe(secret)  # which also says where it is, if that is elsewhere
        if own is not None and described is not None:
            raise RotationError(
                f"{secret}: the secret that is expected by the name {name} is {own['ARN']}, and this is that of another"
                " account. Who suggests it, a host perhaps, is not to be trusted with it."
            )
        return described

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
