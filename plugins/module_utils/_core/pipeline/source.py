# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where certificates come from, as the stages after it see it: secrets, discovered and fetched.

An ARN ends in the name, a hyphen and six characters (API reference of AWS Secrets Manager).
"""

from __future__ import annotations

import re
import types
import typing as t
from dataclasses import dataclass, field
from datetime import timedelta

from ..promotion import CURRENT, LabelReading
from ..x509.problems import Problem

_ARN_SUFFIX = re.compile(r"-[a-zA-Z0-9]{6}\Z")
#: How much of values is held in memory at a time, as of size_of: who pushes to a host decides how much there is.
MAX_SIZE: t.Final = 1 << 22


class SecretVersion(t.NamedTuple):
    """A secret, without its value. version_id: of the version that is to be had.

    described: all that the listing told of it; readings: that version, by a label other than AWSCURRENT, and what is to
    be had where it cannot be, in order. None where it is the current one.
    """

    name: str
    arn: str
    version_id: str
    tags: t.Mapping[str, str] = types.MappingProxyType({})
    described: t.Mapping[str, t.Any] = types.MappingProxyType({})
    readings: tuple[LabelReading, ...] = ()

    @property
    def label(self) -> str:
        return self.readings[0].label if self.readings else CURRENT

    def asked_first(self, reading: LabelReading) -> SecretVersion:
        """By this, and where that cannot be had, as it is."""
        return self._replace(readings=(reading, *(self.readings or (LabelReading(CURRENT, self.version_id),))))


class SecretFailure(t.NamedTuple):
    """A secret that cannot be had, and why."""

    name: str
    problem: Problem
    arn: str | None = None
    described: t.Mapping[str, t.Any] = types.MappingProxyType({})


@dataclass(frozen=True)
class SecretValue:
    """A secret's value: text, or bytes for a binary secret. Never shown. problems: with what was to be had first."""

    secret: SecretVersion
    value: str | bytes = field(repr=False)
    problems: tuple[Problem, ...] = ()


def size_of(results: t.Iterable[SecretValue | SecretFailure]) -> int:
    """Characters, or bytes, of all values."""
    return sum(len(each.value) for each in results if isinstance(each, SecretValue))


class Selection(t.NamedTuple):
    """Which secrets: those with all tags (and the prefix, if any), else the names and those with the prefix.

    names: secret names or ARNs. An empty prefix selects all secrets, None does not select by prefix. labels: whose
    versions are to be had; the first one that counts.
    """

    names: tuple[str, ...] = ()
    name_prefix: str | None = None
    tags: t.Mapping[str, str] = types.MappingProxyType({})
    labels: tuple[str, ...] = (CURRENT,)


class Discovery(t.NamedTuple):
    """secrets: in order of their names; failures: selected by name but not to be had; warnings: for the user;
    where: region and endpoint that were asked; clock_offset: the clock of who asked minus this host's, where that is
    somebody else."""

    secrets: tuple[SecretVersion, ...]
    failures: tuple[SecretFailure, ...] = ()
    warnings: tuple[str, ...] = ()
    where: str = ""
    clock_offset: timedelta | None = None


class CertificateSource(t.Protocol):
    """Answers discover and fetch."""

    def discover(self, selection: Selection) -> Discovery:
        """Names with version ids, without values."""

    def read(self, secrets: t.Sequence[SecretVersion]) -> t.Iterator[SecretValue | SecretFailure]:
        """The values of these, or why not, in any order."""


def requests_of(source: object) -> dict[str, dict[str, int]]:
    """For results: how many requests it has sent, and how many of them failed, by operation; where it counts them."""
    return {name: dict(getattr(source, name, {})) for name in ("api_calls", "api_errors")}


def name_in_arn(identifier: str) -> str:
    """The secret's name, of a full ARN; what is no ARN is a name already. (Of a partial ARN perhaps only a prefix.)"""
    _arn, separator, name = identifier.partition(":secret:")
    return partial_arn(name) if separator and identifier.startswith("arn:") else identifier


def is_arn_of(identifier: str, arn: str) -> bool:
    """Whether identifier is that ARN, full or partial."""
    return identifier in (arn, partial_arn(arn))


def partial_arn(arn: str) -> str:
    """All of a full ARN but its last hyphen and six characters."""
    return _ARN_SUFFIX.sub("", arn)
