# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_sync: parameters to ports and core, report to result."""

from __future__ import annotations

import functools
import gc
import typing as t
from datetime import datetime, timedelta, timezone

from .._core.pipeline.causes import CAUSES, cause_of
from .._core.pipeline.source import Selection
from .._core.pipeline.sync_report import SyncReport
from .._errors import InvalidOption, RotationError, StoreError
from .._flows.rotate.deployed import UNASKED, UNFOUND, deployed_failures, is_in_use, nothing_found
from .._flows.rotate.sync import CertificateSync, SyncOptions
from .._ports.aws.secrets_manager import SecretsManager
from .._ports.provided import NotProvided, ProvidedSource
from .._ports.store.directory import CertificateDirectory
from .boundary import module_boundary
from .options import (
    CHANGE_OPTIONS,
    FILE_OPTIONS,
    allowed_changes,
    directory_settings,
    duration_option,
    verification_rules,
)
from .selection import CONTENT_OPTIONS, SELECTION_OPTIONS, secret_selection, secret_verifier

if t.TYPE_CHECKING:
    from .aws import AwsModule

_POLICY: dict[str, t.Any] = {"type": "str", "choices": ["fail", "skip"], "default": "fail"}

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "source": {"type": "str", "choices": ["host", "controller"], "default": "host"},
    # One text, for Ansible would mask each single name in it wherever it is shown.
    "provided": {"type": "str", "no_log": True},
    "path": {"type": "path", "required": True},
    **SELECTION_OPTIONS,
    "layout": {"type": "str", "choices": ["haproxy", "lineage", "split"], "default": "haproxy"},
    "on_invalid": dict(_POLICY),
    "on_missing": dict(_POLICY),
    "on_deleted": dict(_POLICY),
    "on_discovery_error": {"type": "str", "choices": ["fail", "fallback"], "default": "fail"},
    "on_nothing_found": {"type": "str", "choices": ["fail", "warn", "ignore"], "default": "fail"},
    "prune": {"type": "bool", "default": False},
    **CHANGE_OPTIONS,
    **FILE_OPTIONS,
    **CONTENT_OPTIONS,
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    # All that is imported lives as long as the process: spare the collector from looking at it again and again.
    gc.freeze()
    with module_boundary(module):
        params = module.params
        directory = CertificateDirectory(params["path"], directory_settings(params))
        now, min_remaining = datetime.now(timezone.utc), duration_option(params, "min_remaining")
        source: SecretsManager | ProvidedSource | None = None
        try:
            selection = secret_selection(params)
            if selection is None:
                report = _nothing_selected(params, directory, now, min_remaining)
            else:
                source = _source(module)
                options = _options(params, selection)
                report = CertificateSync(source, directory, options, now=now, check_mode=module.check_mode).run()
        except NotProvided as missing:
            module.exit_json(changed=False, questions=missing.questions)
        except RotationError as error:
            error.message = "\n".join([error.message, *_deployed(directory, now, min_remaining)])
            error.details.update(_requests(source))
            raise
        for warning in report.warnings:
            module.warn(warning)
        result = {
            "changed": report.changed,
            "certificates": report.items,
            "pending": report.pending,
            "retired": report.retired,
            "unselected": report.unselected,
            "source": params["source"],
            "failures": report.failures,
            "failures_by_cause": {cause: report.causes.get(cause, []) for cause in CAUSES},
            **_requests(source),
            **({"diff": _diff(report)} if module._diff else {}),
        }
        if report.failures:
            module.fail_json(msg=_failure_message(report), **result)
        module.exit_json(**result)


def _deployed(directory: CertificateDirectory, now: datetime, min_remaining: timedelta) -> list[str]:
    """What is about to expire there, though the run has failed: that may be the more urgent news."""
    try:
        return deployed_failures(directory, now=now, min_remaining=min_remaining, why=UNASKED)[2]
    except StoreError as unreadable:
        return [f"What is deployed is not known: {unreadable.message}"]


def _nothing_selected(
    params: t.Mapping[str, t.Any], directory: CertificateDirectory, now: datetime, min_remaining: timedelta
) -> SyncReport:
    """What is deployed is judged all the same, and that nobody asks for it is a failure."""
    report = SyncReport()
    manifest, damage, lines = deployed_failures(directory, now=now, min_remaining=min_remaining, why=UNFOUND)
    in_use, policy = is_in_use(directory, manifest, damage), params["on_nothing_found"]
    problem = nothing_found(None, "", manifest.entries.values(), directory.path, in_use)
    line = f"{problem.message} [{problem.code}]"
    if in_use and policy == "fail":
        report.fail(line, cause_of([problem.code]))
    elif policy != "ignore":
        report.warnings.append(line)
    for text in lines:
        report.fail(text, "content")
    return report


def _source(module: AwsModule) -> SecretsManager | ProvidedSource:
    if module.params["source"] == "controller":
        return ProvidedSource(module.params["provided"])
    return SecretsManager(module.client("secretsmanager"), module.retry)


def _requests(source: SecretsManager | ProvidedSource | None) -> dict[str, dict[str, int]]:
    """What the controller has asked is added on the controller."""
    if not isinstance(source, SecretsManager):
        return {"api_calls": {}, "api_errors": {}}
    return {"api_calls": dict(source.api_calls), "api_errors": dict(source.api_errors)}


def _options(params: t.Mapping[str, t.Any], selection: Selection) -> SyncOptions:
    if params["min_rsa_bits"] < 1024:
        raise InvalidOption("min_rsa_bits: keys below 1024 bits are broken and never accepted.")
    duration_option(params, "clock_skew")
    return SyncOptions(
        selection=selection,
        layout=params["layout"],
        rules=verification_rules(params, params["layout"], params["fields"]),
        verifier=functools.lru_cache(maxsize=1)(lambda: secret_verifier(params)),
        min_remaining=duration_option(params, "min_remaining"),
        allow_changes=allowed_changes(params),
        prune=params["prune"],
        on_invalid=params["on_invalid"],
        on_missing=params["on_missing"],
        on_deleted=params["on_deleted"],
        on_discovery_error=params["on_discovery_error"],
        on_nothing_found=params["on_nothing_found"],
        judge_all=True,
        lock_timeout=duration_option(params, "lock_timeout").total_seconds(),
    )


def _diff(report: SyncReport) -> dict[str, t.Any]:
    """Facts of what changed, never content."""
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    for item in report.items:
        if item["action"] in ("created", "updated", "removed"):
            facts = {key: item[key] for key in ("path", "version_id", "fingerprint_sha256", "not_before", "not_after")}
            if item["action"] == "removed":
                before[item["name"]] = facts
                continue
            after[item["name"]] = {**facts, "subject_alternative_names": item["subject_alternative_names"]}
            if item["action"] == "updated":
                before[item["name"]] = {
                    "path": item["path"],
                    "fingerprint_sha256": item.get("previous_fingerprint_sha256"),
                }
    return {"before": before, "after": after}


def _failure_message(report: SyncReport) -> str:
    failed = len(report.failures)
    wrong = "1 problem" if failed == 1 else f"{failed} problems"
    rest = f"{wrong} with {len(report.items)} certificates; the others are in place" if report.items else wrong
    return f"{rest}:\n" + "\n".join(report.failures)
