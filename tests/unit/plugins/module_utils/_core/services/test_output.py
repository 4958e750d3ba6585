# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service printed, as it is told."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.services.output import told
from ansible_collections.certops.rotation.tests.support import pki

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
        lambda pem: repr(pem),
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
    assert told(text) == text
