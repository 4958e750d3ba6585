# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to bring to a host and how: options that everything shares that brings certificates there."""

from __future__ import annotations

import functools
import typing as t

from .._core.pipeline.source import CertificateSource
from .._errors import InvalidOption
from .._flows.rotate.sync_options import SyncOptions
from .._ports.provided import ProvidedSource
from .haproxy_options import LAYOUT_OPTION
from .options import CHANGE_OPTIONS, FILE_OPTIONS, allowed_changes, duration_option, verification_rules
from .selection import CONTENT_OPTIONS, LABELS_OPTION, SELECTION_OPTIONS, secret_selection, secret_verifier

if t.TYPE_CHECKING:
    from .sourced import SourcedModule

_POLICY: dict[str, t.Any] = {"type": "str", "choices": ["fail", "skip"], "default": "fail"}

SYNC_OPTIONS: dict[str, dict[str, t.Any]] = {
    "source": {"type": "str", "choices": ["host", "controller"], "default": "host"},
    # One text, for Ansible would mask each single name in it wherever it is shown.
    "provided": {"type": "str", "no_log": True},
    "path": {"type": "path", "required": True},
    **SELECTION_OPTIONS,
    **LABELS_OPTION,
    "layout": LAYOUT_OPTION,
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


def certificate_source(module: SourcedModule) -> CertificateSource:
    """Who is asked. Raises RotationError without boto3, and where no client can be made."""
    if module.params["source"] == "controller":
        return ProvidedSource(module.params["provided"])
    from .._ports.aws.secrets_manager import SecretsManager

    return SecretsManager(module.client("secretsmanager"), module.retry)


def sync_options(params: t.Mapping[str, t.Any]) -> SyncOptions:
    """From SYNC_OPTIONS. Raises InvalidOption."""
    if params["min_rsa_bits"] < 1024:
        raise InvalidOption("min_rsa_bits: keys below 1024 bits are broken and never accepted.")
    duration_option(params, "clock_skew")
    return SyncOptions(
        selection=secret_selection(params),
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
