# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often an address is asked again, reckoned from who listens there."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.listeners import (
    CertificateReference,
    TlsBind,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.proof_again import (
    ALONE,
    MOST,
    UNKNOWN,
    Share,
    address_of,
    connections,
    questions_again,
    share_of,
    twins,
)

HERE = ("127.0.0.1", 443, None)
THERE = ("127.0.0.2", 443, None)


class Process(t.NamedTuple):
    pid: int
    name: str = "haproxy"
    family: int = 0


NEW, OLD, NGINX = Process(10, family=1), Process(20, family=2), Process(30, "nginx", 30)
SAME_MASTER = Process(11, family=1)


@pytest.mark.parametrize("sockets", [2, 3, 4, 8, 16, 28])
def test_one_of_several_is_missed_once_in_a_thousand_times(sockets: int) -> None:
    asked = connections(sockets)
    assert (1 - 1 / sockets) ** asked <= 0.001 < (1 - 1 / sockets) ** (asked - 1)


def test_what_the_documentation_says_of_the_numbers() -> None:
    assert [connections(sockets) for sockets in (0, 1, 2, 4, 8)] == [1, 1, 10, 25, 52]
    assert connections(1000) == 200


def test_one_that_listens_alone_is_asked_a_few_times_whatever_it_was_asked() -> None:
    shares = {HERE: Share(1)}
    assert questions_again([(7, HERE)], shares) == [7] * ALONE
    assert questions_again([(number, HERE) for number in range(9)], shares) == [0, 3, 6]
    assert questions_again([(1, HERE), (2, HERE)], shares) == [1, 2, 1]


def test_each_question_is_asked_of_several_until_they_are_met() -> None:
    shares = {HERE: Share(2), THERE: Share(1)}
    again = questions_again([(0, HERE), (1, HERE), (2, THERE)], shares)
    assert [again.count(number) for number in range(3)] == [9, 9, ALONE]
    assert again[:4] == [0, 1, 0, 1]


def test_many_questions_share_what_is_not_too_much() -> None:
    again = questions_again([(number, HERE) for number in range(300)], {HERE: Share(2)})
    assert len(again) == MOST
    assert {again.count(number) for number in range(300)} == {3, 4}
    few = questions_again([(number, HERE) for number in range(4 * MOST)], {HERE: Share(2)})
    assert (len(few), len(set(few))) == (MOST, MOST)


def test_where_nobody_can_be_counted_there_may_be_two() -> None:
    assert share_of([], (), configured=True) == UNKNOWN
    assert len(questions_again([(0, HERE)], {})) == connections(2) - 1


@pytest.mark.parametrize(
    ("sockets", "expected"),
    [
        ([[NEW]], Share(1, ("haproxy (process 10)",))),
        ([[NGINX]], Share(1, ("nginx (process 30)",), strange=True)),
        ([[]], Share(1)),
        ([[NEW], [NEW], [NEW]], Share(1, ("haproxy (process 10)",))),  # shards
        ([[NEW], [OLD]], Share(2, ("haproxy (process 10)", "haproxy (process 20)"))),
        ([[NEW], [NEW], [OLD]], Share(3, ("haproxy (process 10)", "haproxy (process 20)"))),
        ([[NEW, OLD]], Share(2, ("haproxy (process 10)", "haproxy (process 20)"))),
        # A worker that leaves is the same master's, and may still answer.
        ([[NEW, SAME_MASTER]], Share(2, ("haproxy (process 11)",))),
        ([[], []], Share(2, ("2 of 2 sockets are of processes that this user may not see",))),
        ([[NEW], []], Share(2, ("haproxy (process 10)", "1 of 2 sockets are of processes that this user may not see"))),
        ([[NEW], [NGINX]], Share(2, ("haproxy (process 10)", "nginx (process 30)"), strange=True)),
    ],
)
def test_who_listens(sockets: list[list[Process]], expected: Share) -> None:
    share = share_of(sockets, (), configured=True)
    assert share == expected
    assert share.shared == (len(expected.by) > 1)


def test_two_binds_of_one_process_are_told_from_its_shards() -> None:
    binds = ("frontend a (bind :443 ssl)", "frontend b (bind :443 ssl)")
    assert share_of([[NEW], [NEW]], binds, configured=True) == Share(2, binds)
    assert share_of([[NEW], [OLD]], binds, configured=True).by == (
        *binds,
        "haproxy (process 10)",
        "haproxy (process 20)",
    )
    # What is not configured here may be anything.
    assert share_of([[NEW], [NEW]], (), configured=False) == Share(2, ("haproxy (process 10)",))


def bind(section: str, *paths: str, **fields: t.Any) -> TlsBind:
    references = tuple(CertificateReference(path) for path in paths)
    return TlsBind("127.0.0.1:443", "127.0.0.1", 443, references, section=section, line=f"bind {paths}", **fields)


def test_binds_of_one_address() -> None:
    one, two = bind("frontend a", "/a.pem"), bind("frontend b", "/b.pem")
    elsewhere = TlsBind("127.0.0.2:443", "127.0.0.2", 443, one.references)
    assert address_of(one) == HERE
    assert twins([one, elsewhere], HERE) == ()
    assert twins([one, two, elsewhere], HERE) == (
        "frontend a (bind ('/a.pem',))",
        "frontend b (bind ('/b.pem',))",
    )
    # For several threads or processes, all of which load the same.
    assert twins([one, bind("frontend a", "/a.pem")], HERE) == ()
    assert twins([one, bind("frontend b", "/b.pem", not_probeable="is in a disabled section")], HERE) == ()
    # The more specific one gets all connections.
    assert twins([one, bind("frontend b", "/b.pem", everywhere=True)], HERE) == ()
