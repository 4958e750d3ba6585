# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All versions of a secret, also those that AWS calls deprecated."""

from __future__ import annotations

import typing as t

from .secret_writer import SecretWriter


class SecretVersions(SecretWriter):
    """Every method raises SecretsManagerError."""

    def version_ids(self, secret: str) -> set[str]:
        """Of all versions, also of those without any label (deprecated ones), which AWS keeps the last hundred of."""
        request: dict[str, t.Any] = {"SecretId": secret, "IncludeDeprecated": True}
        found: set[str] = set()
        while True:
            reply = self._call("list_secret_version_ids", secret=secret, **request)
            found.update(version["VersionId"] for version in reply.get("Versions") or [])
            if not reply.get("NextToken"):
                return found
            request["NextToken"] = reply["NextToken"]
