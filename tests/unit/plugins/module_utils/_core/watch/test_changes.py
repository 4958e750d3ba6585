# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.changes import retirement
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.tests.support.watching import ADDRESS, DAY, START, WWW, Life, seen

A = seen("a", -10, 80)
B = seen("b", 55, 145)
INTERMEDIATE = seen("intermediate", -1000, 1000, subject="CN=Example CA", issuer="CN=Root")


def at(day: float) -> object:
    return START + day * DAY


def test_life_of_an_endpoint_to_the_second() -> None:
    life, second = Life(), 1 / 86400
    assert life.see(0, A) == ["new"]
    assert life.see(1, A) == []
    assert life.see(60 + second, B) == ["renewed", "key_changed"]
    assert life.see(61) == []
    assert life.see(62) == ["unreachable"]
    assert life.see(63) == []
    assert life.see(64, B) == ["recovered"]
    assert life.see(146, B, trusted=False) == ["expired"]
    assert life.see(147, B, trusted=False) == []
    assert life.intervals == [(ADDRESS, at(day)) for day in (0, 60 + second, 61, 64, 146)]
    assert [event.at for event in life.events] == [at(day) for day in (0, 60 + second, 60 + second, 62, 64, 146)]
    state = life.states[ADDRESS]
    assert (state.since, state.last_seen, state.failures) == (at(146), at(147), 0)
    retired = retirement(WWW, START)
    assert (retired.kind, retired.address, retired.at) == ("retired", None, START)
    assert retired.message == "www (www.example.com:443) is not watched any more."


def test_same_certificate_moves_last_seen_and_nothing_else() -> None:
    life = Life()
    life.see(0, A)
    first = life.states[ADDRESS]
    assert life.see(1, A) == []
    assert life.states[ADDRESS] == dataclasses.replace(first, last_seen=START + DAY)


def test_each_event_names_the_endpoint_and_can_be_sent() -> None:
    life = Life()
    for day, chain in [(0, [A]), (49, [A]), (53, [B]), (54, []), (55, []), (56, [B]), (150, [B])]:
        life.see(day, *chain)
    life.see(151, seen("c", 140, 240, issuer="CN=Other", subject_alternative_names=("x",)), trusted=False)
    assert len({event.id for event in life.events}) == len(life.events) == 11
    for event in life.events:
        assert event.message.startswith("www (www.example.com:443, 192.0.2.1) ")
        assert event.message.endswith(".")
        assert (event.name, event.host, event.port, event.address) == ("www", "www.example.com", 443, ADDRESS)
        json.dumps(dict(event.details))


@pytest.mark.parametrize(
    ("endpoint", "address", "begins"),
    [
        (WatchedEndpoint("www.example.com", "www.example.com"), ADDRESS, "www.example.com:443 (192.0.2.1) "),
        (WatchedEndpoint("192.0.2.1", ADDRESS, 8443), ADDRESS, "192.0.2.1:8443 "),
        (WatchedEndpoint("a", "2001:db8::1"), "2001:db8::1", "a ([2001:db8::1]:443) "),
        (WatchedEndpoint("a", "www.example.com", 25), None, "a (www.example.com:25) "),
    ],
)
def test_message_names_an_endpoint_without_repeating(
    endpoint: WatchedEndpoint, address: str | None, begins: str
) -> None:
    life = Life(endpoint)
    life.see(0, A, address=address)
    assert life.events[0].message.startswith(begins + "serves")


def test_two_registries_and_a_repeated_judgement_give_the_same_id() -> None:
    first, second = Life(), Life()
    first.see(0, A)
    second.see(0, A)
    assert first.events[0].id == second.events[0].id
    second.see(0, A, address="192.0.2.2")
    assert second.events[1].id != first.events[0].id


