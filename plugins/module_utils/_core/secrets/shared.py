# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that many hosts share, as those see them who keep something in them together."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..._errors import RotationError

PENDING = "AWSPENDING"


@dataclass(frozen=True)
class SecretText:
    """One version. labels: those that it carries; text: its value."""

    version_id: str
    labels: frozenset[str]
    text: str = field(repr=False)


@dataclass(frozen=True)
class SharedSecret:
    """versions: those with one of the labels that were asked for; labels: label -> version id, of all labels;
    why_it_stays: why nobody can change it here, None when it can be changed."""

    name: str
    arn: str
    labels: t.Mapping[str, str]
    versions: tuple[SecretText, ...]
    why_it_stays: str | None = None

    def require_changeable(self) -> None:
        """Raises RotationError."""
        if self.why_it_stays:
            raise RotationError(self.why_it_stays)

    def labelled(self, label: str) -> SecretText | None:
        return next((version for version in self.versions if label in version.labels), None)

    def version(self, version_id: str) -> SecretText | None:
        return next((version for version in self.versions if version.version_id == version_id), None)


class SecretStore(t.Protocol):
    """What the shared authority needs of a store. Every method may raise SecretsManagerError (see failure_kind)."""

    def fetch(self, name: str) -> SharedSecret | None:
        """None when there is no such secret; SecretsManagerError when it is marked for deletion."""

    def every_text(self, name: str) -> list[str]:
        """Of all versions that are there still, also of those without a label; none when there is no such secret."""

    def create(self, name: str, text: str) -> bool:
        """False when there is one already."""

    def succeed(self, name: str, text: str, *, token: str, label: str) -> bool:
        """A new version with this id. False when there is one with this id already; its labels stay."""

    def move(self, name: str, label: str, version_id: str | None, holder: str | None) -> None:
        """Take the label from the version that holds it (None: none does) to another one (None: to none)."""
