# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import codecs
import textwrap

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import PemBlock, encode_pem, parse_pem
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from hypothesis import given
from hypothesis import strategies as st

DER = bytes(range(150))
PEM = encode_pem("CERTIFICATE", DER)
BLOCK = PemBlock("CERTIFICATE", DER)
LABELS = st.sampled_from(["CERTIFICATE", "PRIVATE KEY", "RSA PRIVATE KEY", "EC PARAMETERS"])
BLOCKS = st.lists(st.builds(PemBlock, LABELS, st.binary(min_size=1, max_size=300)), min_size=1, max_size=4)


def test_canonical_form() -> None:
    lines = PEM.decode().split("\n")
    assert lines[0] == "-----BEGIN CERTIFICATE-----"
    assert [len(line) for line in lines[1:-2]] == [64, 64, 64, 8]
    assert lines[-2:] == ["-----END CERTIFICATE-----", ""]


def _body() -> str:
    return base64.b64encode(DER).decode()


@pytest.mark.parametrize(
    "text",
    [
        PEM,
        PEM.decode(),
        PEM.rstrip(b"\n"),
        PEM.replace(b"\n", b"\r\n"),
        PEM.replace(b"\n", b"\r"),
        PEM.replace(b"\n", b"\n\n"),
        PEM.replace(b"\n", b" \t\n"),
        PEM.replace(b"\n", b"\\n"),
        PEM.replace(b"\n", b"\\r\\n"),
        PEM.replace(b"\n", b" "),
        codecs.BOM_UTF8 + PEM,
        "\ufeff" + PEM.decode(),
        PEM.decode().encode("utf-16"),
        codecs.BOM_UTF16_BE + PEM.decode().encode("utf-16-be"),
        textwrap.indent(PEM.decode(), "    "),
        f"-----BEGIN CERTIFICATE-----\n{_body()}\n-----END CERTIFICATE-----",
        "\n".join(["-----BEGIN CERTIFICATE-----", *textwrap.wrap(_body(), 7), "-----END CERTIFICATE-----"]),
        b"Certificate:\n    Data:\n        Version: 3 (0x2)\n" + PEM + b"garbage \xff\xfe \\x00\n",
        PEM.replace(b"BEGIN CERT", b"BEGIN X509 CERT").replace(b"END CERT", b"END X509 CERT"),
    ],
)
def test_what_people_paste_is_read_as_the_same_block(text: str | bytes) -> None:
    assert parse_pem(text) == [BLOCK]
    assert parse_pem(text)[0].encode() == PEM


def test_blocks_without_newline_between_them_are_two() -> None:
    assert parse_pem(PEM.rstrip() + PEM.rstrip()) == [BLOCK, BLOCK]


def test_headers_of_an_encrypted_key_are_kept() -> None:
    text = encode_pem("RSA PRIVATE KEY", DER, ("Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,00"))
    assert b"\nDEK-Info: AES-128-CBC,00\n\n" in text
    (block,) = parse_pem(textwrap.indent(text.decode(), "  "))
    assert block == PemBlock("RSA PRIVATE KEY", DER, ("Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,00"))
    assert block.encode() == text


def test_text_without_pem_has_no_blocks() -> None:
    assert parse_pem("") == []
    assert parse_pem(b"\xff\xfenothing") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PEM[:100], "block 1 (CERTIFICATE) has no END line"),
        (PEM[30:], "block 1 (CERTIFICATE) has no BEGIN line"),
        (PEM + PEM[:100], "block 2 (CERTIFICATE) has no END line"),
        (PEM[:100] + b"\n" + PEM, "block 1 (CERTIFICATE) has no END line"),
        (PEM.replace(b"END CERTIFICATE", b"END PRIVATE KEY"), "has no END line"),
        (PEM.replace(b"\nA", b"\n!", 1), "is not base64"),
        (PEM.replace(b"\n-----END", b"A\n-----END"), "is not base64"),
        (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "is empty"),
    ],
)
def test_damaged_blocks_are_named(text: bytes, words: str) -> None:
    with pytest.raises(MaterialError) as raised:
        parse_pem(text)
    assert raised.value.problem.code == "pem_invalid"
    assert words in raised.value.message


def test_an_unknown_label_is_not_repeated() -> None:
    with pytest.raises(MaterialError) as raised:
        parse_pem("-----BEGIN MIIEVQIBADANBGKQ-----")
    assert "MIIE" not in raised.value.message


def test_content_is_not_in_the_representation() -> None:
    assert repr(DER)[2:10] not in repr(BLOCK)


@given(BLOCKS)
def test_reading_and_writing_are_inverse(blocks: list[PemBlock]) -> None:
    text = b"".join(block.encode() for block in blocks)
    assert parse_pem(text) == blocks
    assert b"".join(block.encode() for block in parse_pem(text)) == text


@given(
    BLOCKS,
    st.sampled_from(["\n", "\r\n", "\r", "\n\n", " \n", "\\n"]),
    st.text(alphabet=" \t\nabcé:{}\"'", max_size=20),
)
def test_normalisation_is_idempotent(blocks: list[PemBlock], newline: str, decoration: str) -> None:
    text = decoration.join(block.encode().decode().replace("\n", newline) for block in blocks)
    once = b"".join(block.encode() for block in parse_pem(text))
    assert parse_pem(once) == parse_pem(text) == blocks


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_any_content_is_read_or_refused(content: str | bytes) -> None:
    try:
        parse_pem(content)
    except MaterialError:
        pass


@given(st.integers(0, len(PEM) - 1), st.binary(max_size=3))
def test_mutated_pem_is_read_or_refused(position: int, replacement: bytes) -> None:
    try:
        parse_pem(PEM[:position] + replacement + PEM[position + 1 :])
    except MaterialError:
        pass
