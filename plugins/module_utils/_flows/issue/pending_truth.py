# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a rotation of Secrets Manager's own puts what is issued: the one version that AWS has made for it."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.promotion import PENDING
from ..._core.secrets.plan import put_version
from ..._errors import RotationError, SecretsManagerError
from .truth import SecretsTruth, TruthVersion

if t.TYPE_CHECKING:
    from ..._core.secrets.plan import WantedSecret


class PendingTruth(SecretsTruth):
    """As SecretsTruth; version_id: of the version that waits for its value, which is the rotation's token; was_filled:
    another run of the same rotation has given it one meanwhile."""

    _has_always_label = True

    def __init__(self, *arguments: t.Any, version_id: str, **options: t.Any) -> None:
        super().__init__(*arguments, label=PENDING, **options)
        self._version_id = version_id
        self.was_filled = False

    def why_not(self, name: str) -> str | None:
        """Asked after the journal was read: a run that was over by then has left its value, and one that is under way
        is found out by the journal."""
        described = self.secrets.describe(self.prefix + name)
        try:
            self.was_filled = bool(described and self.secrets.value_of(described, self._version_id))
        except SecretsManagerError as error:
            if error.code != "ResourceNotFoundException":
                return error.message
        return self._filled(name) if self.was_filled else super().why_not(name)

    def _filled(self, name: str) -> str:
        return (
            f"Version {self._version_id} of secret {self.prefix}{name} has a value by now: this rotation runs twice."
            " Run the step again, which goes on with that value."
        )

    def _put_candidate(self, described: t.Mapping[str, t.Any], secret: WantedSecret) -> TruthVersion:
        """With its base, which AWS's own rotation does not tell: whoever stores another certificate meanwhile wins."""
        request = put_version({"SecretId": described["ARN"]}, secret)
        request = dataclasses.replace(
            request, parameters={**request.parameters, "ClientRequestToken": self._version_id}
        )
        try:
            self.secrets.apply([request], secret.name)
        except SecretsManagerError as error:
            if error.code != "ResourceExistsException":
                raise
            self.was_filled = True
            raise RotationError(self._filled(secret.name.removeprefix(self.prefix))) from None
        return TruthVersion(described["ARN"], self._version_id, True, secret.label)
