# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.update_key import read_update_key
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

SECRET = base64.b64encode(b"not quite secret").decode()
CLAUSE = f"""
# made by tsig-keygen
key "acme-key" {{
    algorithm hmac-sha512;
    secret "{SECRET}";
}};
"""


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (json.dumps({"key_name": "Acme-Key.", "algorithm": "HMAC-SHA512", "secret": SECRET}), {}, "hmac-sha512"),
        (json.dumps({"key_name": "acme-key", "secret": SECRET}), {}, "hmac-sha256"),
        (CLAUSE, {}, "hmac-sha512"),
        (CLAUSE.replace('"', ""), {}, "hmac-sha512"),
        (CLAUSE, {"algorithm": "hmac-sha384"}, "hmac-sha384"),
        (f" {SECRET}\n", {"name": "acme-key"}, "hmac-sha256"),
        (SECRET[:10] + "\n" + SECRET[10:], {"name": "acme-key", "algorithm": "hmac-sha1"}, "hmac-sha1"),
    ],
)
def test_all_forms(text: str, options: dict[str, str], expected: str) -> None:
    key = read_update_key(text, "a/secret", **options)
    assert (key.name, key.algorithm, key.secret) == ("acme-key", expected, b"not quite secret")
    assert "quite" not in repr(key)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (SECRET, {}, "does not say what its key is called"),
        ("", {"name": "x"}, "holds no TSIG key"),
        ("no base64!", {"name": "x"}, "holds no TSIG key"),
        ("{}", {"name": "x"}, "holds no TSIG key"),
        ("[" * 100_000, {"name": "x"}, "holds no TSIG key"),
        (json.dumps({"key_name": "x", "secret": 5}), {}, "holds no TSIG key"),
        (json.dumps({"key_name": "x", "secret": SECRET, "algorithm": SECRET}), {}, "is none of hmac-sha256"),
        (CLAUSE.replace("secret", "geheim"), {}, "holds no TSIG key"),
    ],
)
def test_what_is_none_is_told_and_not_quoted(text: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidOption, match=message) as caught:
        read_update_key(text, "a/secret", **options)
    assert SECRET not in caught.value.message
    assert "base64!" not in caught.value.message
