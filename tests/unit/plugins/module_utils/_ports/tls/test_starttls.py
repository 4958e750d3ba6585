# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The talk before TLS: replies as the RFCs allow them, in pieces of any size, and what servers say instead."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.starttls import (
    PROTOCOLS,
    UpgradeRefused,
    conversation,
)
from hypothesis import given
from hypothesis import strategies as st

LDAP = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"
POSTGRES = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
MYSQL = b"\x20\0\0\x01" + b"\0\x8a\0\0" + b"\xff\xff\xff\0" + b"\x21" + bytes(23)
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
STARTTLS = f"<starttls xmlns='{TLS}'/>".encode()
FEATURES = f"<stream:features><starttls xmlns='{TLS}'><required/></starttls></stream:features>".encode()
PROCEED = f"<proceed xmlns='{TLS}'/>".encode()


def mysql_greeting(flags: int) -> bytes:
    content = b"\x0a" + b"11.4.5-MariaDB\0" + b"\x08\0\0\0" + b"saltsalt\0"
    content += flags.to_bytes(2, "little") + b"\x21\x02\0" + bytes(30)
    return len(content).to_bytes(3, "little") + b"\0" + content


def header(namespace: str = "jabber:client", *, server: bool = True) -> bytes:
    """The head of a stream: the server's, or ours, which says to whom."""
    if server:
        return (
            b'<?xml version="1.0"?>\n<stream:stream xmlns:stream="http://etherx.jabber.org/streams" from="example.com"'
            b' id="1" version="1.0" xmlns="' + namespace.encode() + b'">'
        )
    return (
        f"<?xml version='1.0'?><stream:stream to=\"example.com\" xmlns='{namespace}'"
        " xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    ).encode()


def ldap_response(code: int, text: bytes = b"", *, number: int = 1, long: bool = False) -> bytes:
    """ExtendedResponse. long: lengths in four bytes more than are needed, as Active Directory writes them."""
    content = b"\x0a\x01" + bytes([code]) + b"\x04\x00" + b"\x04" + bytes([len(text)]) + text

    def size(data: bytes) -> bytes:
        return b"\x84" + len(data).to_bytes(4, "big") if long else bytes([len(data)])

    message = b"\x02\x01" + bytes([number]) + b"\x78" + size(content) + content
    return b"\x30" + size(message) + message


Step = tuple[bytes, bytes]  # what the server says, and what it is answered
EHLO, LHLO, ASKED = b"EHLO probe.invalid\r\n", b"LHLO probe.invalid\r\n", b"STARTTLS\r\n"
SMTP_SAYS = (b"220 ready\r\n", EHLO)
CAPABILITIES = b'"IMPLEMENTATION" "x"\r\n"SIEVE" "fileinto"\r\n"STARTTLS"\r\n'
GOOD: list[tuple[str, list[Step]]] = [
    ("smtp", [(b"220-mail\r\n220 ready\r\n", EHLO), (b"250-mail\r\n250 STARTTLS\r\n", ASKED), (b"220 go\r\n", b"")]),
    ("smtp", [(b"220-\r\n220\r\n", EHLO), (b"250-\r\n250-2200\r\n250\r\n", ASKED), (b"220\r\n", b"")]),
    ("smtp", [(b"220\n", EHLO), (b"250\n", ASKED), (b"220\n", b"")]),
    # A list of features without STARTTLS says little: some do it all the same.
    ("smtp", [SMTP_SAYS, (b"250 mail\r\n", ASKED), (b"220 go\r\n", b"")]),
    ("lmtp", [(b"220 ready\r\n", LHLO), (b"250-mail\r\n250 STARTTLS\r\n", ASKED), (b"220 go\r\n", b"")]),
    ("imap", [(b"* OK ready\r\n", b"A1 STARTTLS\r\n"), (b"a1 OK begin\r\n", b"")]),
    ("imap", [(b"* ok\r\n", b"A1 STARTTLS\r\n"), (b"* CAPABILITY IMAP4\r\n* OK {4}\r\na1 N x\r\nA1 OK\r\n", b"")]),
    ("pop3", [(b"+OK <1@x> ready\r\n", b"STLS\r\n"), (b"+OK\r\n", b"")]),
    ("ftp", [(b"220-Hi\r\n220a\r\n 220 b\r\n230 c\r\n220 d\r\n", b"AUTH TLS\r\n"), (b"234 begin\r\n", b"")]),
    ("ftp", [(b"120 in 1 minute\r\n220 ready\r\n", b"AUTH TLS\r\n"), (b"234\r\n", b"")]),
    ("nntp", [(b"200\r\n", ASKED), (b"382\r\n", b"")]),
    ("nntp", [(b"201 no posting\r\n", ASKED), (b"382 begin\r\n", b"")]),
    (
        "nntp",
        [
            (b"200 a\r\n", ASKED),
            (b"401 MODE-READER\r\n", b"MODE READER\r\n"),
            (b"201 b\r\n", ASKED),
            (b"382 c\r\n", b""),
        ],
    ),
    ("sieve", [(CAPABILITIES + b'OK "ready"\r\n', ASKED), (b'OK "begin"\r\n', b"")]),
    ("sieve", [(b"{6}\r\nOK \r\nx\r\n" + b"ok {5}\r\nready\r\n", ASKED), (b"OK (X) {2+}\r\nhi\r\n", b"")]),
    ("postgres", [(b"", POSTGRES), (b"S", b"")]),
    ("mysql", [(mysql_greeting(0xFFFE), MYSQL)]),
    ("ldap", [(b"", LDAP), (ldap_response(0), b"")]),
    ("ldap", [(b"", LDAP), (ldap_response(0, b"go on", long=True), b"")]),
    ("xmpp", [(b"", header(server=False)), (header() + FEATURES, STARTTLS), (PROCEED, b"")]),
    (
        "xmpp-server",
        [
            (b"", header("jabber:server", server=False)),
            (header("jabber:server") + FEATURES, STARTTLS),
            (f'<tls:proceed xmlns:tls="{TLS}"></tls:proceed>'.encode(), b""),
        ],
    ),
]


def talk(protocol: str, steps: list[Step], sizes: list[int], name: str = "example.com") -> None:
    """Play the server of a conversation, in pieces of these sizes, the last of them again and again."""
    client = conversation(protocol, name)
    pieces = iter(sizes)
    size = next(pieces)
    wanted = next(client)
    for said, expected in steps:
        left = said
        while left:
            assert wanted is None, (left, wanted)
            piece, left = left[:size], left[size:]
            size = next(pieces, size)
            try:
                wanted = client.send(piece)
            except StopIteration:
                assert (left, expected) == (b"", b"")
                return
        if expected:
            assert wanted == expected
            try:
                wanted = client.send(b"")
            except StopIteration:
                return
    raise AssertionError("the conversation goes on")


@pytest.mark.parametrize(("protocol", "steps"), GOOD)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_the_way_to_tls(protocol: str, steps: list[Step], size: int) -> None:
    talk(protocol, steps, [size])


def test_all_protocols_are_tested() -> None:
    assert {protocol for protocol, _steps in GOOD} == PROTOCOLS


@given(st.sampled_from(GOOD), st.lists(st.integers(1, 40), min_size=1))
def test_pieces_of_any_size(good: tuple[str, list[Step]], sizes: list[int]) -> None:
    talk(*good, sizes)


def error(code: bytes, message: bytes) -> bytes:
    fields = b"SFATAL\0C" + code + b"\0M" + message + b"\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


STREAM_ERROR = (
    b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>no</text></stream:error></stream:stream>"
)
BAD: list[tuple[str, list[bytes], str]] = [
    ("smtp", [b"554-no\r\n554 go away\r\n"], "server answered '554-no??554 go away' to the connection"),
    ("smtp", [b"220 ready\r\n", b"502 what?\r\n"], "server answered '502 what?' to EHLO probe.invalid"),
    ("smtp", [b"220 ready\r\n", b"250 mail\r\n", b"454 later\r\n"], "server answered '454 later' to STARTTLS"),
    ("smtp", [b"SSH-2.0-OpenSSH_9.2\r\n"], "server answered 'SSH-2.0-OpenSSH_9.2' to the connection"),
    ("smtp", [b"220 ready\r\n", b""], "server closed the connection"),
    ("lmtp", [b"421 busy\r\n"], "server answered '421 busy' to the connection"),
    ("imap", [b"* PREAUTH in\r\n"], "server answered '* PREAUTH in' to the connection"),
    ("imap", [b"* BYE full\r\n"], "server answered '* BYE full' to the connection"),
    ("imap", [b"* OK\r\n", b"* X\r\n* BYE no\r\n"], "server answered '* BYE no' to STARTTLS"),
    ("imap", [b"* OK\r\n", b"a1 BAD no\r\n"], "server answered 'a1 BAD no' to STARTTLS"),
    ("pop3", [b"-ERR busy\r\n"], "server answered '-ERR busy' to the connection"),
    ("pop3", [b"+OKAY\r\n"], "server answered '+OKAY' to the connection"),
    ("ftp", [b"220 a\r\n", b"530 log in first\r\n"], "server answered '530 log in first' to AUTH TLS"),
    ("ftp", [b"120 soon\r\n421 never\r\n"], "server answered '421 never' to the connection"),
    ("nntp", [b"400 closed\r\n"], "server answered '400 closed' to the connection"),
    ("nntp", [b"200\r\n", b"580 no\r\n", b"502 no\r\n"], "server answered '580 no' to STARTTLS"),
    ("nntp", [b"200\r\n", b"500 ?\r\n", b"200\r\n", b"580 no\r\n"], "server answered '580 no' to STARTTLS"),
    ("sieve", [b'"X" "y"\r\nBYE "full"\r\n'], "server answered 'BYE \"full\"' to the connection"),
    ("sieve", [b"OK\r\n", b'NO "no TLS"\r\n'], "server answered 'NO \"no TLS\"' to STARTTLS"),
    ("postgres", [b"N"], "server does not offer TLS"),
    ("postgres", [b"H"], "server does not speak PostgreSQL's protocol"),
    ("postgres", [error(b"53300", b"too many clients")], "server answered 'too many clients' to the question for TLS"),
    ("postgres", [b"E\xff\xff\xff\xff"], "server does not speak PostgreSQL's protocol"),
    ("postgres", [b"S\x16\x03"], "server sent more than its answer before TLS"),
    ("mysql", [mysql_greeting(0xFFFE & ~0x800)], "server does not offer TLS"),
    ("mysql", [b"220 mail ESMTP\r\n"], "server does not speak MySQL's protocol"),
    ("ldap", [ldap_response(2, b"no TLS here")], "result code 2 and 'no TLS here'"),
    ("ldap", [ldap_response(52, b"busy", number=0)], "result code 52 and 'busy'"),
    ("ldap", [b"HTTP/1.1 400\r\n"], "server does not speak LDAP"),
    ("ldap", [b"\x30\x05\x02\x01\x01\x61\x00"], "server does not speak LDAP"),
    ("ldap", [b"\x30\x84\x7f\xff\xff\xff"], "server sent an endless answer"),
    ("xmpp", [header() + b"<stream:features/>"], "server does not offer TLS"),
    ("xmpp", [header() + STREAM_ERROR], "'host-unknown' to the stream (server_name has to be the XMPP domain)"),
    ("xmpp", [header() + FEATURES, f"<failure xmlns='{TLS}'/>".encode()], "server answered 'failure' to starttls"),
    ("xmpp", [header() + FEATURES, PROCEED + b"<a/>injected"], "server sent more than its answer before TLS"),
    ("xmpp", [b"HTTP/1.1 400 Bad Request\r\n"], "server does not speak XMPP"),
    ("xmpp", [b"<!DOCTYPE a [<!ENTITY b 'c'>]>"], "server does not speak XMPP"),
]


def hear(protocol: str, answers: t.Iterable[bytes]) -> tuple[str | None, int]:
    """Why it ends when it is told this, None when it ends with TLS; and how many of the answers it took."""
    client = conversation(protocol, "example.com")
    waiting = iter(answers)
    taken = 0
    try:
        wanted = next(client)
        while True:
            if wanted is None:
                answer = next(waiting, b"")
                taken += 1
            else:
                answer = b""
            wanted = client.send(answer)
    except UpgradeRefused as refused:
        return str(refused), taken
    except StopIteration:
        return None, taken


@pytest.mark.parametrize(("protocol", "answers", "reason"), BAD)
def test_the_reason_when_there_is_no_tls(protocol: str, answers: list[bytes], reason: str) -> None:
    told, taken = hear(protocol, answers)
    assert reason in (told or "")
    assert taken == len(answers)


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_what_comes_behind_the_last_answer_is_not_taken_for_tls(protocol: str) -> None:
    """Of TLS a client's bytes come first: somebody between us has put these in."""
    steps = next(steps for kind, steps in GOOD if kind == protocol)
    if protocol == "mysql":  # the greeting is its last answer
        answers = [steps[0][0] + b"x"]
    else:
        answers = [said for said, _expected in steps if said]
        answers[-1] += b"<!-- x --> x"
    assert hear(protocol, answers)[0] == "server sent more than its answer before TLS"


@pytest.mark.parametrize("protocol", ["smtp", "ftp", "imap", "sieve", "xmpp", "nntp"])
def test_an_answer_without_end_is_given_up(protocol: str) -> None:
    beginning, again = {
        "smtp": (b"220-", b"a\r\n220-"),
        "ftp": (b"220-", b"\r\n"),
        "nntp": (b"", b"x" * 1000),
        "imap": (b"* OK\r\n", b"* OK\r\n"),
        "sieve": (b"", b'"X"\r\n'),
        "xmpp": (header(), b"<a/>"),
    }[protocol]
    told, taken = hear(protocol, itertools.chain([beginning] if beginning else [], itertools.repeat(again)))
    assert "endless" in (told or "")
    assert taken * len(again) < 70_000


def test_a_long_reason_is_cut() -> None:
    said = header() + STREAM_ERROR.replace(b"host-unknown", b"x" * 50_000)
    told, _taken = hear("xmpp", [said])
    assert told == f"server answered '{'x' * 100}' to the stream"


@given(st.sampled_from(sorted(PROTOCOLS)), st.lists(st.binary(min_size=1), max_size=20))
def test_garbage_is_refused_and_nothing_worse(protocol: str, pieces: list[bytes]) -> None:
    told, taken = hear(protocol, pieces)
    assert told is None or told.isprintable()
    assert taken <= len(pieces) + 1


@given(st.binary(min_size=1, max_size=300))
def test_what_is_shown_of_an_answer_can_be_printed(said: bytes) -> None:
    told, _taken = hear("smtp", [b"5" + said + b"\r\n"])
    assert told is not None
    assert told.isprintable()
    assert len(told) < 200


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("xn--bcher-kva.example", 'to="bücher.example"'),
        ("xn--strae-oqa.example", 'to="straße.example"'),
        ("a_b.example", 'to="a_b.example"'),
        ("::1", 'to="::1"'),
    ],
)
def test_the_domain_that_xmpp_is_asked_for(name: str, shown: str) -> None:
    assert shown in (next(conversation("xmpp", name)) or b"").decode()
