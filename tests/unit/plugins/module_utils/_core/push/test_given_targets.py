# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.given_targets import (
    TargetDefaults,
    checked_number,
    push_targets,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDzMIvCnpUMhdRUXfaw1Yj8Ml7gIPFj5LgFPBYpBrVjz"


def one(**given: t.Any) -> PushTarget:
    each = {"name": "web1", "domains": ["example.com"], "host_key": [ED25519], **given}
    (target,) = push_targets([each], TargetDefaults())
    return target


def test_what_a_target_has_that_says_nothing_else() -> None:
    """As certdeploy's clients (CD41 to CD51), but for the receiving side, which is a chroot."""
    assert one() == PushTarget("web1", "web1", ("example.com",), (ED25519,))
    assert one(protocol="directory").path == "/var/cache/certdeploy"


@pytest.mark.parametrize("path", ["", "/var/cache/certdeploy", "uploads/here"])
def test_paths(path: str) -> None:
    """An empty one is where the login ends up (CD46)."""
    assert one(path=path).path == path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        (" example.com ", "example.com"),
        ("*.Example.com", "*.example.com"),
        ("*", "*"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("localhost", "localhost"),
    ],
)
def test_domains_are_compared_as_certificates_have_them(given: str, expected: str) -> None:
    assert one(domains=[given]).domains == (expected,)


def test_domains_twice_are_one() -> None:
    assert one(domains=["a.example", "A.example.", "", "b.example"]).domains == ("a.example", "b.example")


@pytest.mark.parametrize(
    "domain", ["ex ample.com", "a..b", "https://example.com", "*.*.example.com", "www.*.com", "-a.com", "a/b", "**"]
)
def test_what_is_no_domain_is_told(domain: str) -> None:
    with pytest.raises(InvalidOption, match=r"targets: web1: domains: .* is no domain"):
        one(domains=[domain])


def test_a_host_without_domains_would_get_nothing() -> None:
    for domains in ([], [""], None):
        with pytest.raises(InvalidOption, match="web1: domains is empty"):
            one(domains=domains)


@pytest.mark.parametrize("comment", ["", " root@web1", " a comment of several words"])
def test_host_keys_are_lines_of_a_public_key_file(comment: str) -> None:
    assert one(host_key=[f" {ED25519}{comment}\n"]).host_keys == (ED25519,)


def test_any_type_and_number_of_host_keys() -> None:
    ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA=="
    assert one(host_key=[ED25519, ecdsa, ED25519]).host_keys == (ED25519, ecdsa)


@pytest.mark.parametrize(
    "key",
    [
        "AAAAC3NzaC1lZDI1NTE5AAAAIDzMIvCnpUMhdRUXfaw1Yj8Ml7gIPFj5LgFPBYpBrVjz",
        "ssh-ed25519",
        "ssh-ed25519 nonsense",
        f"web1 {ED25519}",
        "ssh-rsa " + ED25519.split()[1],
        "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
    ],
)
def test_what_is_no_host_key_is_told(key: str) -> None:
    with pytest.raises(InvalidOption, match=r"web1: host_key: .* is no public key"):
        one(host_key=[key])


def test_nobody_is_pushed_to_unpinned() -> None:
    with pytest.raises(InvalidOption, match="host_key is empty"):
        one(host_key=[])


def test_zero_is_a_value_and_nothing_inherits() -> None:
    """CD50, CD51."""
    defaults = TargetDefaults(private_key_file="/key", retries=4, retry_interval=5)
    base = {"domains": ["*"], "host_key": [ED25519]}
    given = [
        {"name": "a", **base},
        {"name": "b", "retries": 0, "retry_interval": 0, "private_key_file": "/other", **base},
        {"name": "c", "retries": None, "retry_interval": None, **base},
    ]
    found = [(each.retries, each.retry_interval, each.private_key_file) for each in push_targets(given, defaults)]
    assert found == [(4, 5, "/key"), (0, 0, "/other"), (4, 5, "/key")]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("port", True),
        ("retries", -1),
        ("retries", True),
        ("retry_interval", -1.0),
        ("retry_interval", float("nan")),
        ("retry_interval", float("inf")),
        ("timeout", 0.0),
        ("receipt_timeout", -0.1),
    ],
)
def test_numbers_without_meaning_are_told(option: str, value: float) -> None:
    """CD37, and a truth value is none."""
    with pytest.raises(InvalidOption, match=f"targets: web1: {option} is a number from"):
        one(**{option: value})


def test_nothing_on_sshs_command_line_is_taken_for_an_option_or_two_words() -> None:
    for address in ("-oProxyCommand=id", "a b", "a;b", "a\nb", "$(id)"):
        with pytest.raises(InvalidOption, match="address"):
            one(address=address)
    for user in ("-l", "a b", "a;b", "a\nb"):
        with pytest.raises(InvalidOption, match="user"):
            one(user=user)
    for option in ("path", "receipts"):
        with pytest.raises(InvalidOption, match=option):
            one(**{option: "/a\nrm /b"})


@pytest.mark.parametrize("address", ["web1.example.com", "192.0.2.1", "2001:db8::1", "fe80::1%eth0", "localhost"])
def test_addresses(address: str) -> None:
    assert one(address=address).address == address
    assert one(name=address).address == address


def test_addresses_as_ssh_takes_them() -> None:
    assert one(address="[2001:db8::1]").address == "2001:db8::1"
    assert one(address="bücher.example").address == "xn--bcher-kva.example"


def test_a_file_of_several_host_keys_is_all_of_them() -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDzMIvCnpUMhdRUXfaw1Yj8Ml7gIPFj5LgFPBYpBrVjA"
    assert one(host_key=[f"{ED25519} a\n\n{other}\n"]).host_keys == (ED25519, other)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "x" * 300])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidOption, match=r"targets\[0\]: name"):
        one(name=name, address="web1")


def test_two_of_one_name_are_told() -> None:
    each = {"name": "web1", "domains": ["*"], "host_key": [ED25519]}
    with pytest.raises(InvalidOption, match="two of the name web1"):
        push_targets([each, dict(each)], TargetDefaults())


def test_a_canary_can_prove_something() -> None:
    assert one(canary=True).canary
    assert one(canary=True, protocol="directory", endpoints=["example.com:443"]).canary
    with pytest.raises(InvalidOption, match="canary has to prove"):
        one(canary=True, protocol="directory")


def test_numbers() -> None:
    assert checked_number("x", 3, 5) == 3
    with pytest.raises(InvalidOption, match="x is a number from 0 to 5, not 6"):
        checked_number("x", 6, 5)
