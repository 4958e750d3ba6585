# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One text in one secret that several runs may write at once: of all who write a successor exactly one succeeds.

AWS facts used here: see shared_secrets.py. The id of a version follows from that of the version before it, so a second
successor of one version is refused by AWS itself. Texts of two writers must differ: of equal ones both succeed.
"""

from __future__ import annotations

import hashlib
import typing as t

from ..._core.secrets.plan import CURRENT, WantedSecret
from ..._errors import RotationError, SecretsManagerError
from .secrets_manager import Retry
from .shared_secrets import Properties, SharedSecrets, failure_kind

PREVIOUS = "AWSPREVIOUS"


def chain_store(client: t.Any, retry: Retry, properties: Properties) -> SharedSecrets:
    """For SecretChains. client, retry: as of SecretsManager; properties: of new secrets."""
    return SharedSecrets(client, retry, properties, labels=(CURRENT,))


class SecretChain:
    """name: of the secret, which is created at the first write, if need be. All methods raise SecretsManagerError."""

    def __init__(self, store: SharedSecrets, name: str) -> None:
        self.name = name
        self._store = store
        self._arn: str | None = None
        self._version: str | None = None
        self._previous: str | None = None

    def read(self) -> str | None:
        """The current text; None when there is no secret, or none in it. Raises RotationError when it is marked for
        deletion."""
        try:
            secret = self._store.fetch(self.name)
        except SecretsManagerError as error:
            if failure_kind(error) == "deleted":
                raise _deleted(self.name) from None
            raise
        current = secret.labelled(CURRENT) if secret else None
        self._arn = secret.arn if secret else None
        self._version = current.version_id if current else None
        self._previous = secret.labels.get(PREVIOUS) if secret else None
        return current.text if current else None

    def succeed(self, text: str) -> bool:
        """Write the successor of what was read or written last. False when another one is there already."""
        if self._arn is None:
            try:
                created = self._store.create(self.name, text)
            except SecretsManagerError as error:
                if failure_kind(error) == "deleted":
                    raise _deleted(self.name) from None
                raise
            if created:
                self._arn, self._version = self.name, WantedSecret(self.name, text).token
            return created
        token = self._next()
        if not self._store.succeed(self.name, text, token=token, label=CURRENT):
            return False
        self._previous, self._version = self._version, token
        return True

    def forget_previous(self) -> None:
        """Take the label from the version before the current one: AWS deletes versions without any in time."""
        if self._previous is None:
            return
        try:
            self._store.move(self.name, PREVIOUS, None, self._previous)
        except SecretsManagerError:
            # Another run may have done the same a moment ago.
            versions = (self._store.describe(self.name) or {}).get("VersionIdsToStages") or {}
            if PREVIOUS in versions.get(self._previous, []):
                raise
        self._previous = None

    def why_not(self) -> str:
        """After succeed() was false: another run, or a label that somebody has moved back."""
        described = self._store.describe(self.name) or {}
        versions: t.Mapping[str, list[str]] = described.get("VersionIdsToStages") or {}
        if self._version is not None and CURRENT in versions.get(self._version, []) and self._next() in versions:
            return (
                f"Somebody has moved the label {CURRENT} of secret {self.name} back to version {self._version}. Move it"
                f" to version {self._next()} again, or delete the secret if nothing is under way."
            )
        return f"Another run has written secret {self.name} meanwhile."

    def _next(self) -> str:
        """Of a secret without a current version, as infrastructure code makes them, the first one's."""
        return hashlib.sha256((self._version or f"first of {self._arn}").encode()).hexdigest()


def _deleted(name: str) -> RotationError:
    return RotationError(
        f"Secret {name} is marked for deletion. Restore it (RestoreSecret), name another one, or wait until it is gone."
    )