class TestReplaced:
    def test_early(self) -> None:
        life = Life()
        life.see(0, A)
        assert life.see(1, seen("c", 0, 90)) == ["replaced_early", "key_changed"]
        assert "although the former one had 79 days left" in life.events[1].message
        assert life.events[1].details["before"]["fingerprint_sha256"] == A.fingerprint_sha256

    def test_at_the_renewal_notice_it_is_a_renewal(self) -> None:
        for day, kind in [(49.99, "replaced_early"), (50, "renewed")]:
            life = Life()
            life.see(0, A)
            assert life.see(day, B)[0] == kind

    def test_by_one_that_ends_before_it(self) -> None:
        life = Life()
        life.see(60, B)
        assert life.see(146, A)[0] == "replaced_early"
        assert "before the former one" in life.events[1].message

    def test_former_that_nobody_has_any_more(self) -> None:
        life = Life()
        life.see(0, A)
        life.certificates.clear()
        assert life.see(1, B) == ["renewed"]
        assert life.events[1].details["before"] == {"fingerprint_sha256": A.fingerprint_sha256}

    def test_unreadable_certificates_are_events_too(self) -> None:
        nothing = {"not_before": None, "not_after": None, "subject": None, "issuer": None, "key_sha256": None}
        bad = seen("bad", 0, 1, subject_alternative_names=(), **nothing)
        life = Life()
        assert life.see(0, bad, trusted=False) == ["new", "untrusted"]
        assert life.see(1, A) == ["renewed", "names_changed", "trusted_again"]
        assert life.see(2, bad, trusted=False)[0] == "replaced_early"

    def test_what_is_different(self) -> None:
        life = Life()
        life.see(0, A)
        other = seen(
            "other",
            0,
            90,
            issuer="CN=R1,O=Other CA,C=US",
            subject_alternative_names=("WWW.example.com", "new.example.com"),
            key_sha256=A.key_sha256,
        )
        assert life.see(1, other) == ["replaced_early", "issuer_changed", "names_changed"]
        assert life.events[-1].details == {"lost": [], "won": ["new.example.com"], "lost_count": 0, "won_count": 1}
        assert (life.events[-1].severity, life.events[-2].severity) == ("info", "warning")
        less = dataclasses.replace(
            seen("less", 0, 90), subject_alternative_names=("b.example",), key_type="ecdsa P-256", issuer=other.issuer
        )
        assert life.see(2, less) == ["replaced_early", "names_changed", "key_changed"]
        assert life.events[-2].severity == "warning"
        assert life.events[-2].details == {
            "lost": ["WWW.example.com", "new.example.com"],
            "won": ["b.example"],
            "lost_count": 2,
            "won_count": 1,
        }
        assert "key of another type (ecdsa P-256, before rsa 2048)" in life.events[-1].message

    def test_authorities_alternate_between_their_intermediates(self) -> None:
        life = Life()
        life.see(0, dataclasses.replace(A, issuer="CN=R10,O=Let's Encrypt,C=US"))
        assert life.see(55, dataclasses.replace(B, issuer="CN=E6,O=Let's Encrypt,C=US")) == ["renewed", "key_changed"]

    def test_long_texts_are_cut(self) -> None:
        """A peer chooses them, and they go to chats."""
        long = "x" * 100_000
        life = Life()
        life.see(0, A)
        life.see(1, seen("b", 0, 90, serial_number=long, subject=long, issuer=long, subject_alternative_names=(long,)))
        assert len(life.events) == 5
        assert all(len(json.dumps(dict(event.details))) < 20_000 for event in life.events)

    def test_thousands_of_names_are_few_in_a_sentence_and_a_hundred_in_details(self) -> None:
        life = Life()
        life.see(0, A)
        life.see(55, dataclasses.replace(B, subject_alternative_names=tuple(f"n{n}.example" for n in range(5000))))
        event = next(event for event in life.events if event.kind == "names_changed")
        assert (len(event.details["won"]), event.details["won_count"]) == (100, 5000)
        assert "and 4995 more" in event.message
        assert all(len(json.dumps(dict(each.details))) < 10_000 for each in life.events)
        assert len(event.message) < 300


