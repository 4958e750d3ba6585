# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.breaker import Breaker, pause_before


def test_it_opens_after_failures_in_a_row_alone() -> None:
    breaker = Breaker(most=3, rest=60)
    for _round in range(5):
        breaker.failed(0, "does not answer")
        breaker.failed(0, "does not answer")
        breaker.succeeded()
    assert breaker.lets_through(0)
    breaker.failed(0, "is silent")
    breaker.failed(0, "is silent")
    assert breaker.lets_through(0)
    breaker.failed(0, "does not answer")
    assert not breaker.lets_through(0)
    assert not breaker.lets_through(59.9)
    assert breaker.why == "does not answer"


def test_after_its_rest_one_tries_for_all() -> None:
    breaker = Breaker(most=1, rest=60)
    breaker.failed(0, "x")
    assert breaker.lets_through(60)
    assert not breaker.lets_through(60)
    breaker.failed(70, "x")
    assert not breaker.lets_through(129)
    assert breaker.lets_through(130)
    breaker.succeeded()
    assert breaker.lets_through(130)
    assert breaker.lets_through(130)


def test_what_nothing_works_without_opens_it_at_once() -> None:
    breaker = Breaker(most=5, rest=60)
    breaker.failed(0, "x", for_all=True)
    assert not breaker.lets_through(0)


@pytest.mark.parametrize("attempt", [1, 2, 3, 10, 100])
def test_pauses_grow_and_are_bounded(attempt: int) -> None:
    assert 0 < pause_before(attempt, 0.0) < pause_before(attempt, 1.0) <= 8
    assert pause_before(attempt, 1.0) <= 2 * pause_before(attempt, 0.0)
    assert pause_before(attempt, 0.5) <= pause_before(attempt + 1, 0.5)
