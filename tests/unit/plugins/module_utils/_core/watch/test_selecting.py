# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import EndpointSelection
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.selecting import is_selected, not_found

V6 = WatchedEndpoint("v6", "2001:db8::1", 8443, tags=(("a", "1"), ("b", "2")))


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (EndpointSelection(), True),
        (EndpointSelection(names=("v6",)), True),
        (EndpointSelection(names=("V6",)), False),
        (EndpointSelection(names=("[2001:db8::1]:8443",)), True),
        (EndpointSelection(names=("2001:db8::1",)), False),
        (EndpointSelection(hosts=("2001:DB8::1",)), True),
        (EndpointSelection(hosts=("[2001:db8::1]:8443",)), True),
        (EndpointSelection(hosts=("[2001:db8::1]:443",)), False),
        (EndpointSelection(hosts=("[2001:0db8:0::1]",)), True),
        (EndpointSelection(hosts=("[2001:0db8:0::1]:8443",)), True),
        (EndpointSelection(hosts=("*",)), False),
        (EndpointSelection(hosts=("",)), False),
        (EndpointSelection(names=("v6",), hosts=("other",)), False),
        (EndpointSelection(tags=(("b", "2"),)), True),
        (EndpointSelection(tags=(("b", "2"), ("c", "3"))), False),
        (EndpointSelection(enabled=True), True),
        (EndpointSelection(enabled=False), False),
    ],
)
def test_all_that_is_given_must_hold(selection: EndpointSelection, expected: bool) -> None:
    assert is_selected(V6, selection) is expected


def test_hosts_in_other_words() -> None:
    endpoint = WatchedEndpoint("müller", "xn--mller-kva.example")
    for host in ("MÜLLER.example.", "xn--mller-kva.example", "müller.example:443", "xn--mller-kva.example.:443"):
        assert is_selected(endpoint, EndpointSelection(hosts=(host,))), host


def test_what_nobody_has() -> None:
    selection = EndpointSelection(names=("v6", "v4", "[2001:db8::1]:8443"), hosts=("2001:DB8::1", "www.example.com."))
    assert not_found(selection, [V6]) == ["v4", "www.example.com."]
    assert not_found(EndpointSelection(), []) == []