class TestEnding:
    def test_days_as_told_each_once_inclusive(self) -> None:
        life = Life(policy=WatchPolicy(expiring_within=(timedelta(days=7), timedelta(days=30))))
        life.see(0, A)
        second = 1 / 86400
        assert life.see(50 - second, A) == []
        assert life.see(50, A) == ["expiring"]
        assert life.see(51, A) == []
        assert life.see(73, A) == ["expiring"]
        assert life.see(74, A) == []
        assert life.see(80 - second, A) == []
        assert life.see(80, A) == ["expired"]
        assert [event.severity for event in life.events] == ["info", "warning", "critical", "critical"]
        assert life.events[1].details["threshold_seconds"] == 30 * 86400
        assert life.events[1].details["days_left"] == 30.0

    def test_first_seen_late_tells_the_nearest_alone(self) -> None:
        life = Life(policy=WatchPolicy(expiring_within=(timedelta(days=30), timedelta(days=7))))
        assert life.see(75, A) == ["new", "expiring"]
        assert life.events[1].details["threshold_seconds"] == 7 * 86400

    @pytest.mark.parametrize(("lifetime", "notice"), [(90, 30), (398, 30), (45, 15), (6, 3), (1, 0.5)])
    def test_relative_to_the_lifetime(self, lifetime: float, notice: float) -> None:
        life, second = Life(), 1 / 86400
        certificate = seen("short", 0, lifetime)
        life.see(0, certificate)
        assert life.see(lifetime - notice - second, certificate) == []
        assert life.see(lifetime - notice, certificate) == ["expiring"]
        assert life.see(lifetime - notice / 3, certificate) == ["expiring"]
        assert [event.severity for event in life.events] == ["info", "warning", "critical"]

    def test_other_thresholds_do_not_tell_it_again(self) -> None:
        life = Life(policy=WatchPolicy(expiring_within=(timedelta(days=30),)))
        life.see(60, A)
        life.policy = WatchPolicy(expiring_within=(timedelta(days=40),))
        assert life.see(61, A) == []
        life.policy = WatchPolicy(expiring_within=(timedelta(days=5),))
        assert life.see(62, A) == []
        assert life.see(76, A) == ["expiring"]

    def test_clock_that_was_ahead_for_a_while_silences_nothing(self) -> None:
        life = Life()
        life.see(0, A)
        assert life.see(9000, A) == ["expired"]
        assert life.see(1, A) == []
        assert [life.see(day, A) for day in (50, 70, 80, 81)] == [["expiring"], ["expiring"], ["expired"], []]
        life = Life()
        life.see(0, A)
        assert life.see(75, A) == ["expiring"]
        assert [life.see(day, A) for day in (52, 60, 71)] == [[], [], ["expiring"]]

    def test_end_of_the_leaf_after_that_of_an_intermediate(self) -> None:
        life = Life(policy=WatchPolicy(expiring_within=(timedelta(days=30), timedelta(days=7))))
        life.see(0, A)
        assert life.see(52, A, INTERMEDIATE, needed_until=START + 55 * DAY) == ["expiring"]
        assert life.see(53, A, seen("other", -9, 999)) == []
        assert life.see(54, A, seen("other", -9, 999), trusted=None) == []
        assert life.see(74, A, seen("other", -9, 999)) == ["expiring"]

    def test_renewed_begins_anew(self) -> None:
        life = Life()
        life.see(75, A)
        life.see(76, B)
        assert life.see(140, B) == ["expiring"]

    def test_end_of_an_intermediate_that_is_needed(self) -> None:
        life = Life()
        assert life.see(0, A, INTERMEDIATE, needed_until=START + 5 * DAY) == ["new", "expiring"]
        assert "an intermediate certificate that it needs" in life.events[1].message
        assert life.see(1, A, INTERMEDIATE, trusted=None) == []  # nobody asked for a path
        assert life.see(2, A, INTERMEDIATE, needed_until=START + 5 * DAY) == []
        assert life.see(6, A, INTERMEDIATE, trusted=False) == ["untrusted"]

    def test_expired_cross_sign_beside_a_valid_path_is_one_low_event(self) -> None:
        """Reported of blackbox_exporter (#340, #637) and Uptime Kuma (#3323)."""
        cross = seen("cross", -1000, -5, subject="CN=Root", issuer="CN=Old Root")
        life = Life()
        assert life.see(0, A, INTERMEDIATE, cross) == ["new", "chain_expiring"]
        assert (life.events[1].severity, life.states[ADDRESS].trusted) == ("info", True)
        assert [each["subject"] for each in life.events[1].details["certificates"]] == ["CN=Root"]
        assert life.see(1, A, INTERMEDIATE, cross) == []
        assert life.see(2, A, INTERMEDIATE) == []
        assert life.see(55, B, INTERMEDIATE, cross) == ["renewed", "key_changed"]

    def test_end_of_what_is_needed_is_no_end_of_something_needless(self) -> None:
        ending = dataclasses.replace(INTERMEDIATE, not_after=START + 5 * DAY)
        assert Life().see(0, A, ending, needed_until=START + 5 * DAY) == ["new", "expiring"]

    def test_dozens_of_needless_ones_are_told_once(self) -> None:
        life = Life()
        many = [seen(f"c{number}", -900, -5) for number in range(30)]
        assert life.see(0, A, *many) == ["new", "chain_expiring"]
        assert life.see(1, A, *many) == life.see(2, A, *many[10:]) == []

    def test_what_is_not_needed_cannot_be_known_without_a_path(self) -> None:
        life = Life()
        assert life.see(0, A, seen("other", -9, -5), trusted=False) == ["new", "untrusted"]
        assert life.see(1, A, seen("other", -9, -5), trusted=None) == []

    def test_expired_is_not_told_as_untrusted_too(self) -> None:
        life = Life()
        assert life.see(90, A, trusted=False) == ["new", "expired"]
        assert life.see(91, B) == ["renewed", "key_changed"]


