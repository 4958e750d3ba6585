# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""External account bindings as CAs give them, and contacts as people write them."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account_terms import (
    ExternalBinding,
    contact_urls,
    read_binding,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, RotationError

MAC = bytes(range(240, 256)) + b"\xff\xfe"
URLSAFE = base64.urlsafe_b64encode(MAC).decode()
WANTED = ExternalBinding("kid-1", MAC)


@pytest.mark.parametrize(
    ("key_id", "mac_key"),
    [
        ("kid", "hmac"),
        ("key_id", "hmac_key"),
        ("KeyId", "MacKey"),
        ("eab_kid", "eab_hmac_key"),
        ("keyId", "b64MacKey"),
        ("keyID", "hmac-key"),
    ],
)
def test_names_of_fields(key_id: str, mac_key: str) -> None:
    assert read_binding(json.dumps({key_id: "kid-1", mac_key: URLSAFE, "success": True}), "acme/eab") == WANTED


@pytest.mark.parametrize(
    "text", [URLSAFE, URLSAFE.rstrip("="), f" {URLSAFE}\n", base64.b64encode(MAC).decode(), URLSAFE.rstrip("=") + "="]
)
def test_forms_of_the_key(text: str) -> None:
    assert read_binding(json.dumps({"kid": " kid-1 ", "hmac": text}), "acme/eab") == WANTED


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nonsense-of-mine",
        "[]",
        "{}",
        '{"kid": "a"}',
        '{"hmac": "bm9uc2Vuc2U"}',
        '{"kid": "", "hmac": "bm9uc2Vuc2U"}',
        '{"kid": 17, "hmac": "bm9uc2Vuc2U"}',
        '{"kid": "a", "hmac": "no base 64!"}',
        '{"kid": "a", "hmac": "AAAAA"}',
        '{"kid": "a", "hmac": "===="}',
    ],
)
def test_what_is_none(value: str) -> None:
    with pytest.raises(RotationError, match="acme/eab") as caught:
        read_binding(value, "acme/eab")
    for part in ("nonsense-of-mine", "bm9uc2Vuc2U", "no base 64", "AAAAA"):
        assert part not in caught.value.message


def test_the_key_is_not_shown() -> None:
    assert repr(MAC) not in repr(WANTED)
    assert "mac_key" not in repr(WANTED)


@pytest.mark.parametrize(
    ("contacts", "urls"),
    [
        ([], ()),
        (["", " "], ()),
        (["admin@example.com"], ("mailto:admin@example.com",)),
        (["mailto:admin@example.com", "admin@EXAMPLE.com"], ("mailto:admin@example.com",)),
        ([" Mailto:a+b@example.com "], ("mailto:a+b@example.com",)),
        (["b@example.com", "a@example.com"], ("mailto:b@example.com", "mailto:a@example.com")),
        (["admin@bücher.example"], ("mailto:admin@xn--bcher-kva.example",)),
        (["Root@localhost"], ("mailto:Root@localhost",)),
    ],
)
def test_contacts(contacts: list[str], urls: tuple[str, ...]) -> None:
    assert contact_urls(contacts) == urls


@pytest.mark.parametrize(
    "contact",
    [
        *("admin", "@example.com", "a@", "a@b@c", "a@example.com,b@example.com", "mailto:a@example.com?subject=x"),
        *("a b@c.de", "tel:+49", "https://example.com", "a@-example.com", "a@example..com", "Ä@example.com"),
    ],
)
def test_what_is_no_contact(contact: str) -> None:
    with pytest.raises(InvalidOption, match="contacts"):
        contact_urls([contact])
