# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_sync: parameters to the sync, its report to the result."""

from __future__ import annotations

import gc
import typing as t
from datetime import datetime, timezone

from .._core.pipeline.source import requests_of
from .._errors import RotationError
from .._flows.rotate.deployed import also_deployed
from .._flows.rotate.sync import CertificateSync
from .._ports.provided import NotProvided
from .._ports.store.directory import CertificateDirectory
from .boundary import module_boundary
from .options import directory_settings, duration_option
from .sync_options import SYNC_OPTIONS, certificate_source, sync_options

if t.TYPE_CHECKING:
    from .sourced import SourcedModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {**SYNC_OPTIONS}


def run(module: SourcedModule) -> None:
    """module: a sourced_module with ARGUMENT_SPEC."""
    # All that is imported lives as long as the process: spare the collector from looking at it again and again.
    gc.freeze()
    with module_boundary(module):
        params = module.params
        directory = CertificateDirectory(params["path"], directory_settings(params))
        now, min_remaining = datetime.now(timezone.utc), duration_option(params, "min_remaining")
        source = None
        try:
            options = sync_options(params)
            source = certificate_source(module) if options.selection is not None else None
            report = CertificateSync(source, directory, options, now=now, check_mode=module.check_mode).run()
        except NotProvided as missing:
            module.exit_json(changed=False, questions=missing.questions)
        except RotationError as error:
            also_deployed(error, directory, now=now, min_remaining=min_remaining)
            error.details.update(requests_of(source))
            raise
        for warning in report.warnings:
            module.warn(warning)
        diff = {"diff": report.diff()} if module._diff else {}
        result = {**report.as_result(), "source": params["source"], **requests_of(source), **diff}
        if report.failures:
            module.fail_json(msg=report.message, **result)
        module.exit_json(**result)