class TestTrust:
    def test_told_once_and_taken_back(self) -> None:
        life = Life()
        assert life.see(0, A, trusted=False) == ["new", "untrusted"]
        assert life.see(1, A, trusted=False) == []
        assert life.see(2, A, trusted=None) == []
        assert life.states[ADDRESS].trusted is False
        assert life.see(3, A) == ["trusted_again"]
        assert "unable to get local issuer certificate" in life.events[1].message
        assert len(life.intervals) == 2

    def test_replaced_by_one_that_nobody_checked(self) -> None:
        life = Life()
        life.see(0, A, trusted=False)
        assert life.see(55, B, trusted=None) == ["renewed", "key_changed"]
        assert life.see(56, B) == ["trusted_again"]

    def test_untrusted_through_an_outage(self) -> None:
        life = Life()
        life.see(0, A, trusted=False)
        for day in range(1, 4):
            life.see(day)
        assert life.see(4, A, trusted=False) == ["recovered"]
        assert life.see(5, A) == ["trusted_again"]

    def test_revoked_until_a_staple_says_otherwise(self) -> None:
        """Servers do not staple each time (the first answer of nginx has none), and not each scan asks for it."""
        life = Life()
        life.see(0, A)
        assert life.see(1, A, staple="revoked", trusted=False) == ["untrusted"]
        assert [life.see(day, A, staple=staple) for day, staple in ((2, None), (3, "none"), (4, "stale"))] == [[]] * 3
        assert [life.see(day) for day in (5, 6)] == [[], ["unreachable"]]
        assert life.see(7, A) == ["recovered"]
        state = life.states[ADDRESS]
        assert (state.trusted, state.trust_error) == (False, "its OCSP response says that it has been revoked")
        assert life.see(8, A, staple="good") == ["trusted_again"]
        assert life.see(9, A) == []
        life.see(10, A, staple="revoked", trusted=False)
        assert life.see(11, B) == ["replaced_early", "key_changed", "trusted_again"]


