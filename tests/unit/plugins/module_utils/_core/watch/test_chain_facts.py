# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Until when what is sent is good, and what of it is odd: cross-signs, other orders, roots, strangers."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.chain_facts import (
    CROSS_SIGN_SENT,
    OTHER_ORDER,
    ROOT_SENT,
    STRANGER_SENT,
    TWICE,
    UNREADABLE,
    chain_notes,
    needed_until,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.seen import seen_certificate
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import SeenCertificate
from ansible_collections.certops.rotation.tests.support.chains import NOT_BEFORE, NOW, Made, authority, leaf, new_key
from cryptography.hazmat.primitives import serialization

DAY = datetime.timedelta(days=1)
SECOND = datetime.timedelta(seconds=1)
ROOT = authority(cn="Root")
ISSUER = authority(ROOT, cn="Issuer", not_after=NOW + 500 * DAY)
LEAF = leaf(ISSUER, not_after=NOW + 60 * DAY)


def sent(*members: Made) -> list[SeenCertificate]:
    return [seen_certificate(member.certificate.public_bytes(serialization.Encoding.DER)) for member in members]


def until(*members: Made, anchor: Made = ROOT, at: datetime.datetime = NOW) -> datetime.datetime | None:
    return needed_until(sent(*members), (anchor.certificate,), at)


def cross_sign(of: Made, by: Made, not_after: datetime.datetime) -> Made:
    """The same name and key, signed by another authority."""
    cn = of.certificate.subject.rfc4514_string().removeprefix("CN=")
    return authority(by, cn=cn, key=of.key, not_after=not_after)


OLD_ROOT = authority(cn="Old Root")


def test_the_leaf_ends_first() -> None:
    assert until(LEAF, ISSUER) == NOW + 60 * DAY


def test_an_intermediate_that_is_needed_and_ends_first() -> None:
    short = authority(ROOT, cn="Short", not_after=NOW + 5 * DAY)
    assert until(leaf(short, not_after=NOW + 60 * DAY), short) == NOW + 5 * DAY


def test_an_anchor_that_ends_first() -> None:
    root = authority(cn="Ending Root", not_after=NOW + 3 * DAY)
    assert until(leaf(root), anchor=root) == NOW + 3 * DAY


@pytest.mark.parametrize("days", [-100, 10])
def test_a_cross_sign_that_is_not_needed_counts_for_nothing(days: int) -> None:
    cross = cross_sign(ROOT, OLD_ROOT, NOW + days * DAY)
    assert until(LEAF, ISSUER, cross) == NOW + 60 * DAY


def test_the_same_cross_sign_counts_where_the_new_root_is_not_trusted() -> None:
    assert until(LEAF, ISSUER, cross_sign(ROOT, OLD_ROOT, NOW + 10 * DAY), anchor=OLD_ROOT) == NOW + 10 * DAY
    assert until(LEAF, ISSUER, cross_sign(ROOT, OLD_ROOT, NOW - DAY), anchor=OLD_ROOT) is None


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_forms_of_an_authority_the_one_that_ends_later_counts(turned: bool) -> None:
    """Whichever of the two a path is built over at first."""
    old = cross_sign(ISSUER, ROOT, NOW + 5 * DAY)
    others = (ISSUER, old) if turned else (old, ISSUER)
    assert until(LEAF, *others) == NOW + 60 * DAY


def test_a_successor_that_begins_too_late_leaves_a_gap() -> None:
    old = cross_sign(ISSUER, ROOT, NOW + 5 * DAY)
    for begins, end in ((NOW + 5 * DAY + SECOND, NOW + 60 * DAY), (NOW + 5 * DAY + 2 * SECOND, NOW + 5 * DAY)):
        later = authority(ROOT, cn="Issuer", key=ISSUER.key, not_before=begins, not_after=NOW + 500 * DAY)
        assert until(LEAF, old, later) == end


