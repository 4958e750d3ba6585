# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many secrets, read and written at once: one answer each."""

from __future__ import annotations

import typing as t

from ..._core.pipeline.source import SecretFailure, SecretValue, SecretVersion, Selection
from ..._core.secrets.plan import Request, tags_of
from ..._errors import SecretsManagerError
from .secret_writer import SecretWriter


class CertificateSecrets(SecretWriter):
    """Every method raises SecretsManagerError."""

    def values(self, names: t.Iterable[str]) -> dict[str, SecretValue | SecretFailure]:
        """By name: the current value, or why there is none. One call for every 20."""
        asked = [SecretVersion(name, name, "") for name in dict.fromkeys(names)]
        return dict(zip((secret.name for secret in asked), self.read(asked)))

    def tags(self, names: t.Collection[str]) -> dict[str, t.Mapping[str, str] | SecretFailure]:
        """By name, or why they cannot be told. One call for every 100 secrets that are listed."""
        if not names:
            return {}
        discovery = self.discover(Selection(names=tuple(names)))
        found: dict[str, t.Mapping[str, str] | SecretFailure] = {each.name: each.tags for each in discovery.secrets}
        for failure in discovery.failures:
            found[failure.name] = tags_of(failure.described) if failure.described else failure
        return found

    def create(self, request: Request, name: str) -> tuple[str, str] | None:
        """Make a request of CreateSecret. Returns ARN and version id, None when there is one of this name already."""
        try:
            reply = self._call(request.operation, secret=name, **request.parameters)
        except SecretsManagerError as error:
            if error.code == "ResourceExistsException":
                return None
            raise
        return reply["ARN"], reply["VersionId"]

    def tag(self, name: str, tags: t.Mapping[str, str]) -> None:
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        self._call("tag_resource", secret=name, SecretId=name, Tags=pairs)

    def restore(self, name: str) -> None:
        self._call("restore_secret", secret=name, SecretId=name)