class TestReach:
    def test_certificate_survives_an_outage(self) -> None:
        life = Life()
        life.see(0, A)
        life.see(1)
        state = life.states[ADDRESS]
        assert (state.reach, state.fingerprint_sha256, state.error) == (
            "unreachable",
            A.fingerprint_sha256,
            "connection refused",
        )
        assert state.failures == 1
        assert life.see(55, B) == ["renewed", "key_changed"]

    def test_one_failure_is_no_news(self) -> None:
        """Reported of Uptime Kuma (#4520): alerts once, and not at each hiccup."""
        life = Life()
        life.see(0, A)
        for day in range(1, 40, 2):
            assert life.see(day) == life.see(day + 1, A) == []

    @pytest.mark.parametrize("after", [1, 2, 5])
    def test_told_after_so_many_in_a_row(self, after: int) -> None:
        life = Life(policy=WatchPolicy(unreachable_after=after))
        told = [life.see(scan) for scan in range(8)]
        assert told == [["unreachable"] if scan == after - 1 else [] for scan in range(8)]
        since = f" in {after} scans in a row, since 2026-01-01T00:00:00Z" if after > 1 else ""
        assert life.events[0].message.endswith(f") gave no certificate{since}: connection refused.")

    def test_recovered_after_so_many_in_a_row(self) -> None:
        life = Life(policy=WatchPolicy(unreachable_after=1, recovered_after=3))
        life.see(0, A)
        told = [life.see(1), life.see(2, A), life.see(3, A), life.see(4), *(life.see(day, A) for day in (5, 6, 7, 8))]
        assert told == [["unreachable"], [], [], [], [], [], ["recovered"], []]

    def test_never_seen_is_no_new_certificate_until_it_comes(self) -> None:
        life = Life()
        assert life.see(0) == []
        assert life.see(1) == ["unreachable"]
        assert life.see(2, A) == ["recovered", "new"]

    def test_other_numbers_in_an_error_are_no_other_error(self) -> None:
        life = Life()
        for day, error in enumerate(["timeout after 10 s", "timeout after 12 s", "connection refused"]):
            life.see(day, error=error)
        assert [when for _address, when in life.intervals] == [at(0), at(2)]
        assert life.states[ADDRESS].error == "connection refused"

    def test_ids_that_servers_give_to_connections_make_no_history(self) -> None:
        life = Life()
        for day, number in enumerate(["5b1f17b1804b1-43b054sor12", "ffacd0b85a97d-38a4f2", "q7-20020a05"]):
            life.see(day, error=f"STARTTLS refused: server answered '421 busy {number} - smtp' to the connection")
        assert [when for _address, when in life.intervals] == [at(0)]

    def test_whether_a_server_says_goodbye_is_no_other_error(self) -> None:
        life = Life()
        for day, error in enumerate(["connection reset during handshake", "connection closed during handshake"]):
            life.see(day, error=error)
        assert len(life.intervals) == 1

    def test_another_chain_of_the_same_certificate_opens_an_interval(self) -> None:
        life = Life()
        life.see(0, A)
        life.see(1, A, INTERMEDIATE)
        life.see(2, A, INTERMEDIATE)
        assert [when for _address, when in life.intervals] == [at(0), at(1)]


