# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A source of one certificate that a task brings along."""

from __future__ import annotations

import hashlib
import typing as t

from .._core.pipeline.source import Discovery, SecretValue, SecretVersion, Selection


class GivenCertificate:
    """A CertificateSource that knows one certificate, and always delivers it."""

    def __init__(self, name: str, content: str | bytes) -> None:
        self._name = name
        self._content = content

    def discover(self, selection: Selection) -> Discovery:  # noqa: ARG002
        """No version id: whatever is on disk, the content is verified again."""
        return Discovery((SecretVersion(self._name, "", ""),))

    def read(self, secrets: t.Sequence[SecretVersion]) -> t.Iterator[SecretValue]:
        content = self._content if isinstance(self._content, bytes) else self._content.encode("utf-8", "replace")
        version = hashlib.sha256(content).hexdigest()[:32]
        for secret in secrets:
            yield SecretValue(SecretVersion(secret.name, secret.arn, version), self._content)
