# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Candidates of secrets: found, and asked for where they are now."""

from __future__ import annotations

import typing as t

from ..._core.pipeline.source import SecretFailure, Selection
from .secret_writer import SecretWriter

T = t.TypeVar("T")
R = t.TypeVar("R")


class SecretCandidates(SecretWriter):
    """A listing may lag behind by minutes, so it tells of which secrets to ask, and DescribeSecret how they are."""

    def labelled(self, selection: Selection, label: str) -> tuple[list[str], t.Sequence[str]]:
        """ARNs of the listed secrets of which a version has the label, and warnings. Raises SecretsManagerError."""
        discovery = self.discover(selection)
        listed: list[tuple[str | None, t.Mapping[str, t.Any]]] = [
            *((secret.arn, secret.described) for secret in discovery.secrets),
            *((failure.arn, failure.described) for failure in discovery.failures),
        ]
        arns = [arn for arn, described in listed if arn and _has(described, label)]
        return list(dict.fromkeys(arns)), discovery.warnings

    def described(self, names: t.Sequence[str]) -> t.Iterator[dict[str, t.Any] | SecretFailure]:
        """The reply of DescribeSecret for each name or ARN, in order."""
        return self._map(self._ask, names)

    def concurrently(self, function: t.Callable[[T], R], items: t.Sequence[T]) -> t.Iterator[R]:
        """In order, a few at a time."""
        return self._map(function, items)

    def _ask(self, name: str) -> dict[str, t.Any] | SecretFailure:
        return self._elsewhere(name) or self._describe(name)


def _has(described: t.Mapping[str, t.Any], label: str) -> bool:
    versions: t.Mapping[str, t.Sequence[str]] = described.get("SecretVersionsToStages") or {}
    return any(label in labels for labels in versions.values())
