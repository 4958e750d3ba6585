# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.debts import gives_up, matched_domains, owed
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._core.push.lineage import Lineage
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget

NOW = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.timezone.utc)
OLD, NEW = "a" * 64, "b" * 64


def lineage(name: str, *domains: str, fingerprint: str = NEW, not_after: str = "2027-01-01T00:00:00Z") -> Lineage:
    return Lineage(name, 1, {}, fingerprint, domains or (name,), not_after)


def target(name: str, *domains: str, **more: t.Any) -> PushTarget:
    return PushTarget(name=name, address=name, domains=domains, host_keys=(), **more)


def debts(lineages: t.Sequence[Lineage], targets: t.Sequence[PushTarget], **known: t.Any) -> t.Any:
    return owed(lineages, targets, now=NOW, **{"confirmed": {}, "queued": {}, "dead": {}, **known})


@pytest.mark.parametrize(
    ("domains", "names", "wildcards", "matched"),
    [
        (("example.com",), ("example.com",), False, ("example.com",)),
        (("example.com",), ("www.example.com",), False, ()),
        (("www.example.com",), ("*.example.com",), False, ()),
        (("www.example.com",), ("*.example.com",), True, ("www.example.com",)),
        (("a.b.example.com",), ("*.example.com",), True, ()),
        (("example.com",), ("*.example.com",), True, ()),
        (("*.example.com",), ("*.example.com",), False, ("*.example.com",)),
        (("*.example.com",), ("www.example.com",), False, ()),
        (("*.example.com",), ("www.example.com",), True, ("*.example.com",)),
        (("*.example.com",), ("a.b.example.com",), True, ()),
        (("*.example.com",), ("example.com",), True, ()),
        (("*",), ("example.com",), False, ("*",)),
        (("*",), (), False, ("*",)),
        ((), ("example.com",), True, ()),
        (("com",), ("*.com",), True, ()),
        (("b.org", "a.org"), ("a.org", "b.org"), False, ("b.org", "a.org")),
        (("2001:db8::1",), ("2001:db8::1",), True, ("2001:db8::1",)),
        (("ample.com",), ("example.com",), True, ()),
    ],
)
def test_a_host_gets_what_its_domains_are_in(domains, names, wildcards, matched) -> None:
    assert matched_domains(target("web1", *domains, wildcards=wildcards), names) == matched


def test_each_host_is_owed_each_lineage_for_it_and_no_other() -> None:
    lineages = [lineage("a.org"), lineage("b.org", "b.org", "a.org"), lineage("c.org")]
    found = debts(lineages, [target("web1", "a.org"), target("web2", "b.org"), target("web3", "d.org")])
    assert [(debt.host, debt.lineage) for debt in found.new] == [
        ("web1", "a.org"),
        ("web1", "b.org"),
        ("web2", "b.org"),
    ]
    assert found.idle == ("web3",)
    assert found.new[0].domains == ("a.org",)


def test_what_was_confirmed_is_not_owed_until_it_changes() -> None:
    key = ("web1", "a.org")
    targets = [target("web1", "a.org")]
    assert debts([lineage("a.org")], targets, confirmed={key: NEW}).new == ()
    assert [debt.key for debt in debts([lineage("a.org")], targets, confirmed={key: NEW}).paid] == [key]
    assert [debt.key for debt in debts([lineage("a.org")], targets, confirmed={key: OLD}).new] == [key]


@pytest.mark.parametrize("kind", ["queued", "dead"])
def test_what_was_confirmed_before_something_else_was_on_its_way_is_owed_again(kind: str) -> None:
    """A step back on disk: the host may have taken the other one, and not have said so."""
    key = ("web1", "a.org")
    found = debts([lineage("a.org")], [target("web1", "a.org")], confirmed={key: NEW}, **{kind: {key: OLD}})
    assert ([debt.key for debt in found.new], found.paid) == ([key], ())


def test_what_was_confirmed_and_is_owed_once_more_is_not_paid() -> None:
    key = ("web1", "a.org")
    targets, confirmed = [target("web1", "a.org")], {key: NEW}
    found = debts([lineage("a.org")], targets, confirmed=confirmed, queued={key: NEW})
    assert ([debt.key for debt in found.waiting], found.paid) == ([key], ())
    found = debts([lineage("a.org")], targets, confirmed=confirmed, dead={key: NEW})
    assert ([debt.key for debt in found.given_up], found.paid) == ([key], ())


def test_what_is_queued_is_not_queued_again_until_it_changes() -> None:
    key = ("web1", "a.org")
    targets = [target("web1", "a.org")]
    assert [debt.key for debt in debts([lineage("a.org")], targets, queued={key: NEW}).waiting] == [key]
    assert [debt.key for debt in debts([lineage("a.org")], targets, queued={key: OLD}).new] == [key]


def test_what_was_given_up_stays_so_until_it_changes_or_is_queued() -> None:
    key = ("web1", "a.org")
    targets = [target("web1", "a.org")]
    assert [debt.key for debt in debts([lineage("a.org")], targets, dead={key: NEW}).given_up] == [key]
    assert [debt.key for debt in debts([lineage("a.org")], targets, dead={key: OLD}).new] == [key]
    assert [debt.key for debt in debts([lineage("a.org")], targets, dead={key: NEW}, queued={key: NEW}).waiting] == [
        key
    ]


def test_a_hook_that_never_ran_loses_nothing() -> None:
    """The debt follows from what there is, whoever has been told of it."""
    found = debts([lineage("a.org")], [target("web1", "a.org")], confirmed={("web1", "a.org"): OLD})
    assert [debt.fingerprint_sha256 for debt in found.new] == [NEW]


def test_what_has_expired_is_told_and_not_owed() -> None:
    found = debts([lineage("a.org", not_after="2026-11-26T11:59:59Z")], [target("web1", "a.org"), target("web2", "*")])
    assert (found.new, found.expired, found.idle) == ((), ("a.org",), ())


def test_what_nobody_wants_any_more_is_told() -> None:
    found = debts(
        [lineage("a.org")],
        [target("web1", "b.org")],
        queued={("web1", "a.org"): NEW, ("gone", "a.org"): NEW, ("web1", "unreadable"): NEW},
        dead={("gone", "b.org"): OLD},
        confirmed={("gone", "c.org"): OLD},
        unreadable=["unreadable"],
    )
    assert found.strays == (("gone", "a.org"), ("gone", "b.org"), ("web1", "a.org"))


@pytest.mark.parametrize(("days", "given_up"), [(None, False), (30, True), (31, False)])
def test_a_debt_is_given_up_after_its_time(days: int | None, given_up: bool) -> None:
    entry = OwedEntry("web1", "a.org", NEW, "2026-10-27T12:00:00Z", attempts=900)
    after = None if days is None else datetime.timedelta(days=days)
    assert gives_up(entry, now=NOW, after=after) is given_up
