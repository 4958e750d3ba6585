# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A SecretStore in memory, with AWS's rules for versions, tokens and labels, that ends before a chosen write."""

from __future__ import annotations

import typing as t
import uuid

from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.shared import (
    SecretStore,
    SecretText,
    SharedSecret,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import SecretsManagerError

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"


class Killed(Exception):
    """The process ends here."""


class MemorySecrets(SecretStore):
    """texts: secret -> version id -> text; labels: secret -> label -> version id; writes: what was done, in order.

    before: called with each write's name before it is done, and after: afterwards.
    """

    def __init__(self) -> None:
        self.texts: dict[str, dict[str, str]] = {}
        self.labels: dict[str, dict[str, str]] = {}
        self.writes: list[str] = []
        self.before: t.Callable[[str], None] = lambda write: None
        self.after: t.Callable[[str], None] = lambda write: None

    def put(self, name: str, text: str) -> None:
        """As somebody else would."""
        self._put(name, text, str(uuid.uuid4()), CURRENT)

    def current(self, name: str, label: str = CURRENT) -> str:
        return self.texts[name][self.labels[name][label]]

    def fetch(self, name: str) -> SharedSecret | None:
        if name not in self.texts:
            return None
        labels = self.labels[name]
        versions = (
            SecretText(version_id, frozenset(label for label in labels if labels[label] == version_id), text)
            for version_id, text in self.texts[name].items()
        )
        labelled = tuple(version for version in versions if version.labels & {CURRENT, "AWSPENDING"})
        return SharedSecret(name, f"arn:{name}", dict(labels), labelled)

    def create(self, name: str, text: str) -> bool:
        return self._write(
            "create", lambda: name not in self.texts and self._put(name, text, str(uuid.uuid4()), CURRENT)
        )

    def succeed(self, name: str, text: str, *, token: str, label: str) -> bool:
        def put() -> bool:
            known = self.texts[name].get(token)
            return known == text if known is not None else self._put(name, text, token, label)

        return self._write("succeed", put)

    def move(self, name: str, label: str, version_id: str | None, holder: str | None) -> None:
        def move() -> bool:
            labels = self.labels[name]
            if labels.get(label) != holder:
                raise SecretsManagerError(f"{label} is not at {holder}", "InvalidParameterException", name)
            if label == CURRENT and holder:
                labels[PREVIOUS] = holder
            if version_id is None:
                labels.pop(label, None)
            else:
                labels[label] = version_id
            return True

        self._write("move", move)

    def _put(self, name: str, text: str, version_id: str, label: str) -> bool:
        labels = self.labels.setdefault(name, {})
        self.texts.setdefault(name, {})[version_id] = text
        if label == CURRENT and CURRENT in labels:
            labels[PREVIOUS] = labels[CURRENT]
        labels[label] = version_id
        return True

    def _write(self, name: str, write: t.Callable[[], bool]) -> bool:
        self.before(name)
        done = write()
        self.writes.append(name)
        self.after(name)
        return done
