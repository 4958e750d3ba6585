# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document of an account's secret: what is read, what is refused, and that no message quotes it."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import josepy
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account_secret import (
    AccountDocument,
    key_thumbprint,
    read_account,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.tests.support import pki
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

DIRECTORY = "https://acme.example.com/directory"
STAGING = "https://acme-staging.example.com/directory"
AT = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)
PEM = pki.private_key_pem(ec.generate_private_key(ec.SECP256R1()))


def document(**changes) -> AccountDocument:
    return AccountDocument(DIRECTORY, PEM, **changes)


def test_what_is_written_is_read() -> None:
    written = document(
        url=f"{DIRECTORY}/1", contacts=("mailto:a@example.com",), eab_key_id="kid", created=AT, key_created=AT
    )
    assert read_account(written.text, "acme/account", DIRECTORY) == written
    assert written.text == written.text, "one content is one text, and so one version"
    deactivated = written.registered(f"{DIRECTORY}/1", deactivated=AT)
    assert read_account(deactivated.text, "acme/account", DIRECTORY).deactivated == AT


def test_contacts_that_are_not_known_are_not_none_at_all() -> None:
    assert read_account(document().text, "s", DIRECTORY).contacts is None
    assert read_account(document(contacts=()).text, "s", DIRECTORY).contacts == ()


@pytest.mark.parametrize("name", ["account_key", "private_key", "key"])
def test_documents_of_others(name: str) -> None:
    read = read_account(json.dumps({name: PEM, "uri": "https://x/1", "created": 17, "contacts": "a"}), "s", DIRECTORY)
    assert (read.key_pem, read.url, read.directory, read.created, read.contacts) == (
        *(PEM, "https://x/1", DIRECTORY),
        *(None, None),
    )


def test_fields_of_others_stay() -> None:
    text = json.dumps({"private_key": PEM, "directory": DIRECTORY, "owner": {"team": "web"}, "description": 5})
    read = read_account(text, "s", DIRECTORY)
    assert "team" not in repr(read)
    written = json.loads(read.registered(f"{DIRECTORY}/1").with_key(PEM, AT).text)
    assert (written["owner"], written["description"]) == ({"team": "web"}, 5)
    assert set(written) == {"account_key", "account_url", "directory", "key_created", "owner", "description"}


def test_a_key_alone() -> None:
    assert read_account(f"\n{PEM}", "s", DIRECTORY) == document()


def test_another_directory_is_another_account() -> None:
    """A key of the staging CA under the name of the production's (terraform-provider-acme #440)."""
    text = AccountDocument(STAGING, PEM).text
    with pytest.raises(RotationError) as caught:
        read_account(text, "acme/account", DIRECTORY)
    message = caught.value.message
    assert STAGING in message
    assert DIRECTORY in message
    assert "acme/account" in message


def test_one_directory_may_be_written_in_several_ways() -> None:
    assert read_account(document().text, "s", "HTTPS://acme.EXAMPLE.com/directory/").key_pem == document().key_pem


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "neither"),
        ("[]", "neither"),
        ('"text"', "neither"),
        ("{}", "account_key"),
        ('{"account_key": 17}', "account_key"),
        ('{"account_key": "nonsense"}', "private key"),
        (json.dumps({"certificate": "PEM", "private_key": PEM}), "holds a certificate"),
        (json.dumps({"account_key": pki.private_key_pem(ed25519.Ed25519PrivateKey.generate())}), "elliptic key"),
        (json.dumps({"account_key": pki.private_key_pem(ec.generate_private_key(ec.SECP256K1()))}), "elliptic key"),
    ],
)
def test_what_is_no_account(text: str, why: str) -> None:
    with pytest.raises(RotationError, match=why) as caught:
        read_account(text, "acme/account", DIRECTORY)
    assert "acme/account" in caught.value.message
    assert "nonsense" not in caught.value.message


def test_the_key_is_not_shown() -> None:
    line = PEM.splitlines()[1]
    assert line not in repr(document())


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ec.derive_private_key(4, ec.SECP256R1()),
        rsa.generate_private_key(65537, 2048),
    ],
)
def test_the_thumbprint_is_that_of_others(key) -> None:
    pem = pki.private_key_pem(key)
    assert key_thumbprint(pem) == josepy.b64encode(josepy.JWK.load(pem.encode()).thumbprint()).decode()


def test_a_coordinate_that_begins_with_a_zero_is_not_cut() -> None:
    """RFC 7518 section 6.2.1.2: the full size of the curve."""
    found = 0
    for number in range(1, 2000):
        key = ec.derive_private_key(number, ec.SECP256R1())
        if key.public_key().public_numbers().x >> 248 == 0:
            found += 1
            pem = pki.private_key_pem(key)
            assert key_thumbprint(pem) == josepy.b64encode(josepy.JWK.load(pem.encode()).thumbprint()).decode()
            if found == 2:
                return
    raise AssertionError("there is one in 256 keys")
