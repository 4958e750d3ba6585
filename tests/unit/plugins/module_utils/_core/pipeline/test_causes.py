# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose failure a problem is: each code has its place, so that a new one is not taken for what it is not."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.causes import CAUSES, CODES, cause_of
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import PROBLEM_CODES


def test_every_code_has_its_place_and_only_one() -> None:
    placed = [code for cause in CAUSES for code in CODES[cause]]
    assert sorted(placed) == sorted(PROBLEM_CODES)


@pytest.mark.parametrize(
    ("codes", "cause"),
    [
        (["private_key_mismatch"], "content"),
        (["secret_missing"], "content"),
        (["write_failed"], "host"),
        (["path_not_ours"], "host"),
        (["secret_access_denied"], "source"),
        (["nothing_found"], "source"),
        (["expired", "path_not_ours"], "host"),
        (["expired", "secret_unreadable"], "source"),
        (["secret_unreadable", "write_failed"], "host"),
        ([], "content"),
        (["of_a_later_version"], "host"),
    ],
)
def test_a_hosts_own_failure_is_not_passed_over(codes: list[str], cause: str) -> None:
    assert cause_of(codes) == cause
