# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_sync: parameters to ports and core, report to result."""

from __future__ import annotations

import functools
import gc
import typing as t
from datetime import datetime, timezone

from .._aws.secrets_manager import SecretsManager, Selection
from .._errors import InvalidOption, RotationError
from .._provided import NotProvided, ProvidedSource
from .._store.directory import CertificateDirectory
from .._sync import CertificateSync, SyncOptions, SyncReport
from .boundary import module_boundary
from .dependencies import require_library
from .options import (
    CHANGE_OPTIONS,
    FILE_OPTIONS,
    allowed_changes,
    directory_settings,
    duration_option,
    verification_rules,
)
from .selection import CONTENT_OPTIONS, SELECTION_OPTIONS, secret_selection, secret_verifier

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
    "prune": {"type": "bool", "default": False},
    **CHANGE_OPTIONS,
    **FILE_OPTIONS,
    **CONTENT_OPTIONS,
}


def run(module: t.Any, retry: t.Callable[[t.Callable[..., t.Any]], t.Callable[..., t.Any]]) -> None:
    """module: an AnsibleAWSModule with ARGUMENT_SPEC; retry: decorator that repeats throttled calls."""
    # All that is imported lives as long as the process: spare the collector from looking at it again and again.
    gc.freeze()
    # AnsibleAWSModule's own warn also returns the warning, which Ansible deprecates with a warning of its own.
    warn = getattr(module, "_module", module).warn
    with module_boundary(module):
        params = module.params
        selection = secret_selection(params)
        if selection is None:
            warn("Nothing is selected: give names, name_prefix or tags. No certificate was looked for.")
            nothing: dict[str, t.Any] = {"certificates": [], "pending": [], "retired": [], "failures": []}
            module.exit_json(changed=False, api_calls={}, api_errors={}, **nothing)
            return
        source = _source(module, retry)
        sync = CertificateSync(
            source,
            CertificateDirectory(params["path"], directory_settings(params)),
            _options(params, selection),
            now=datetime.now(timezone.utc),
            check_mode=module.check_mode,
        )
        try:
            report = sync.run()
        except NotProvided as missing:
            module.exit_json(changed=False, questions=missing.questions)
        except RotationError as error:
            error.details.update(_requests(source))
            raise
        for warning in report.warnings:
            warn(warning)
        result = {
            "changed": report.changed,
            "certificates": report.items,
            "pending": report.pending,
            "retired": report.retired,
            "failures": report.failures,
            **_requests(source),
            **({"diff": _diff(report)} if module._diff else {}),
        }
        if report.failures:
            module.fail_json(msg=_failure_message(report), **result)
        module.exit_json(**result)


def _source(
    module: t.Any, retry: t.Callable[[t.Callable[..., t.Any]], t.Callable[..., t.Any]]
) -> SecretsManager | ProvidedSource:
    if module.params["source"] == "controller":
        return ProvidedSource(module.params["provided"])
    require_library("botocore")
    require_library("boto3")
    return SecretsManager(module.client("secretsmanager"), retry)


def _requests(source: SecretsManager | ProvidedSource) -> dict[str, dict[str, int]]:
    """What the controller has asked is added on the controller."""
    if isinstance(source, ProvidedSource):
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
    return f"{wrong} with {len(report.items)} certificates; the others are in place:\n" + "\n".join(report.failures)
