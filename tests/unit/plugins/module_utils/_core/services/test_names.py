# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that go on to a command line or into a request."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.services.names import (
    UNIT_SUFFIXES,
    docker_name,
    init_script_name,
    signal_name,
    unit_name,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption


@pytest.mark.parametrize("suffix", UNIT_SUFFIXES)
def test_each_kind_of_unit_has_its_suffix(suffix: str) -> None:
    assert len(UNIT_SUFFIXES) == 11
    assert unit_name(f"foo.{suffix}") == f"foo.{suffix}"


@pytest.mark.parametrize(
    ("given", "unit"),
    [
        ("nginx", "nginx.service"),
        ("postgresql@15-main", "postgresql@15-main.service"),
        ("postgresql@15-main.service", "postgresql@15-main.service"),
        ("dev-sda1.swap", "dev-sda1.swap"),
        (r"a\x2db.service", r"a\x2db.service"),
        ("php8.2-fpm", "php8.2-fpm.service"),
        ("service", "service.service"),
        ("UPPER_case:1.service", "UPPER_case:1.service"),
    ],
)
def test_a_unit_without_a_suffix_is_a_service(given: str, unit: str) -> None:
    assert unit_name(given) == unit


@pytest.mark.parametrize(
    "name",
    [
        "foo; rm",
        "foo;rm.service",
        "foo.service; rm -rf /",
        "foo.service rm",
        "foo.service\nbar.service",
        "foo.service\n",
        "$(reboot).service",
        "`reboot`.service",
        "foo|bar.service",
        "foo&bar.service",
        "foo>bar.service",
        "foo*.service",
        "foo?.service",
        "[a-z].service",
        "--now.service",
        "-H",
        "../foo.service",
        "/etc/systemd/system/foo.service",
        "foo@.service",
        "@.service",
        ".service",
        "",
        " ",
        "föö.service",
        "foo\0.service",
        "a" * 256,
    ],
)
def test_what_is_no_unit_is_refused(name: str) -> None:
    with pytest.raises(InvalidOption, match="is no name of a systemd unit"):
        unit_name(name)


@pytest.mark.parametrize("name", ["foo; rm", "../sbin/reboot", "-x", "", "a b", "a\n", "$x", "/etc/init.d/x"])
def test_what_is_no_init_script_is_refused(name: str) -> None:
    with pytest.raises(InvalidOption, match="is no name of an init script"):
        init_script_name(name)
    assert init_script_name("php7.4-fpm_1") == "php7.4-fpm_1"


@pytest.mark.parametrize("name", ["a/json?x=", "../images", "a b", "", "a%2f", "ä", "a\n", "-a"])
def test_what_is_no_name_in_docker_is_refused(name: str) -> None:
    with pytest.raises(InvalidOption, match="is no name in Docker"):
        docker_name(name)


@pytest.mark.parametrize(("given", "bare"), [("web", "web"), ("/web", "web"), ("a.b_c-1", "a.b_c-1")])
def test_a_slash_in_front_is_docker_s_own(given: str, bare: str) -> None:
    assert docker_name(given) == bare


@pytest.mark.parametrize(
    ("given", "bare"), [("HUP", "HUP"), ("sighup", "HUP"), ("SIGUSR1", "USR1"), ("RTMIN+3", "RTMIN+3")]
)
def test_a_signal_has_a_name(given: str, bare: str) -> None:
    assert signal_name(given) == bare


@pytest.mark.parametrize("given", ["1", "9", "", "HUP&x=1", "HUP KILL", "SIG", "-HUP", "HUP\n;"])
def test_what_is_no_signal_is_refused(given: str) -> None:
    with pytest.raises(InvalidOption, match="is no name of a signal"):
        signal_name(given)


def test_a_long_name_is_not_quoted_whole() -> None:
    with pytest.raises(InvalidOption) as raised:
        unit_name("x y" * 1000)
    assert len(raised.value.message) < 200
