# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sync tells of each certificate, and which of it fails the run."""

from __future__ import annotations

import os
import typing as t
from datetime import datetime, timedelta

from ..._core.pipeline.causes import cause_of
from ..._core.pipeline.manifest import Entry, Manifest
from ..._core.pipeline.naming import certificate_file_stem
from ..._core.pipeline.plan import NO_NEWER, date_problems
from ..._core.pipeline.source import SecretVersion, is_arn_of, name_in_arn
from ..._core.pipeline.sync_report import SyncReport
from ..._core.x509.layouts import main_path
from ..._core.x509.problems import Problem
from ..._errors import RotationError

if t.TYPE_CHECKING:
    from ..._core.x509.layouts import Layout

FAILURE_POLICIES = {"secret_missing": "on_missing", "secret_deleted": "on_deleted"}


class SyncReporter:
    """Fills a report. path: of the directory; policies: on_invalid, on_missing and on_deleted, each fail or skip;
    now: aware time against which validity is judged.
    """

    def __init__(
        self, path: str, layout: Layout, policies: t.Mapping[str, str], min_remaining: timedelta, now: datetime
    ) -> None:
        self.report = SyncReport()
        self.manifest = Manifest()
        self._path = path
        self._layout = layout
        self._policies = policies
        self._min_remaining = min_remaining
        self._now = now

    def judge(self, entry: Entry, why: str = NO_NEWER) -> list[Problem]:
        """Whatever on_invalid says: what is served expires, which nobody wants to pass over."""
        dates = date_problems(entry.current.summary, now=self._now, min_remaining=self._min_remaining, why=why)
        for problem in dates:
            self.report.fail(f"{entry.name}: {problem.message} [{problem.code}]", cause_of([problem.code]))
        return dates

    def deployed(self, entry: Entry, action: str, passed: t.Iterable[Problem] = (), **extra: t.Any) -> None:
        """passed: what is wrong with candidates that were passed over."""
        problems: list[dict[str, str]] = []
        if action != "removed":
            known = [*(problem.as_dict() for problem in passed), *entry.problems]
            self._fail_on(entry.name, known)
            problems = [*known, *(problem.as_dict() for problem in self.judge(entry))]
        self.tell(entry, action, problems, **extra)

    def tell(self, entry: Entry, action: str, problems: t.Sequence[t.Mapping[str, str]], **extra: t.Any) -> None:
        """Its item, and nothing else."""
        summary = entry.current.summary
        self.report.items.append(
            {
                "name": entry.name,
                "arn": entry.arn,
                "version_id": entry.current.version_id,
                "label": entry.label,
                "path": os.path.join(self._path, entry.main_path),
                "action": action,
                "fingerprint_sha256": summary.get("fingerprint_sha256"),
                "not_before": summary.get("not_before"),
                "not_after": summary.get("not_after"),
                "subject_alternative_names": summary.get("subject_alternative_names", []),
                "key": summary.get("key"),
                "problems": problems,
                "proven": entry.proven == entry.current.digest,
                "proven_at": entry.proven_at if entry.proven == entry.current.digest else None,
                "loaded": entry.loaded == entry.current.digest,
                **extra,
            }
        )

    def failed(self, secret: SecretVersion | Entry, code: str, error: RotationError) -> None:
        problems = [Problem(code, "error", error.message)]
        self.refused(secret.name, problems, arn=secret.arn, version_id=secret.version_id, label=secret.label)

    def refused(
        self,
        name: str,
        problems: list[Problem],
        *,
        arn: str | None,
        version_id: str | None = None,
        label: str | None = None,
    ) -> None:
        """Report a secret that is not written. What is on disk for it stays. label: by which it was to be read."""
        entries = self.manifest.entries
        entry = entries.get(name) or next((each for each in entries.values() if is_arn_of(name, each.arn)), None)
        dicts = [problem.as_dict() for problem in problems]
        cause = cause_of(problem.code for problem in problems if problem.severity == "error")
        self.report.items.append(
            {
                "name": name,
                "arn": arn,
                "version_id": version_id,
                "label": label,
                "path": os.path.join(self._path, main_path(self._layout, certificate_file_stem(name_in_arn(name)))),
                # A host's own failure says nothing about the certificate.
                "action": "failed" if cause == "host" else "refused",
                "cause": cause,
                "fingerprint_sha256": None,
                "not_before": None,
                "not_after": None,
                "subject_alternative_names": [],
                "key": None,
                "problems": dicts,
                "proven": False,
                "proven_at": None,
                "loaded": False,
                "deployed_fingerprint_sha256": entry.current.summary.get("fingerprint_sha256") if entry else None,
            }
        )
        self._fail_on(name, dicts)

    def _fail_on(self, name: str, problems: t.Iterable[t.Mapping[str, str]]) -> None:
        for problem in problems:
            line = f"{name}: {problem['message']} [{problem['code']}]"
            if problem["severity"] == "error" and self.policy_for(problem["code"]) == "fail":
                self.report.fail(line, cause_of([problem["code"]]))
            else:
                self.report.warnings.append(line)

    def policy_for(self, code: str) -> str:
        """What is no matter of the content is always a failure; the others are the user's choice."""
        if cause_of([code]) != "content" or code == "secret_no_current_version":
            return "fail"
        return self._policies[FAILURE_POLICIES.get(code, "on_invalid")]
