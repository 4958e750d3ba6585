# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pem_bundle: one given certificate through the stages verify to write of certificate_sync."""

from __future__ import annotations

import os
import typing as t
from datetime import datetime, timezone

from .._core.pipeline.naming import certificate_file_stem
from .._core.pipeline.source import Selection
from .._core.x509.layouts import live_paths
from .._errors import InvalidOption, RotationError
from .._flows.rotate.sync import CertificateSync
from .._flows.rotate.sync_options import SyncOptions
from .._ports.given import GivenCertificate
from .._ports.host.libraries import require_library
from .._ports.store.directory import CertificateDirectory
from .boundary import module_boundary
from .given import GIVEN_EXCLUSIVE, GIVEN_OPTIONS, given_content
from .haproxy_options import LAYOUT_OPTION
from .options import (
    CHANGE_OPTIONS,
    FILE_OPTIONS,
    VERIFY_OPTIONS,
    allowed_changes,
    directory_settings,
    duration_option,
    verification_policy,
    verification_rules,
)

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "required": True},
    "name": {"type": "str"},
    "layout": LAYOUT_OPTION,
    **GIVEN_OPTIONS,
    **CHANGE_OPTIONS,
    **FILE_OPTIONS,
    **VERIFY_OPTIONS,
}
MUTUALLY_EXCLUSIVE = GIVEN_EXCLUSIVE
_FACTS = ("fingerprint_sha256", "not_before", "not_after", "subject_alternative_names")


def run(module: t.Any) -> None:
    """module: an AnsibleModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        directory, name = place(params["path"], params["name"], params["layout"])
        require_library("cryptography")
        from .._core.pipeline.verify import SecretVerifier
        from .._ports.openssl.loadable import why_not_loaded
        from .._ports.openssl.opener import ProcessOpener

        verifier = SecretVerifier(verification_policy(params), ProcessOpener(params["passphrase"]), why_not_loaded)
        options = SyncOptions(
            selection=Selection(),
            layout=params["layout"],
            rules=verification_rules(params, params["layout"]),
            verifier=lambda: verifier,
            min_remaining=duration_option(params, "min_remaining"),
            allow_changes=allowed_changes(params),
            lock_timeout=duration_option(params, "lock_timeout").total_seconds(),
        )
        report = CertificateSync(
            GivenCertificate(name, given_content(params)),
            CertificateDirectory(directory, directory_settings(params)),
            options,
            now=datetime.now(timezone.utc),
            check_mode=module.check_mode,
        ).run()
        for warning in report.warnings:
            module.warn(warning)
        (item,) = report.items
        paths = live_paths(params["layout"], certificate_file_stem(name))
        result = {key: value for key, value in item.items() if key not in ("arn", "version_id")}
        result["files"] = {part: os.path.join(directory, path) for part, path in paths.items()}
        if module._diff:
            result["diff"] = _diff(item)
        if report.failures:
            raise RotationError("\n".join(report.failures), changed=False, **result)
        module.exit_json(changed=report.changed, **result)


def place(path: str, name: str | None, layout: str) -> tuple[str, str]:
    """The directory and the certificate's name in it. Raises InvalidOption for a path that is no place for it."""
    if name:
        return path, name
    directory, file_name = os.path.split(os.path.abspath(path))
    stem, extension = (file_name, "") if layout == "lineage" else os.path.splitext(file_name)
    if layout != "lineage" and extension != ".pem":
        raise InvalidOption(
            f"path: {path} does not end in .pem. Give the certificate's file, or with name the directory it belongs to."
        )
    if certificate_file_stem(stem) != stem:
        raise InvalidOption(f"path: {stem!r} is no safe name, use {certificate_file_stem(stem)!r} for instance.")
    return directory, stem


def _diff(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Facts, never content."""
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    if item["action"] in ("created", "updated"):
        after = {"path": item["path"], **{key: item[key] for key in _FACTS}}
    if item["action"] == "updated":
        before = {"path": item["path"], "fingerprint_sha256": item.get("previous_fingerprint_sha256")}
    return {"before": before, "after": after}
