# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_issue: parameters to what is to be issued, what became of it to the result."""

from __future__ import annotations

import typing as t

from .._core.acme.wanted import CHALLENGES
from .boundary import module_boundary
from .issuing_options import ISSUING_OPTIONS

if t.TYPE_CHECKING:
    from .aws import AwsModule

DNS_OPTIONS: dict[str, dict[str, t.Any]] = {
    "provider": {"type": "str", "choices": ["route53", "rfc2136", "command", "lexicon"], "default": "route53"},
}
STORE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "type": {"type": "str", "choices": ["secrets_manager", "acm", "s3"], "required": True},
    "name": {"type": "str"},
    "prefix": {"type": "str"},
    "bucket": {"type": "str"},
    "region": {"type": "str"},
    "kms_key_id": {"type": "str", "no_log": False},
    "tags": {"type": "dict"},
}
ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **ISSUING_OPTIONS,
    "contacts": {"type": "list", "elements": "str", "default": []},
    "terms_agreed": {"type": "bool", "default": False},
    "challenge": {"type": "str", "choices": [*CHALLENGES], "default": "dns-01"},
    "dns": {
        "type": "list",
        "elements": "dict",
        "options": DNS_OPTIONS,
        "default": [{"provider": "route53"}],
    },
    "nameservers": {"type": "list", "elements": "str", "default": []},
    "caa": {"type": "str", "choices": ["warn", "refuse", "ignore"], "default": "warn"},
    "stores": {"type": "list", "elements": "dict", "options": STORE_OPTIONS, "default": []},
    "force": {"type": "bool", "default": False},
    "concurrency": {"type": "int", "default": 16},
    "timeout": {"type": "int", "default": 1800},
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        module.exit_json(changed=False)
