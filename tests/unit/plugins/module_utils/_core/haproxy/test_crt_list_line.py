# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of crt-lists: as people write them, as HAProxy lists them, and which of them are the same."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.crt_list_line import (
    PLAIN,
    make_line,
    read_line,
    read_whole_line,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption


@pytest.mark.parametrize(
    ("options", "filters", "listed"),
    [
        (
            "alpn h2,http/1.1 ssl-min-ver TLSv1.2",
            ["a.example.com"],
            "[alpn h2,http/1.1 ssl-min-ver TLSv1.2] a.example.com",
        ),
        ("ssl-min-ver TLSv1.2 alpn h2", [], "[alpn h2 ssl-min-ver TLSv1.2]"),
        (
            "[ verify none  allow-0rtt ]",
            ["!B.example.com", "*.a.example.com"],
            "[allow-0rtt verify none] *.A.example.com !b.example.com",
        ),
        ("alpn h2 alpn http/1.1", [], "[alpn http/1.1]"),
        ("ca-verify-file /ca.pem", ["a.example.com"], "[] a.example.com"),
        ("ca-file clients.pem", [], "[ca-file /etc/ca/clients.pem]"),
        ("alpn h2", [], "[alpn h2 ocsp-update on]"),
        ("", ["a.example.com", "A.example.com"], "a.example.com"),
        (None, None, ""),
        (None, None, "[]"),
    ],
)
def test_the_same_line(options: str | None, filters: list[str] | None, listed: str) -> None:
    assert make_line(options, filters).is_listed_as(read_line(listed))


@pytest.mark.parametrize(
    ("options", "filters", "listed"),
    [
        ("alpn h2", [], ""),
        ("alpn h2", [], "[alpn h2,http/1.1]"),
        ("alpn h2", [], "[alpn h2 verify none]"),
        (None, ["a.example.com"], ""),
        (None, ["a.example.com"], "!a.example.com"),
        (None, [], "a.example.com"),
        (None, ["a.example.com"], "a.example.com b.example.com"),
        ("ocsp-update on", [], "[]"),
        ("ca-file clients.pem", [], "[ca-file /etc/ca/other-clients.pem]"),
    ],
)
def test_another_line(options: str | None, filters: list[str] | None, listed: str) -> None:
    assert not make_line(options, filters).is_listed_as(read_line(listed))


def test_as_it_is_written() -> None:
    line = make_line("[ssl-min-ver TLSv1.2 no-alpn]", ["*.Example.com", "!no.example.com", "*"])
    assert line.text == "[ssl-min-ver TLSv1.2 no-alpn] *.Example.com !no.example.com *"
    assert read_line(line.text) == line
    assert (PLAIN.text, read_line("  "), make_line(None, None)) == ("", PLAIN, PLAIN)
    # Two files may have different options that HAProxy lists alike.
    assert not make_line("ca-verify-file /a.pem", None).is_same(make_line("ca-verify-file /b.pem", None))


def test_a_line_that_is_listed_in_part() -> None:
    """HAProxy lists no more of it than it has room for."""
    wanted = make_line(None, ["first.example.com", "second.example.com", "third.example.com"])
    listed = read_line("first.example.com third.example.com")
    size = len(listed.text)
    assert not wanted.is_listed_as(listed)
    assert wanted.is_listed_as(listed, room=size + len(" second.example.com"))
    assert not wanted.is_listed_as(listed, room=size + len(" second.example.com") + 1)
    assert not wanted.is_listed_as(read_line("first.example.com other.example.com"), room=10)


@pytest.mark.parametrize(
    "options",
    ["alpn", "ssl-min-ver TLSv1.2 alpn", 'alpn "h2"', "alpn h2] a [", "alpn h2 \0", "ciphers A\\B", "alpn <<"],
)
def test_options_that_no_list_can_hold(options: str) -> None:
    with pytest.raises(InvalidOption):
        make_line(options, None)


@pytest.mark.parametrize(
    "name",
    ["", "!", "a b", "a\n", "#a", "a#b", "a[b", "a]b", "!!a", "*a", "*.", '"a"', "a\\b", "a\x7f", "!*.", "<<"],
)
def test_names_that_are_no_filters(name: str) -> None:
    with pytest.raises(InvalidOption):
        make_line(None, [name])


@pytest.mark.parametrize(
    "name", ["a", "*", "!*", "*.a", "!*.a", "!a.b", "bücher.example", "a,b", "xn--1", "a_b", "w*.a"]
)
def test_names_that_are_filters(name: str) -> None:
    assert read_line(make_line(None, [name]).text).filters == (name,)


def test_no_more_words_than_haproxy_takes() -> None:
    with pytest.raises(InvalidOption, match="at most"):
        make_line(None, ["a.example.com"] * 2001)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("# a comment", None),
        ("", None),
        (" \t\r", None),
        ("a.pem", ("a.pem", ())),
        (" a.pem\t*.X.example !y.x.example\r", ("a.pem", ("*.x.example", "!y.x.example"))),
        ("a.pem [alpn h2 ssl-min-ver TLSv1.2] x.example", ("a.pem", ("x.example",))),
        ("a.pem[alpn h2]x.example", ("a.pem", ("x.example",))),
        ("a.pem []", ("a.pem", ())),
        # What looks like a comment is a filter, and the certificate is no longer had by its own names.
        ("a.pem [alpn h2] #note", ("a.pem", ("#note",))),
        ("a.pem x.example # y", ("a.pem", ("x.example", "#", "y"))),
        (" #a.pem", ("#a.pem", ())),
        # HAProxy warns of what stands before the options, and does not use it.
        ("a.pem x.example [alpn h2]", ("a.pem", ())),
        ("a\u2028b.pem\x85 x", ("a\u2028b.pem\x85", ("x",))),
        ("[alpn h2]", None),
    ],
)
def test_whole_line_as_haproxy_reads_it(line: str, expected: tuple[str, tuple[str, ...]] | None) -> None:
    found = read_whole_line(line)
    assert (found and (found[0], tuple(name.lower() for name in found[1].filters))) == expected