class TestToAndFro:
    def test_two_certificates_by_turns_are_told_once_in_each_direction(self) -> None:
        life = Life()
        for day in range(40):
            life.see(day, B if day % 2 else A)
        assert life.kinds == ["new", "replaced_early", "key_changed", "replaced_early", "key_changed"]
        assert len(life.intervals) == 40

    def test_what_stays_in_the_end_is_told(self) -> None:
        life = Life()
        for day in range(8):
            life.see(day, B if day % 2 else A)
        assert life.states[ADDRESS].fingerprint_sha256 == B.fingerprint_sha256
        told = [life.see(day, B) for day in (8, 9, 9.9, 10, 11)]
        assert told == [[], [], [], ["replaced_early", "key_changed"], []]
        assert "had changed to and fro" in life.events[-1].message
        assert life.see(12, A)[0] == "replaced_early"  # it is news again

    def test_a_change_that_a_wrong_clock_saw_is_not_waited_for(self) -> None:
        life = Life()
        first, second = seen("x", 0, 4000), seen("y", 0, 4000)
        for day in range(7):
            life.see(day, second if day % 2 else first)
        assert life.see(1500, second) == []  # three years ahead
        assert "replaced_early" in life.see(11, second)

    def test_who_looks_seldom_is_told_no_more(self) -> None:
        life = Life()
        for week in range(20):
            life.see(7 * week, seen("y", 0, 400) if week % 2 else seen("x", 0, 400))
        assert life.kinds.count("replaced_early") == 2

    def test_turn_to_a_third_one_tells_what_was_kept_back(self) -> None:
        life = Life()
        for day in range(4):
            life.see(day, A, trusted=bool(day % 2 == 0))
        life.see(4, A)
        assert life.see(4.5, A, trusted=False) == []
        assert life.see(5, B, trusted=False) == ["replaced_early", "key_changed", "untrusted"]

    def test_expired_one_of_two_stays_told_once_for_each(self) -> None:
        life = Life()
        for day in range(80, 110):
            life.see(day, B if day % 2 else A, trusted=bool(day % 2))
        assert life.kinds.count("expired") == 1
        assert life.kinds.count("expiring") == 0
        assert life.kinds.count("untrusted") == 0

    def test_end_that_comes_near_meanwhile_is_told(self) -> None:
        life = Life()
        for day in range(30, 82):
            life.see(day, B if day % 2 else A)
        assert [event.at for event in life.events if event.kind in ("expiring", "expired")] == [at(50), at(70), at(80)]

    def test_incomplete_chain_on_one_of_two_servers(self) -> None:
        life = Life()
        for day in range(20):
            life.see(day, A, trusted=bool(day % 2))
        assert life.kinds == ["new", "untrusted", "trusted_again", "untrusted"]
        assert [life.see(day, A) for day in (20, 21, 22, 23)] == [[], [], ["trusted_again"], []]

    def test_another_certificate_at_each_connection(self) -> None:
        life = Life()
        for day in range(60):
            life.see(day, seen(f"c{day}", day, day + 90))
        assert 3 <= life.kinds.count("replaced_early") <= 6
        assert len(json.dumps(dict(life.states[ADDRESS].told))) < 1000

    def test_another_expired_one_at_each_connection(self) -> None:
        life = Life()
        for hour in range(40):
            life.see(hour / 24, seen(f"c{hour}", -90, -1), trusted=False)
        assert len(json.dumps(dict(life.states[ADDRESS].told))) < 1000

    def test_daily_certificates_are_renewed_daily(self) -> None:
        life = Life()
        for step in range(60):
            life.see(step * 0.6, seen(f"c{step}", step * 0.6, step * 0.6 + 1, key_sha256="00"))
        assert life.kinds == ["new", *["renewed"] * 59]


