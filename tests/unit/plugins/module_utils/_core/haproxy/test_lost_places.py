# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of certificates after CA and CRL files have changed in a HAProxy with issue 3165."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.lost_places import (
    PREFIX,
    Mark,
    after_change,
    before_change,
    find_mark,
    has_changed_since,
    may_be_lost,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.parsing import (
    StoredCertificate,
    parse_progress,
)


def stored(**statuses: str) -> list[StoredCertificate]:
    """u: used, n: not used. A digit that follows makes it another certificate."""
    return [
        StoredCertificate(
            name, {"u": "Used", "n": "Unused"}[status[0]], serial_number="01", fingerprint_sha1=status[1:]
        )
        for name, status in statuses.items()
    ]


def test_reach_is_known_where_the_numbers_agree() -> None:
    before, after = stored(a="u", b="u", c="n"), stored(a="n", b="u", c="n")
    mark = after_change("ca /ca.pem", 1, before, after, None)
    assert mark.reach == "unused"
    assert [may_be_lost(mark, status) for status in ("Used", "Unused")] == [False, True]
    # Of another one not all places are lost, or HAProxy does not say how many are.
    for rebuilt in (2, None):
        unclear = after_change("ca /ca.pem", rebuilt, before, after, None)
        assert unclear.reach == "all"
        assert may_be_lost(unclear, "Used")


def test_the_same_file_again_loads_the_same_places() -> None:
    before, after = stored(a="u", b="u"), stored(a="n", b="u")
    first = after_change("ca /ca.pem", 1, before, after, None)
    assert after_change("ca /ca.pem", 1, after, after, first).reach == "unused"
    assert after_change("ca /ca.pem", 2, after, stored(a="n", b="n"), first).reach == "unused"
    assert after_change("ca /ca.pem", 2, after, after, first).reach == "all"
    assert after_change("crl /ca.pem", 1, after, after, first).reach == "all"  # of which it cannot be told
    assert after_change("ca /ca.pem", 1, after, after, Mark("all", "")).reach == "all"


def test_only_changes_of_certificates_that_may_be_lost_count() -> None:
    after = stored(a="n", b="u")
    mark = after_change("ca /ca.pem", 1, stored(a="u", b="u"), after, None)
    assert not has_changed_since(mark, after)
    assert not has_changed_since(mark, stored(a="n", b="u2", new="u"))
    assert has_changed_since(mark, stored(a="n2", b="u"))
    begun = before_change(after)
    assert not has_changed_since(begun, after)
    assert has_changed_since(begun, stored(a="n", b="u2"))


def test_a_mark_is_found_by_its_name() -> None:
    first = after_change("ca /ca.pem", 1, stored(a="u"), stored(a="n"), None)
    mark = after_change("crl /crl.pem", 3, stored(a="n"), stored(a="n"), first)
    assert len(mark.places) == 2
    assert find_mark(["/ca.pem", mark.name, "@system-ca"]) == mark
    assert find_mark(["/ca.pem", "@system-ca"]) is None
    assert not set(mark.name) & set(": \\")


@pytest.mark.parametrize(
    "names", [[PREFIX], [f"{PREFIX}/unused/x"], [f"{PREFIX}/unused/{'0' * 32}", f"{PREFIX}/all/{'0' * 32}"]]
)
def test_what_cannot_be_read_means_the_worst(names: list[str]) -> None:
    mark = find_mark(names)
    assert mark is not None
    assert may_be_lost(mark, "Used")
    assert has_changed_since(mark, [])


def test_places_are_counted_by_dots() -> None:
    assert parse_progress("Committing /c/ca.pem...\nSuccess!", "/c/ca.pem") == 3
    assert parse_progress("Committing /c/ca..pem.\nSuccess!", "/c/ca..pem") == 1
    assert parse_progress("Committing /c/ca.pem\nSuccess!", "/c/ca.pem") == 0
    assert parse_progress("Success!", "/c/ca.pem") is None