def test_without_a_path_there_is_no_end() -> None:
    assert until(LEAF) is None  # the intermediate is missing
    assert until(LEAF, ISSUER, anchor=OLD_ROOT) is None
    assert until(leaf(ISSUER, not_after=NOW - DAY), ISSUER) is None
    assert until(leaf(ISSUER, not_before=NOW + DAY), ISSUER) is None
    assert until() is None
    assert needed_until([seen_certificate(b"nothing"), *sent(LEAF, ISSUER)], (ROOT.certificate,), NOW) is None
    assert needed_until(sent(LEAF, ISSUER), (), NOW) is None


def test_the_last_second_is_still_good() -> None:
    assert until(LEAF, ISSUER, at=NOW + 60 * DAY) == NOW + 60 * DAY
    assert until(LEAF, ISSUER, at=NOW + 60 * DAY + SECOND) is None


def test_order_extras_and_bytes_that_are_no_certificate_change_nothing() -> None:
    stranger = authority(cn="Stranger", not_after=NOW + DAY)
    chain = [*sent(LEAF, stranger, ROOT, ISSUER, ISSUER), seen_certificate(b"nothing")]
    assert needed_until(chain, (ROOT.certificate,), NOW) == NOW + 60 * DAY


def test_what_is_its_own_anchor() -> None:
    own = leaf(LEAF, issuer=LEAF.certificate.subject, key=LEAF.key, not_after=NOW + 9 * DAY)
    assert until(own, anchor=own) == NOW + 9 * DAY
    assert until(own, anchor=own, at=NOW + 10 * DAY) is None
    assert until(own, anchor=own, at=NOT_BEFORE - DAY) is None
    assert until(LEAF, anchor=LEAF) == NOW + 60 * DAY


def test_an_authority_between_can_be_the_anchor() -> None:
    assert until(LEAF, anchor=ISSUER) == NOW + 60 * DAY


def test_a_chain_of_many_namesakes_is_bounded() -> None:
    crowd = [authority(ROOT, cn="Issuer", key=new_key(), not_after=NOW + day * DAY) for day in range(1, 60)]
    assert until(LEAF, *crowd, ISSUER) == NOW + 60 * DAY


CROSS = cross_sign(ROOT, OLD_ROOT, NOW - DAY)
STRANGER = authority(cn="Stranger")
LOW = authority(ISSUER, cn="Low")


@pytest.mark.parametrize(
    ("chain", "notes"),
    [
        ((), ()),
        ((LEAF,), ()),
        ((LEAF, ISSUER), ()),
        ((LEAF, ISSUER, CROSS), ()),  # one path, up to the old root
        ((LEAF, ISSUER, ROOT), (ROOT_SENT,)),
        ((LEAF, ISSUER, ROOT, CROSS), (ROOT_SENT, CROSS_SIGN_SENT)),
        ((LEAF, ROOT, ISSUER), (OTHER_ORDER, ROOT_SENT)),
        ((LEAF, CROSS, ISSUER), (OTHER_ORDER,)),
        ((LEAF, ISSUER, ISSUER), (TWICE,)),
        ((LEAF, LEAF, ISSUER), (TWICE,)),
        ((LEAF, leaf(ISSUER), ISSUER), (STRANGER_SENT,)),
        ((LEAF, ISSUER, authority(STRANGER, cn="Other")), (STRANGER_SENT,)),
        ((LEAF, ISSUER, cross_sign(ISSUER, OLD_ROOT, NOW)), (CROSS_SIGN_SENT,)),
        (
            (leaf(LOW), authority(ISSUER, cn="Low"), ISSUER, LOW),
            (OTHER_ORDER, STRANGER_SENT),
        ),  # it has not signed
        ((ROOT,), ()),  # a server that presents a self-signed certificate sends no root beside it
    ],
)
def test_notes(chain: tuple[Made, ...], notes: tuple[str, ...]) -> None:
    assert chain_notes(sent(*chain)) == notes


def test_notes_of_what_is_no_certificate() -> None:
    nothing = seen_certificate(b"nothing")
    assert chain_notes([nothing, *sent(LEAF)]) == (UNREADABLE,)
    assert chain_notes([*sent(LEAF), nothing, *sent(ISSUER, ROOT)]) == (UNREADABLE, ROOT_SENT)
