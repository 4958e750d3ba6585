# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
import typing as t

import hypothesis
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.names import (
    canonical_identifier,
    default_name,
    is_address,
    wanted_certificates,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import WantedCertificate
from hypothesis import strategies as st


def one(entry: t.Any, **more: t.Any) -> WantedCertificate:
    found = wanted_certificates([entry], **more)
    assert not found.refused, found.refused
    return found.wanted[0]


def why_not(entry: t.Any, **more: t.Any) -> str:
    found = wanted_certificates([entry, "fine.example.com"], **more)
    assert [certificate.name for certificate in found.wanted] == ["fine.example.com"]
    assert len(found.refused) == 1
    return found.refused[0].message


@pytest.mark.parametrize(
    "domains",
    [
        "example.com,www.example.com",
        " Example.COM. ,\n www.example.com,, ",
        ["example.com", "www.example.com"],
        ["EXAMPLE.com.", " www.example.com ", "example.com"],
        ("example.com, www.example.com", ""),
    ],
)
def test_domains_are_a_list_or_text_with_commas(domains: t.Any) -> None:
    certificate = one({"domains": domains})
    assert certificate == WantedCertificate("example.com", ("example.com", "www.example.com"))
    assert one(domains) == certificate  # a row of a table is its domains alone


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("straße.example", "xn--strae-oqa.example"),  # IDNA 2003 makes strasse.example of it, which is another's
        ("*.BÜCHER.example", "*.xn--bcher-kva.example"),
        ("xn--strae-oqa.Example", "xn--strae-oqa.example"),
        ("bücher。example", "xn--bcher-kva.example"),  # an ideographic full stop
        ("bücher.example.", "xn--bcher-kva.example"),
        ("*.example.com", "*.example.com"),
        ("a-b.c--d.example", "a-b.c--d.example"),
        ("1.2.3.4", "1.2.3.4"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("3com.example", "3com.example"),
        ("a.b.xn--p1ai", "a.b.xn--p1ai"),
    ],
)
def test_identifiers_have_one_form(text: str, identifier: str) -> None:
    assert canonical_identifier(text) == identifier
    assert canonical_identifier(identifier) == identifier


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("*", "wildcard"),
        ("*.", "neither"),
        ("a.*.example.com", "wildcard"),
        ("*.*.example.com", "wildcard"),
        ("w*.example.com", "wildcard"),
        ("*example.com", "wildcard"),
        ("_x.example.com", "underscore"),
        ("localhost", "one label"),
        ("*.com", "one label"),
        ("com.", "one label"),
        ("999.1.1.1", "looks like an IP address"),
        ("10.0.0", "looks like an IP address"),
        ("fe80::1%eth0", "zone"),
        ("0.0.0.0", "no address of a host"),
        ("::", "no address of a host"),
        ("224.0.0.1", "no address of a host"),
        ("example.com:443", "looks like an IP address"),
        ("https://example.com/", "looks like an IP address"),
        ("a b.example.com", "neither"),
        ("a..example.com", "neither"),
        (".example.com", "neither"),
        ("-a.example.com", "neither"),
        ("a-.example.com", "neither"),
        ("a.example.1", "neither"),
        ("ab--c.example.com", "RFC 5890"),
        ("x" * 64 + ".example.com", "neither"),
        (".".join(["abcdefghi"] * 26), "more than 253"),
        ("*." + ".".join(["abcdefghi"] * 25) + ".ab", "more than 253"),
        ("ü" * 300, "more than 253"),
        ("a\u2603\u2028b.example.com", "IDNA 2008"),
        ("a@example.com", "neither"),
    ],
)
def test_what_no_ca_issues_for_is_refused_with_the_reason(text: str, told: str) -> None:
    message = why_not({"name": "mine", "domains": ["a.example.com", text]})
    assert message.startswith("mine: ")
    assert told in message


def test_without_the_library_an_international_name_is_refused_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    assert "package idna" in why_not("straße.example")
    assert one("plain.example").identifiers == ("plain.example",)


@pytest.mark.parametrize("value", [None, "", " , ", [], [None], [12], [True], {"a": 1}, 10.5, [["a.example.com"]]])
def test_no_usable_domains(value: t.Any) -> None:
    message = why_not({"domains": value, "name": "mine"})
    assert message.startswith("mine: ")
    assert "domains" in message


@pytest.mark.parametrize("entry", [None, 12, True, [], {}, {1: 2}])
def test_an_entry_without_a_name_is_told_by_its_number(entry: t.Any) -> None:
    assert why_not(entry).startswith("number 1: ")


def test_a_refused_entry_is_told_by_its_first_domain() -> None:
    found = wanted_certificates([{"domains": "bad_name.example.com, b.example.com", "name": "no spaces"}])
    assert found.refused[0].name == "bad_name.example.com"
    assert found.refused[0].domains == ("bad_name.example.com", "b.example.com")


def test_what_looks_like_a_key_is_not_quoted() -> None:
    text = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ" * 4
    found = wanted_certificates([{"domains": [text], "name": text * 10, "profile": [text]}, {"domains": {"a": text}}])
    assert len(found.refused) == 2
    assert text not in repr(found)


def test_a_name_covered_by_a_wildcard_of_the_same_certificate_is_refused() -> None:
    message = why_not("*.example.com,example.com,www.example.com")
    assert "'www.example.com' is covered by '*.example.com'" in message
    assert one("*.example.com,example.com,a.b.example.com,*.b.c.example.com").name == "wildcard.example.com"


