# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quick way to the end of a chain says what the thorough one says, and is taken for what is usual."""

from __future__ import annotations

import datetime
import itertools

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch import chain_ends
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.chain_ends import ChainEnds
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.chain_facts import needed_until
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.seen import seen_certificate
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import SeenCertificate
from ansible_collections.certops.rotation.tests.support.chains import NOW, Made, authority, leaf
from cryptography.hazmat.primitives import serialization

DAY = datetime.timedelta(days=1)
ENDS = (20, 40, 60)  # days from now


def sent(*members: Made) -> list[SeenCertificate]:
    return [seen_certificate(member.certificate.public_bytes(serialization.Encoding.DER)) for member in members]


@pytest.fixture
def thorough(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each time the thorough way is taken."""
    taken: list[int] = []

    def counted(*arguments: object) -> datetime.datetime | None:
        taken.append(1)
        return needed_until(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(chain_ends, "needed_until", counted)
    return taken


def test_both_ways_say_the_same(thorough: list[int]) -> None:
    """Whichever of leaf, authorities and anchor ends first, with a stranger and an expired cross-sign beside them."""
    stranger, old = authority(cn="Stranger"), authority(cn="Old")
    compared = 0
    for root_end, issuer_end, leaf_end in itertools.product(ENDS, repeat=3):
        root = authority(cn="Root", not_after=NOW + root_end * DAY)
        issuer = authority(root, cn="Issuer", not_after=NOW + issuer_end * DAY)
        ours = leaf(issuer, not_after=NOW + leaf_end * DAY)
        cross = authority(old, cn="Root", key=root.key, not_after=NOW - DAY)
        ends = ChainEnds((stranger.certificate, root.certificate), NOW)
        for chain in ((ours, issuer), (ours, issuer, root), (ours, root, issuer), (ours, issuer, cross, stranger)):
            slow = needed_until(sent(*chain), (root.certificate,), NOW)
            assert slow == NOW + min(root_end, issuer_end, leaf_end) * DAY
            assert ends.end(sent(*chain), trusted=True) == slow
            compared += 1
    assert 0 < len(thorough) < compared


def test_what_is_usual_needs_no_search(thorough: list[int]) -> None:
    root = authority(cn="Root", not_after=NOW + 5000 * DAY)
    issuer = authority(root, cn="Issuer", not_after=NOW + 500 * DAY)
    ends = ChainEnds((root.certificate,), NOW)
    chain = sent(leaf(issuer, not_after=NOW + 60 * DAY), issuer)
    assert ends.end(chain, trusted=True) == NOW + 60 * DAY
    assert thorough == []
    assert ends.end(chain, trusted=False) == NOW + 60 * DAY
    assert thorough == [1]


def test_what_nobody_trusts_is_looked_at(thorough: list[int]) -> None:
    """No dates make a path of what is none."""
    root, other = authority(cn="Root"), authority(cn="Root")  # the same name, another key
    ours = leaf(other, not_after=NOW + 60 * DAY)
    assert ChainEnds((root.certificate,), NOW).end(sent(ours), trusted=False) is None
    assert ChainEnds((), NOW).end(sent(ours), trusted=False) is None
    assert ChainEnds((root.certificate,), NOW).end((), trusted=False) is None


def test_of_anchors_with_one_name_the_first_to_end_counts(thorough: list[int]) -> None:
    """Which of them it is, only a search tells."""
    short = authority(cn="Root", not_after=NOW + 10 * DAY)
    long = authority(cn="Root", key=short.key, not_after=NOW + 500 * DAY)
    chain = sent(leaf(short, not_after=NOW + 60 * DAY))
    for anchors in ((short, long), (long, short)):
        ends = ChainEnds(tuple(each.certificate for each in anchors), NOW)
        assert ends.end(chain, trusted=True) == NOW + 60 * DAY
    assert thorough == [1, 1]


def test_bytes_that_are_no_certificate() -> None:
    root = authority(cn="Root")
    assert ChainEnds((root.certificate,), NOW).end([seen_certificate(b"odd")], trusted=True) is None
    ours = leaf(root, not_after=NOW + 60 * DAY)
    chain = [*sent(ours), seen_certificate(b"odd")]
    assert ChainEnds((root.certificate,), NOW).end(chain, trusted=True) == NOW + 60 * DAY