class TestAddresses:
    def test_each_has_its_own_life(self) -> None:
        life = Life()
        assert life.see(0, A) == life.see(0, A, address="2001:db8::1") == ["new"]
        assert life.see(55, B) == ["renewed", "key_changed"]
        assert life.see(55, A, address="2001:db8::1") == ["expiring"]
        assert life.events[-1].address == "2001:db8::1"

    def test_one_more_of_a_known_server_is_no_news(self) -> None:
        life = Life()
        life.see(55, A)
        assert life.see(56, A, address="192.0.2.9") == []
        assert life.see(57, B, address="192.0.2.9") == ["renewed", "key_changed"]

    def test_one_more_that_is_not_trusted_is_news(self) -> None:
        life = Life()
        life.see(0, A)
        assert life.see(1, A, address="192.0.2.9", trusted=False) == ["untrusted"]
        assert life.see(2, A, address="192.0.2.10", trusted=False) == []
        assert life.see(3, A, address="192.0.2.11") == []

    def test_vanished_from_dns_is_retired_after_a_while(self) -> None:
        life = Life()
        life.see(0, A)
        life.see(0, seen("other", -1, 300), address="192.0.2.9")
        assert [life.see(day, A) for day in (1, 2, 3)] == [[], [], []]
        assert life.see(4, A) == ["retired"]
        assert (life.events[-1].address, list(life.states)) == ("192.0.2.9", [ADDRESS])
        assert "2026-01-01T00:00:00Z" in life.events[-1].message
        assert life.see(5, A, address="192.0.2.9") == []

    def test_certificate_of_another_key_type_has_its_own_words(self) -> None:
        life = Life()
        life.see(0, seen("rsa", 0, 300), address="192.0.2.9", key_type="rsa")
        for day in range(5):
            life.see(day, A)
        assert life.kinds == ["new", "new", "retired"]
        assert life.events[-1].message.endswith(
            "is not found with a certificate of the key type rsa any more: it was last seen at 2026-01-01T00:00:00Z."
        )

    def test_moved_to_another_address_is_no_news(self) -> None:
        life = Life()
        life.see(0, A)
        assert [life.see(day, A, address="192.0.2.9") for day in range(1, 9)] == [[]] * 8
        assert list(life.states) == ["192.0.2.9"]

    def test_seldom_asked_ones_are_not_retired_by_the_first_of_a_scan(self) -> None:
        life = Life()
        for day in (0, 7, 14):
            for number in range(3):
                assert life.see(day, seen(f"c{number}", 0, 300), address=f"192.0.2.{number}") == (
                    [] if day else ["new"]
                )

    def test_watch_that_was_switched_off_for_long_retires_nothing(self) -> None:
        life = Life()
        for day in (0, 40, 47):
            for number in range(4):
                assert life.see(day, A, address=f"192.0.2.{number}") == ([] if day else ["new"])
        assert len(life.states) == len(life.intervals) == 4

    def test_names_that_resolve_to_others_each_time_make_no_news(self) -> None:
        life = Life()
        life.see(0, A)
        for hour in range(1, 100):
            life.see(hour / 24, A, address=f"192.0.2.{2 + hour % 40}")
        assert life.kinds == ["new"]

    def test_name_that_does_not_resolve_for_a_while(self) -> None:
        life = Life()
        life.see(0, A)
        assert life.see(1, address=None, error="name resolution failed") == []
        assert life.see(2, address=None, error="name resolution failed") == ["unreachable"]
        assert life.see(20, address=None, error="name resolution failed") == []
        assert life.see(21, A) == ["recovered"]
        assert life.events[-1].address is None
        assert list(life.states) == [ADDRESS]
        assert life.see(22, address=None, error="name resolution failed") == []
        assert life.see(23, A) == []
        assert list(life.states) == [ADDRESS]


class TestOrder:
    def test_older_one_of_a_scan_beside_it_changes_nothing(self) -> None:
        life = Life()
        life.see(60, B)
        state = life.states[ADDRESS]
        assert life.see(60 - 0.01, A) == []
        assert life.states[ADDRESS] == state
        assert len(life.intervals) == 1

    def test_clock_that_was_put_right_does_not_stop_the_watch(self) -> None:
        life = Life()
        life.see(400, A)
        assert life.see(0, A) == []
        assert life.states[ADDRESS].last_seen == START
        assert len(life.intervals) == 2

    def test_twice_in_one_second(self) -> None:
        life = Life()
        life.see(0, A)
        life.see(0, B)
        life.see(0, A)
        assert len({event.id for event in life.events}) == len(life.events)


def test_what_is_kept_is_text_and_needs_no_notes() -> None:
    life = Life()
    life.see(79, A)
    state = life.states[ADDRESS]
    assert all(isinstance(item, str) for pair in state.told.items() for item in pair)
    life.states[ADDRESS] = dataclasses.replace(state, told=json.loads(json.dumps(dict(state.told))))
    assert life.see(79.5, A) == []
    life.states[ADDRESS] = dataclasses.replace(state, told={"expiring": state.told["expiring"]})
    assert life.see(79.6, A) == []
    assert len(life.intervals) == 1
