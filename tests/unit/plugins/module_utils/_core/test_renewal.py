# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.renewal import (
    renewal_due,
    renewal_notice,
    worth_renewing,
)
from hypothesis import given
from hypothesis import strategies as st

START = datetime.datetime(2026, 11, 22, tzinfo=datetime.timezone.utc)


def days(number: float) -> datetime.timedelta:
    return datetime.timedelta(days=number)


@pytest.mark.parametrize(
    ("lifetime", "notice"),
    [(398, 30), (200, 30), (90, 30), (89.9, 89.9 / 3), (47, 47 / 3), (45, 15), (10, 10 / 3), (9.99, 9.99 / 2), (6, 3)],
)
def test_the_notice_follows_the_lifetime(lifetime: float, notice: float) -> None:
    assert renewal_notice(START, START + days(lifetime)) == pytest.approx(
        days(notice), abs=datetime.timedelta(milliseconds=1)
    )


def test_the_notice_of_a_lifetime_that_is_none_is_zero() -> None:
    assert renewal_notice(START, START - days(1)) == days(0)


@pytest.mark.parametrize(("lifetime", "due_after"), [(398, 368), (90, 60), (45, 30), (6, 3)])
def test_renewal_falls_due_once(lifetime: float, due_after: float) -> None:
    end = START + days(lifetime)
    moment = datetime.timedelta(seconds=1)
    assert not renewal_due(START, end, START + days(due_after))
    assert renewal_due(START, end, START + days(due_after) + moment)
    assert renewal_due(START, end, end + days(1))


HOURS = st.integers(2, 24 * 800).map(lambda hours: datetime.timedelta(hours=hours))


@given(issuer_lives=HOURS, validity=HOURS, renew_before=st.none() | HOURS, between=st.integers(1, 24))
def test_no_renewal_is_in_vain_and_none_comes_too_late(
    issuer_lives: datetime.timedelta,
    validity: datetime.timedelta,
    renew_before: datetime.timedelta | None,
    between: int,
) -> None:
    """Runs at even distances, until the issuer ends. A new certificate ends with its issuer at the latest."""
    step, end_of_issuer = datetime.timedelta(hours=between), START + issuer_lives
    notice = renew_before if renew_before is not None else renewal_notice(START, START + validity)
    now, begin, end = START, START, min(START + validity, end_of_issuer)
    while now < end_of_issuer:
        offered = min(now + validity, end_of_issuer)
        if worth_renewing(begin, end, now, offered, renew_before):
            assert offered > end
            begin, end = now, offered
            # Whatever renew_before says, a second look in the same moment finds nothing to do.
            assert not worth_renewing(begin, end, now, offered, renew_before)
        if step < notice and step < validity:
            assert end > now
        now += step
    if step < notice and step < validity:
        assert end == end_of_issuer
