# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File names from secret names, for any name that could ever be."""

from __future__ import annotations

import os

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.naming import (
    certificate_file_stem,
    colliding_stems,
)
from hypothesis import example, given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("web", "web"),
        ("prod/web", "prod_web"),
        ("prod:web", "prod_web"),
        ("*.example.com", "wildcard.example.com"),
        ("a/*.b", "a_wildcard.b"),
        ("a@b+c=d-e_f.g", "a@b+c=d-e_f.g"),
        ("-rf", "_-rf"),
        (".hidden", "_.hidden"),
        ("../../etc/cron.d/x", "_.._.._etc_cron.d_x"),
    ],
)
def test_rule(name: str, stem: str) -> None:
    assert certificate_file_stem(name) == stem


@pytest.mark.parametrize("name", ["", "_", "/", "a b", "é", "é" * 255, "x" * 181, "a\0b", "\udce9", "日本"])
def test_digest_where_the_rule_loses_information(name: str) -> None:
    assert len(certificate_file_stem(name).rpartition("-")[2]) == 16


@given(st.text(max_size=600))
@example("..")
@example("\u2028" * 40)
def test_any_name_is_safe(name: str) -> None:
    stem = certificate_file_stem(name)
    assert stem.isascii()
    assert 0 < len(stem) <= 180
    assert stem[0] not in ".-"
    assert not set(stem) & set("/\\~\0\n *?:")
    path = os.path.normpath(os.path.join("/certs", f"{stem}.pem"))  # noqa: PTH118 - of text, as the store does it
    assert os.path.split(path) == ("/certs", f"{stem}.pem")
    assert certificate_file_stem(name) == stem


@given(st.text(max_size=300), st.text(max_size=300))
@example("a b", "a_b")
@example("x" * 512, "x" * 511 + "y")
def test_two_names_meet_only_by_the_rule(one: str, two: str) -> None:
    def by_rule(name: str) -> str:
        stem = name.replace("/", "_").replace(":", "_").replace("*", "wildcard")
        return "_" + stem if stem[:1] in (".", "-") else stem

    if by_rule(one) != by_rule(two):
        assert certificate_file_stem(one) != certificate_file_stem(two)


def test_collisions_name_all() -> None:
    names = ["a/b", "a:b", "a_b", "A/B", "c"]
    stems = {name: certificate_file_stem(name) for name in names}
    assert colliding_stems(stems) == {"A_B": ["A/B", "a/b", "a:b", "a_b"]}
    assert colliding_stems({}) == {}
