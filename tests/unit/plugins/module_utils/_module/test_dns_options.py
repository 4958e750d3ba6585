# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._module.dns_options import DNS_OPTIONS, check_dns_options


def options(**given: t.Any) -> dict[str, t.Any]:
    """As Ansible hands them over: all of them, None where nothing is said."""
    return {**dict.fromkeys(DNS_OPTIONS), "provider": "route53", **given}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"hosted_zone_ids": ["Z1"], "role_arn": "arn:aws:iam::1:role/x", "external_id": "y"},
        {"profile": "dns"},
        {"provider": "rfc2136", "server": "ns1.example.com"},
        {"provider": "command", "command": ["x"], "zones": []},
        {"provider": "lexicon", "lexicon_service": "x", "zones": ["example.com"], "credentials_secret": "y"},
    ],
)
def test_what_makes_a_provider(given: dict[str, t.Any]) -> None:
    check_dns_options([options(), options(**given)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"provider": "rfc2136"}, "rfc2136 needs server"),
        ({"provider": "command", "command": []}, "command needs command"),
        ({"provider": "lexicon", "lexicon_service": "x"}, "lexicon needs zones and credentials_secret"),
        ({"zones": ["example.com"]}, "route53 has no use for zones"),
        ({"provider": "command", "command": ["x"], "server": "y", "role_arn": "z"}, "no use for role_arn and server"),
        ({"external_id": "x"}, "role_arn, which is missing"),
        ({"provider": "command", "command": ["x"], "command_timeout": -1}, "from 1 to 3600"),
        ({"provider": "command", "command": ["x"], "command_timeout": 3601}, "from 1 to 3600"),
    ],
)
def test_what_does_not(given: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        check_dns_options([options(**given)])


def test_at_least_one() -> None:
    with pytest.raises(InvalidOption, match="at least one"):
        check_dns_options([])
