# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and keys in the text of a configuration file: lines end at newlines only, and nothing else changes."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.configuration import fill_in
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.material import Material, read_identity
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.tests.support import pki

AUTHORITY = pki.CertificateAuthority("CA")
CLIENT = AUTHORITY.issue("admin-client", usages=())
IDENTITY = read_identity(CLIENT.certificate_pem + CLIENT.private_key_pem)
MATERIAL = Material(crl="one\ntwo\n", clients={"admin": IDENTITY, "a@b": IDENTITY})
# What str.splitlines takes for the end of a line, besides \n, \r and \r\n.
NO_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


def test_a_placeholder_becomes_its_lines_indented_like_it():
    assert fill_in("a: |\n  @crl@\n\t@crl@  \nb", MATERIAL) == "a: |\n  one\n  two\n\tone\n\ttwo\nb\n"
    assert fill_in("", MATERIAL) == ""
    assert fill_in("\n\n", MATERIAL) == "\n\n"
    assert fill_in("a\r\n  @crl@\r\n", MATERIAL) == "a\n  one\n  two\n"


@pytest.mark.parametrize("character", [*NO_ENDS, "\r"])
def test_lines_end_at_newlines_only(character):
    text = f"name: 'a{character}b'\nlast: {character}c\n"
    assert fill_in(text, MATERIAL) == text
    for line in (f"# {character}@crl@\n", f"{character}@crl@\n", f"@crl@{character}x\n"):
        with pytest.raises(InvalidOption, match="must be alone on its line"):
            fill_in(line, MATERIAL)


def test_a_revocation_list_keeps_its_lines_too():
    assert fill_in(" @crl@", Material(crl="a\u2028b\r\nc")) == " a\u2028b\n c\n"


def test_names_of_clients_may_have_an_at_sign():
    assert fill_in("@client_cert:a@b@\n", MATERIAL) == CLIENT.certificate_pem
    with pytest.raises(InvalidOption, match=r"^@client_cert:b@: this host does not have it. List the client"):
        fill_in("@client_cert:b@", MATERIAL)
