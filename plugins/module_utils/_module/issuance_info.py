# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""issuance_info: what certificate_issue would do with the same options, why and when, without doing anything."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from .._core.acme.wanted import CHALLENGES
from .._core.instants import isoformat_utc
from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .issuing_options import ISSUING_OPTIONS
from .store_options import STORE_OPTIONS

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **ISSUING_OPTIONS,
    "challenge": {"type": "str", "choices": [*CHALLENGES], "default": "dns-01"},
    "stores": {"type": "list", "elements": "dict", "options": STORE_OPTIONS, "default": []},
    "ask": {"type": "bool", "default": False},
    "concurrency": {"type": "int", "default": 16},
}
#: Of certificate_issue: nothing follows from them before something is ordered.
_OF_ORDERS: t.Final[dict[str, t.Any]] = {
    "caa": "ignore",
    "contacts": [],
    "dns": [{"provider": "route53"}],
    "force": False,
    "nameservers": [],
    "terms_agreed": False,
    "timeout": 600,
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        for library in ("cryptography", "acme", "dnspython"):
            require_library(library)
        from .._flows.issue.issuance import Issuance
        from .._flows.issue.run_time import RunTime
        from .issuing import ports_of, settings_of, wanted_of

        params = {**module.params, **_OF_ORDERS}
        run_time = RunTime(timedelta(seconds=params["timeout"]))
        now = run_time.now()
        settings = settings_of(params, now, asks=params["ask"], locates=False)
        ports = ports_of(module, params, settings.issuers, run_time, dry=True)
        issuance = Issuance(wanted_of(params), settings, ports, run_time, check_mode=True)
        report = issuance.run()
        foresight = issuance.foresight()
        module.exit_json(
            changed=False,
            certificates=foresight.certificates(report),
            due=[outcome.name for outcome in report.outcomes if outcome.action not in ("unchanged", "held", "failed")],
            held=[outcome.name for outcome in report.outcomes if outcome.action == "held"],
            next_due=isoformat_utc(report.next_due) if report.next_due else None,
            limits=foresight.limits(),
            journal=foresight.journal(),
            reissue=report.reissue,
            acme_requests=report.acme_requests,
            api_calls=dict(module.api_calls),
        )
