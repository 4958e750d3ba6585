# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that modules share, and what makes every certificate be verified again."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._module import options

FILE_DEFAULTS: dict[str, t.Any] = {
    "owner": None, "group": None, "mode": "0600", "directory_mode": "0700", "keep_previous": 1, "lock_timeout": "60s",
}  # fmt: skip
RULES: dict[str, t.Any] = {"min_rsa_bits": 2048, "trust_anchors": None, "system_trust": False}


@pytest.mark.parametrize(
    ("given", "expected"), [("0600", 0o600), ("640", 0o640), (0o400, 0o400), ("0o660", 0o660), ("0440", 0o440)]
)
def test_modes(given: t.Any, expected: int) -> None:
    settings = options.directory_settings({**FILE_DEFAULTS, "mode": given})
    assert settings.attributes is not None
    assert settings.attributes.mode == expected


@pytest.mark.parametrize(
    "bad",
    [
        {"mode": "0644"}, {"mode": "0604"}, {"mode": 600}, {"mode": 640}, {"mode": 0}, {"mode": "u=rw"}, {"mode": True},
        {"mode": "9"}, {"mode": "-1"}, {"mode": None}, {"mode": "0200"}, {"mode": "4600"}, {"directory_mode": 700},
        {"directory_mode": "0500"}, {"directory_mode": ""}, {"keep_previous": -1}, {"owner": "no-such-user"},
        {"group": "no-such-group"},
    ],
    ids=str,
)  # fmt: skip
def test_options_without_meaning_are_named(bad: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidOption, match=next(iter(bad))):
        options.directory_settings({**FILE_DEFAULTS, **bad})


def test_owners_by_name_and_number() -> None:
    settings = options.directory_settings({**FILE_DEFAULTS, "owner": "root", "group": "12345"})
    assert settings.attributes is not None
    assert (settings.attributes.uid, settings.attributes.gid) == (0, 12345)


def test_duration_names_its_option() -> None:
    assert options.duration_option({"x": "1h"}, "x").total_seconds() == 3600
    with pytest.raises(InvalidOption, match=r"^x: "):
        options.duration_option({"x": "later"}, "x")


def test_tags_that_are_written() -> None:
    assert options.tag_texts({"Port": 443, "Empty": "", "Production": "true"}) == {
        "Port": "443",
        "Empty": "",
        "Production": "true",
    }
    for value in (True, 1.0, None, ["a"]):
        with pytest.raises(InvalidOption, match="Quote it"):
            options.tag_texts({"a": value})


def test_the_digest_follows_every_rule() -> None:
    variants: list[dict[str, t.Any]] = [
        {},
        {"min_rsa_bits": 3072},
        {"trust_anchors": "PEM"},
        {"system_trust": True},
    ]
    digests = {options.verification_rules({**RULES, **variant}, "haproxy", None) for variant in variants}
    digests.add(options.verification_rules(RULES, "lineage", None))
    digests.add(options.verification_rules(RULES, "haproxy", {"certificate": "tls.crt"}))
    assert len(digests) == len(variants) + 2


def test_the_digest_follows_new_rules_of_the_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    before = options.verification_rules(RULES)
    assert options.verification_rules(RULES) == before
    monkeypatch.setattr(options, "RULES_VERSION", 10_000)
    assert options.verification_rules(RULES) != before