@pytest.mark.parametrize(
    ("challenge", "domains", "told"),
    [
        ("dns-01", "192.0.2.1", "use http-01"),
        ("dns-persist-01", "2001:db8::1", "use http-01"),
        ("http-01", "*.example.com", "use dns-01 or dns-persist-01"),
        ("http-01", "192.0.2.1", None),
        ("dns-01", "*.example.com", None),
        ("dns-persist-01", "*.example.com", None),
    ],
)
def test_a_challenge_must_be_able_to_prove_the_name(challenge: t.Any, domains: str, told: str | None) -> None:
    if told is None:
        one(domains, challenge=challenge)
    else:
        assert told in why_not(domains, challenge=challenge)


def test_addresses_and_profiles() -> None:
    assert "shortlived" in why_not({"domains": "192.0.2.1", "profile": "tlsserver"}, challenge="http-01")
    assert "shortlived" in why_not("192.0.2.1", challenge="http-01", profile="classic")
    assert one({"domains": "192.0.2.1", "profile": "shortlived"}, challenge="http-01", profile="classic")
    assert one("2001:db8::1", challenge="http-01").name == "2001-db8--1"


@pytest.mark.parametrize(("profile", "limit"), [(None, 100), ("classic", 100), ("tlsserver", 25), ("shortlived", 25)])
def test_how_many_names(profile: str | None, limit: int) -> None:
    domains = [f"n{number}.example.com" for number in range(limit)]
    assert len(one({"domains": domains, "profile": profile}).identifiers) == limit
    assert len(one({"domains": domains}, profile=profile).identifiers) == limit
    assert f"at most {limit}" in why_not({"domains": [*domains, "more.example.com"], "profile": profile})
    assert f"at most {limit}" in why_not([*domains, "more.example.com"], profile=profile)


def test_default_names() -> None:
    assert default_name("*.example.com") == "wildcard.example.com"
    assert default_name("example.com") == "example.com"
    assert one({"domains": "a.example.com", "name": " "}).name == "a.example.com"
    assert one({"domains": "a.example.com", "name": 2026}).name == "2026"
    assert "secret" in why_not({"domains": "a.example.com", "name": "with space"})
    assert "secret" in why_not({"domains": "a.example.com", "name": "x" * 513})
    assert "must be text" in why_not({"domains": "a.example.com", "name": True})


def test_two_certificates_of_one_name_are_both_refused_and_others_go_on() -> None:
    found = wanted_certificates(
        ["a.example.com", {"name": "a.example.com", "domains": "b.example.com"}, "c.example.com"]
    )
    assert [certificate.name for certificate in found.wanted] == ["c.example.com"]
    assert [refused.name for refused in found.refused] == ["a.example.com"] * 2
    assert all("2 certificates have this name" in refused.message for refused in found.refused)


def test_one_set_of_names_twice_is_a_warning_unless_the_keys_differ() -> None:
    entries = [
        {"name": "one", "domains": "a.example.com,b.example.com"},
        {"name": "two", "domains": "B.example.com,a.example.com"},
        {"name": "rsa", "domains": "a.example.com,b.example.com", "key_type": "rsa2048"},
    ]
    found = wanted_certificates(entries)
    assert len(found.wanted) == 3
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("one, two have the same domains")


def test_further_options() -> None:
    certificate = one(
        {
            "domains": "a.example.com",
            "key_type": "rsa4096",
            "profile": "shortlived",
            "stores": "acm, s3,acm",
            "renew_before_days": "30",
        },
        stores=["acm", "s3"],
    )
    assert (certificate.key_type, certificate.profile, certificate.stores) == ("rsa4096", "shortlived", ("acm", "s3"))
    assert certificate.renew_before == 30
    assert one({"domains": "a.example.com", "stores": []}).stores == ()
    assert one({"domains": "a.example.com", "stores": None}).stores is None


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("key_type", "rsa1024", "key_type is one of"),
        ("key_type", 2048, "key_type is one of"),
        ("stores", ["elsewhere"], "no store 'elsewhere', but acm"),
        ("stores", [1], "stores holds 1"),
        ("renew_before_days", 0, "renew_before_days"),
        ("renew_before_days", -3, "renew_before_days"),
        ("renew_before_days", True, "renew_before_days"),
        ("renew_before_days", 1.5, "renew_before_days"),
        ("renew_before_days", "soon", "renew_before_days"),
        ("profile", ["x"], "profile must be text"),
        ("domain", "a.example.com", "'domain' is no option"),
    ],
)
def test_odd_options(option: str, value: t.Any, told: str) -> None:
    assert told in why_not({"domains": "a.example.com", option: value}, stores=["acm"])


def test_addresses_are_told_from_names() -> None:
    assert is_address("192.0.2.1")
    assert is_address("2001:db8::1")
    assert not is_address("a.example.com")
    assert not is_address("*.example.com")


@hypothesis.given(st.lists(st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text(max_size=20), max_size=3))))
def test_nothing_that_is_given_raises(entries: list[t.Any]) -> None:
    found = wanted_certificates(entries)
    assert len(found.wanted) + len(found.refused) == len(entries)
    for certificate in found.wanted:
        assert certificate.identifiers == tuple(map(canonical_identifier, certificate.identifiers))
