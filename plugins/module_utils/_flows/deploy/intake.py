# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Of several uploads of a lineage the one that is deployed; and whether it is what its name says, whole, and newer."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ..._core.instants import isoformat_utc
from ..._core.pipeline.source import SecretFailure, SecretValue
from ..._core.push.deployments import is_settled, newest_first
from ..._core.push.staging import parse_staged_name
from ..._core.unexpected import UnexpectedFailure, only_rotation_errors
from ..._core.x509.problems import Problem, Refused, error
from ..._errors import RotationError, StoreError
from ..._ports.staging.directory import StagingDirectory

if t.TYPE_CHECKING:
    from ..._core.pipeline.verify import SecretVerifier
    from ..rotate.installer import Installation, Installer

Fetched = t.Union[SecretValue, SecretFailure]
#: The code of GUARDED_CHANGES' kind that only uploads have.
ISSUED_EARLIER: t.Final = "issued_earlier"


class Refusal(t.NamedTuple):
    """One that is not deployed. is_waiting: it may not be whole yet."""

    upload: Fetched
    problems: list[Problem]
    is_waiting: bool


class Chosen(t.NamedTuple):
    """installation: None where none may be served; upload: that one; superseded: older ones."""

    installation: Installation | None
    upload: Fetched | None
    refused: list[Refusal]
    superseded: list[Fetched]


class Intake:
    """settle: seconds, as of DeploymentSettings; allow_older: likewise; now: aware time."""

    def __init__(
        self, staging: StagingDirectory, verifier: SecretVerifier, *, settle: float, allow_older: bool, now: datetime
    ) -> None:
        self._staging = staging
        self._verifier = verifier
        self._settle = settle
        self._allow_older = allow_older
        self._now = now

    def choose(self, uploads: t.Sequence[Fetched], installer: Installer) -> Chosen:
        """uploads: of one lineage. The newest that may be served, though a newer one may not."""
        order = newest_first([self._age(upload) for upload in uploads]) if len(uploads) > 1 else [0]
        refused: list[Refusal] = []
        for number, position in enumerate(order):
            upload = uploads[position]
            try:
                installation = self._checked(upload, installer)
            except Refused as refusal:
                refused.append(Refusal(upload, refusal.problems, not self._is_whole(upload)))
                continue
            return Chosen(installation, upload, refused, [uploads[position] for position in order[number + 1 :]])
        return Chosen(None, None, refused, [])

    def _age(self, upload: Fetched) -> tuple[str, float]:
        """When the validity of its leaf begins, "" where that is not known, and when it was uploaded."""
        seen = self._staging.uploads.get(staged_name_of(upload))
        return self._issued(upload), seen.changed_at if seen else 0

    def _issued(self, upload: Fetched) -> str:
        from ..._core.x509.leaf import find_leaf

        if isinstance(upload, SecretFailure):
            return ""
        try:
            with only_rotation_errors():
                leaf = find_leaf(self._verifier.parse(upload.value))
        except RotationError:
            return ""
        return "" if isinstance(leaf, Problem) else isoformat_utc(leaf.not_before)

    def _checked(self, upload: Fetched, installer: Installer) -> Installation:
        """Raises Refused."""
        if isinstance(upload, SecretFailure):
            raise Refused([upload.problem])
        try:
            with only_rotation_errors():
                installation = installer.verify(upload)
        except StoreError as failure:
            raise Refused([error("write_failed", failure.message)]) from None
        except UnexpectedFailure as failure:
            raise Refused([error("unexpected", failure.message)]) from None
        problems = [*self._misnamed(upload, installation), *self._older(installation)]
        if not problems and not self._is_whole(upload) and _may_lack_its_chain(installation):
            problems.append(error("chain_broken", "There is no intermediate certificate yet."))
        if problems:
            raise Refused(problems)
        return installation

    def _is_whole(self, upload: Fetched) -> bool:
        """Whether its name says so, or nobody has worked at it for a while."""
        staged = staged_name_of(upload)
        parsed, seen = parse_staged_name(staged), self._staging.uploads.get(staged)
        if seen is None or (parsed and parsed.fingerprint_sha256):
            return True
        return is_settled(seen.changed_at, self._now.timestamp(), self._settle)

    @staticmethod
    def _misnamed(upload: SecretValue, installation: Installation) -> t.Iterator[Problem]:
        named, holds = claimed_fingerprint(upload), installation.entry.current.summary.get("fingerprint_sha256")
        if named and named != holds:
            yield error(
                "fingerprint_mismatch",
                f"The upload is named after the certificate {named[:16]}... and holds {str(holds)[:16]}...: push it"
                " again.",
            )

    def _older(self, installation: Installation) -> t.Iterator[Problem]:
        """Compared with what is deployed, unless that has expired. ISO 8601 in UTC sorts as the instants do."""
        old, new = installation.old, installation.entry.current.summary
        if old is None or self._allow_older:
            return
        deployed = old.current.summary
        if (deployed.get("not_after") or "") <= isoformat_utc(self._now):
            return
        if new["not_before"] < (deployed.get("not_before") or ""):
            yield error(
                ISSUED_EARLIER,
                f"The certificate is valid from {new['not_before']} on, the deployed one from"
                f" {deployed['not_before']}: it is an old one. To go back on purpose, allow issued_earlier with"
                " allow_changes, or use certificate_rollback on the host.",
            )


def staged_name_of(upload: Fetched) -> str:
    """In the staging directory."""
    described = upload.described if isinstance(upload, SecretFailure) else upload.secret.described
    return str(described["upload"])


def lineage_of(upload: Fetched) -> str:
    return upload.name if isinstance(upload, SecretFailure) else upload.secret.name


def claimed_fingerprint(upload: Fetched) -> str:
    """ "" where its name claims none."""
    parsed = parse_staged_name(staged_name_of(upload))
    return (parsed and parsed.fingerprint_sha256) or ""


def _may_lack_its_chain(installation: Installation) -> bool:
    codes = {problem.code for problem in installation.problems}
    return "chain_not_after" not in installation.entry.current.summary and "self_signed" not in codes
