# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables as text, as they come from -e, INI files and surveys."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter._typed import FilterModule
from ansible_collections.certops.rotation.plugins.plugin_utils._typed import typed

AWS = {"region": "eu-central-1", "validate_certs": False}
MEANT = {
    "str": [("main", "main"), (1.5, "1.5"), (None, "")],
    "bool": [(True, True), ("false", False), ("No", False), ("on", True), (0, False), (None, False)],
    "int": [(600, 600), ("600", 600), (" 7 ", 7), (None, 0)],
    "list": [
        (["a"], ["a"]),
        ("web/a", ["web/a"]),
        ("a, b,", ["a", "b"]),
        ('["a", "b,c"]', ["a", "b,c"]),
        ("['a', 'b']", ["a", "b"]),
        ("[::1]:443,[::2]:443", ["[::1]:443", "[::2]:443"]),
        ("", []),
        ("[]", []),
        (7, [7]),
        (None, []),
    ],
    "dict": [
        (AWS, AWS),
        (json.dumps(AWS), AWS),
        ("{'region': 'eu-central-1'}", {"region": "eu-central-1"}),
        ("region=eu-central-1, profile=ops", {"region": "eu-central-1", "profile": "ops"}),
        (None, {}),
    ],
    "percentage": [(25, 25), ("50%", 50), ("12.5", 12.5), (" 100 %", 100), (0, 0)],
    "batches": [
        ([1, "25%", "100%"], [1, "25%", "100%"]),
        ("1,25%,100%", [1, "25%", "100%"]),
        ('[1, "25%"]', [1, "25%"]),
        (["5", " 50% "], [5, "50%"]),
        (5, [5]),
        ("10", [10]),
    ],
}
MEANS_NOTHING = {
    "str": [["a"], {"a": 1}],
    "bool": ["maybe", "", [], {}],
    "int": ["ten", "", "1.5", True, [1]],
    "list": [{"a": 1}],
    "dict": ["eu-central-1", "", "{", "[1]", ["a"], 7],
    "percentage": ["half", "-1", 101, "101%", "", True, None, [50], float("nan")],
    "batches": ["some", "-1", "1.5", [True], {"a": 1}, [[1]], "5%%"],
}


def cases(table):
    pairs = ((kind, case) for kind, each in table.items() for case in each)
    return [pytest.param(kind, *(case if isinstance(case, tuple) else [case])) for kind, case in pairs]


@pytest.mark.parametrize(("kind", "value", "meant"), cases(MEANT))
def test_what_means_the_type_becomes_it(kind, value, meant):
    found = typed(value, kind, "it")
    assert (found, [type(item) for item in found] if kind == "batches" else type(found)) == (
        meant,
        [type(item) for item in meant] if kind == "batches" else float if kind == "percentage" else type(meant),
    )


@pytest.mark.parametrize(("kind", "value"), cases(MEANS_NOTHING))
def test_what_does_not_is_refused_by_name(kind, value):
    with pytest.raises(ValueError, match=r"^rotation_it is to be .+\.$"):
        typed(value, kind, "rotation_it")


def test_the_message_is_the_filters_and_does_not_quote_what_may_be_secret():
    with pytest.raises(AnsibleFilterError) as raised:
        FilterModule().filters()["_typed"]('{"secret_key": hidden}', "dict", "shared_ca_aws")
    assert str(raised.value) == "shared_ca_aws is to be a dictionary, or one as JSON text."
    assert raised.value.__suppress_context__


def test_text_that_is_no_str_such_as_what_ansible_vault_has_encrypted():
    class Vaulted:
        def __str__(self):
            return '{"region": "eu-central-1"}'

    assert typed(Vaulted(), "dict", "it") == {"region": "eu-central-1"}
