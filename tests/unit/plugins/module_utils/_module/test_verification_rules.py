# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes every certificate be verified again."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._module import options

DEFAULTS: dict[str, t.Any] = {"min_rsa_bits": 2048, "trust_anchors": None, "system_trust": False}


def test_the_digest_follows_every_rule() -> None:
    variants: list[dict[str, t.Any]] = [
        {},
        {"min_rsa_bits": 3072},
        {"trust_anchors": "PEM"},
        {"system_trust": True},
    ]
    digests = {options.verification_rules({**DEFAULTS, **variant}, "haproxy", None) for variant in variants}
    digests.add(options.verification_rules(DEFAULTS, "lineage", None))
    digests.add(options.verification_rules(DEFAULTS, "haproxy", {"certificate": "tls.crt"}))
    assert len(digests) == len(variants) + 2


def test_the_digest_follows_new_rules_of_the_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    before = options.verification_rules(DEFAULTS)
    assert options.verification_rules(DEFAULTS) == before
    monkeypatch.setattr(options, "RULES_VERSION", 10_000)
    assert options.verification_rules(DEFAULTS) != before
