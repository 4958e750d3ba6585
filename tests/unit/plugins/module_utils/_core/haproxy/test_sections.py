# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What sections say of all their listeners, and what they have from defaults."""

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.conditions import KnownHaproxy
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.configuration import ConfigReader
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.sections import Section, Sections
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.variables import Environment

KEYWORDS = ("disabled", "enabled", "tcp-request", "localpeer", "peer", "server")


def sections_of(text: str) -> dict[str, Section]:
    sections, found = Sections(lambda: "host"), dict[str, Section]()
    for line in ConfigReader(KEYWORDS, Environment({}), KnownHaproxy()).read("h.cfg", text.splitlines()):
        if line.begins_section:
            found[line.section] = sections.begin(line)
        sections.take(line)
    return found


def test_defaults_are_the_last_ones_or_those_that_are_named() -> None:
    found = sections_of(
        "defaults off\ndisabled\nfrontend a\nfrontend b\nenabled\ndefaults on\nfrontend c\nfrontend d from off\n"
        "defaults again from off\nfrontend e\nring r\npeers p\nserver host\nfrontend f from on\nfrontend g from none\n"
    )
    silent = {
        name: bool(section.silent) for name, section in found.items() if name.startswith(("front", "ring", "peer"))
    }
    assert silent == {
        "frontend a": True,
        "frontend b": False,
        "frontend c": False,
        "frontend d": True,
        "frontend e": True,
        "ring r": False,
        "peers p": False,
        "frontend f": False,
        "frontend g": False,
    }


def test_a_doubt_about_it() -> None:
    found = sections_of(
        "defaults\n.if defined(X)\ndisabled\n.endif\nfrontend a\nfrontend b\ndisabled\nfrontend c\nenabled"
    )
    assert "may be disabled" in (found["frontend a"].doubt or "")
    assert found["frontend a"].silent is None
    assert (found["frontend b"].silent, found["frontend b"].doubt) == ("is in a disabled section", None)
    assert (found["frontend c"].silent, found["frontend c"].doubt) == (None, None)


def test_the_header_of_the_proxy_protocol() -> None:
    always, some = "tcp-request connection expect-proxy layer4", "if { src 192.0.2.1 }"
    found = sections_of(
        f"defaults p\n{always}\nfrontend a from p\nfrontend b\n{always} {some}\nfrontend c\n.if defined(X)\n{always}\n"
        ".endif\nlog-forward l\n"
    )
    proxies = {name.rpartition(" ")[2]: section.proxy for name, section in found.items()}
    assert proxies == {"p": "always", "a": "always", "b": "sometimes", "c": "sometimes", "l": "never"}


def test_peers_listen_where_haproxy_is_one_of_them() -> None:
    found = sections_of(
        "peers a\npeer host 192.0.2.1:1\npeers b\npeer other 192.0.2.1:1\npeers c\ndisabled\nserver host\n"
    )
    assert found["peers a"].silent is None
    assert "without the peer host" in (found["peers b"].silent or "")
    assert found["peers c"].silent == "is in a disabled section"
    found = sections_of("global\nlocalpeer me\npeers a\nserver host 192.0.2.1:1\npeers b\nserver me\n")
    assert [bool(found[name].silent) for name in ("peers a", "peers b")] == [True, False]
