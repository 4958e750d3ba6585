# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store in memory over another one: what a run would write, without writing it."""

from __future__ import annotations

import typing as t
import uuid

from ..._core.secrets.plan import CURRENT
from ..._core.secrets.shared import SecretStore, SecretText, SharedSecret


class Overlay:
    """A SecretStore. below: is only read; None for an empty one; seen: what is known of it already, by name."""

    def __init__(
        self, below: SecretStore | None = None, seen: t.Mapping[str, SharedSecret | None] | None = None
    ) -> None:
        self._below = below
        self._changed: dict[str, SharedSecret | None] = dict(seen or {})

    def fetch(self, name: str) -> SharedSecret | None:
        if name in self._changed:
            return self._changed[name]
        return self._below.fetch(name) if self._below else None

    def every_text(self, name: str) -> list[str]:
        found = dict.fromkeys(self._below.every_text(name) if self._below else ())
        changed = self._changed.get(name)
        found.update(dict.fromkeys(version.text for version in changed.versions) if changed else {})
        return list(found)

    def create(self, name: str, text: str) -> bool:
        if self.fetch(name) is not None:
            return False
        version = SecretText(str(uuid.uuid4()), frozenset({CURRENT}), text)
        self._changed[name] = SharedSecret(name, "", {CURRENT: version.version_id}, (version,))
        return True

    def succeed(self, name: str, text: str, *, token: str, label: str) -> bool:
        secret = self._there(name)
        if token in secret.labels.values():
            return False
        added = SecretText(token, frozenset(), text)
        self._changed[name] = SharedSecret(name, secret.arn, secret.labels, (*secret.versions, added))
        self.move(name, label, token, secret.labels.get(label))
        return True

    def move(self, name: str, label: str, version_id: str | None, holder: str | None) -> None:  # noqa: ARG002
        secret = self._there(name)
        labels = {other: version for other, version in secret.labels.items() if other != label}
        if version_id is not None:
            labels[label] = version_id
        versions = tuple(
            SecretText(version.version_id, frozenset(_labels(labels, version.version_id)), version.text)
            for version in secret.versions
        )
        self._changed[name] = SharedSecret(name, secret.arn, labels, versions)

    def _there(self, name: str) -> SharedSecret:
        secret = self.fetch(name)
        if secret is None:
            raise KeyError(name)
        secret.require_changeable()
        return secret


def _labels(labels: dict[str, str], version_id: str) -> list[str]:
    return [label for label, version in labels.items() if version == version_id]
