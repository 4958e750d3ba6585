# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registering import (
    MOST_LISTED,
    change_fields,
    given_endpoints,
    registry_diff,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import EndpointChange

WWW = WatchedEndpoint("www", "www.example.com")
LATER = dataclasses.replace(WWW, port=8443, server_name="", tags=(("a", "b"),))


def test_the_limits_of_names_and_hosts() -> None:
    """64 and 256 characters, as the registry has room for."""
    good = {"name": "n" * 64, "host": "a.example.com"}
    given = given_endpoints([good, {**good, "name": "n" * 65}, "a" * 257], ())
    assert [endpoint.name for endpoint in given.endpoints] == ["n" * 64]
    assert [text.partition(":")[0] for text in given.refused] == ["endpoints[1]", "endpoints[2]"]


def test_the_same_twice_is_one_and_something_else_is_none() -> None:
    entries = ["a.example.com", "b.example.com", "A.example.com:443", {"host": "b.example.com", "name": "b2"}]
    given = given_endpoints(entries, ())
    assert [endpoint.host for endpoint in given.endpoints] == ["a.example.com"]
    (refused,) = given.refused
    assert refused.startswith("endpoints[1]: b.example.com:443 is also in endpoints[3]")


def test_what_a_change_is_called() -> None:
    changes = [EndpointChange(None, WWW), EndpointChange(WWW, LATER), EndpointChange(LATER, None)]
    assert [(fields["action"], fields["port"]) for fields in map(change_fields, changes)] == [
        ("added", 443),
        ("changed", 8443),
        ("removed", 8443),
    ]


def test_a_diff_shows_what_is_unusual() -> None:
    assert registry_diff([EndpointChange(WWW, LATER)]) == {
        "before": "www.example.com:443 name=www\n",
        "after": "www.example.com:8443 name=www server_name= tags={'a': 'b'}\n",
    }


def test_a_diff_has_an_end() -> None:
    many = [EndpointChange(None, dataclasses.replace(WWW, port=port)) for port in range(1, MOST_LISTED + 5)]
    lines = registry_diff(many)["after"].splitlines()
    assert len(lines) == MOST_LISTED + 1
    assert lines[-1] == "and 4 more"
