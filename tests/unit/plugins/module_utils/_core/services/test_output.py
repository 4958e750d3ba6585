# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service printed, as it is told."""

from __future__ import annotations

import base64
import textwrap

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.services.output import told
from ansible_collections.certops.rotation.tests.support import pki
from cryptography.hazmat.primitives.asymmetric import ec

KEY = pki.private_key_pem(pki.new_key("rsa2048"))
EC = pki.private_key_pem(pki.new_key("ec"))
FINGERPRINT = "0123456789abcdef" * 4


def lines(pem: str) -> list[str]:
    return [line for line in pem.splitlines() if not line.startswith("-")]


@pytest.mark.parametrize("pem", [KEY, EC])
@pytest.mark.parametrize(
    "form",
    [
        lambda pem: pem,
        lambda pem: pem.replace("\n", "\r\n"),
        lambda pem: pem.partition("-----END")[0],
        lambda pem: "\n".join(lines(pem)),
        lambda pem: "\n".join(f"  {line}, " for line in lines(pem)),
        lambda pem: lines(pem)[-1],
        lambda pem: "".join(lines(pem)),
        repr,
        lambda pem: base64.b64encode(pem.encode()).decode(),
        lambda pem: "key=" + "".join(lines(pem)),
    ],
)
def test_no_part_of_a_key_is_told(pem: str, form) -> None:
    text = told(f"before\n{form(pem)}\nafter", [pem.encode()])
    assert text.startswith("before")
    assert not [line for line in lines(pem) if line in text], text
    assert base64.b64encode(pem.encode()).decode()[:60] not in text


def test_a_key_that_is_no_lineages_is_not_told_either() -> None:
    assert told(f"a\n{KEY}b") == "a\n(withheld)\nb"
    text = told("\n".join(lines(KEY)[:-1]))
    assert set(text.splitlines()) == {"(withheld)"}


def test_the_end_of_a_long_output_is_told() -> None:
    text = told("".join(f"line {number}\n" for number in range(1000)))
    assert text.startswith("... ")
    assert text.endswith("line 999")
    assert len(text.splitlines()) == 30
    flood = told("x " * 1_000_000 + "the end")
    assert flood.endswith("the end")
    assert len(flood) < 2100


def test_what_moves_a_cursor_is_escaped() -> None:
    assert told("\x1b[2J\rgone\x07") == "\\x1b[2J\\rgone\\x07"


def test_what_is_no_key_stays() -> None:
    text = f"shown {FINGERPRINT} of /etc/letsencrypt/live/www.example.com/fullchain.pem\nReloading nginx: done."
    assert told(text, (), {FINGERPRINT}) == text


def test_a_number_of_a_key_is_not_told_in_hexadecimal_either() -> None:
    number = f"{ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value:064x}"
    pairs = ":".join(textwrap.wrap(number, 2))
    by_openssl = "\n".join(f"    {line}" for line in textwrap.wrap(pairs, 45))
    for form in (number, number.upper(), f"d={number}", pairs, pairs.upper(), by_openssl):
        text = told(f"before\npriv:\n{form}\npub: x", (), {FINGERPRINT})
        assert (text.split()[0], "(withheld)" in text, text.split()[-1]) == ("before", True, "x")
        assert not [part for part in textwrap.wrap(form, 9) if len(part.strip(" :\n")) > 2 and part.strip() in text], (
            text
        )


def test_fingerprints_and_addresses_stay() -> None:
    pairs = ":".join(textwrap.wrap(FINGERPRINT.upper(), 2))
    text = f"SHA256 Fingerprint={pairs}\n02:42:ac:11:00:02 at 12:34:56 of 2001:db8:85a3:8d3:1319:8a2e:370:7348"
    assert told(text, (), {FINGERPRINT}) == text
