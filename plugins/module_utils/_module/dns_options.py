# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option dns: who publishes TXT values."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .._core.acme.dns import DnsProvider
    from .aws import AwsModule

DNS_OPTIONS: dict[str, dict[str, t.Any]] = {
    "provider": {"type": "str", "choices": ["route53", "rfc2136", "command", "lexicon"], "default": "route53"},
}


def dns_providers(module: AwsModule, providers: t.Sequence[t.Mapping[str, t.Any]]) -> list[DnsProvider]:
    from .._ports.dns.route53 import Route53

    return [Route53(module.client("route53"), warn=module.warn) for _provider in providers]
