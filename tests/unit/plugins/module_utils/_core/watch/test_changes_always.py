# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds of judgements whatever servers do."""

from __future__ import annotations

import json
import typing as t

import hypothesis
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.tests.support.watching import Life, seen
from hypothesis import strategies as st

CERTIFICATES = {
    "a": seen("a", -10, 80),
    "b": seen("b", 20, 110),
    "short": seen("short", 0, 8),
    "other": seen("other", -100, 300, issuer="CN=Other", subject_alternative_names=("other.example",)),
    "unreadable": seen("unreadable", 0, 0, not_before=None, not_after=None, issuer=None, key_sha256=None),
}
Step = tuple[float, t.Optional[str], t.Optional[bool]]
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.01, 0.5, 1.0, 3.0, 30.0]),  # days since the one before
        st.sampled_from([None, *CERTIFICATES]),
        st.sampled_from([True, False, None]),
    ),
    min_size=1,
    max_size=40,
)
POLICIES = st.builds(WatchPolicy, unreachable_after=st.integers(1, 3), recovered_after=st.integers(1, 3))


def live(life: Life, steps: t.Sequence[Step]) -> float:
    day = 0.0
    for pause, name, trusted in steps:
        day += pause
        life.see(day, *([CERTIFICATES[name]] if name else []), trusted=trusted)
    return day


def repeat(life: Life, day: float, step: Step, scans: int) -> list[str]:
    return [kind for scan in range(scans) for kind in see_again(life, day + 1e-4 * scan, step)]


def see_again(life: Life, day: float, step: Step) -> list[str]:
    return life.see(day, *([CERTIFICATES[step[1]]] if step[1] else []), trusted=step[2])


@hypothesis.given(STEPS, POLICIES)
def test_repetition_is_silent_and_opens_nothing(steps: list[Step], policy: WatchPolicy) -> None:
    life = Life(policy=policy)
    day = live(life, steps)
    repeat(life, day, steps[-1], 4)  # until it counts as unreachable, or recovered
    before, intervals = list(life.events), list(life.intervals)
    assert repeat(life, day + 0.001, steps[-1], 5) == []
    assert (life.events, life.intervals) == (before, intervals)


@hypothesis.given(STEPS, POLICIES)
def test_what_stays_is_what_was_told_last(steps: list[Step], policy: WatchPolicy) -> None:
    """Nobody who reads events alone believes something that is not so, once it has stayed."""
    life = Life(policy=policy)
    day = live(life, steps)
    _pause, name, trusted = steps[-1]
    for scan in range(5):
        see_again(life, day + 4.0 * scan, (0, name, trusted))
    state = life.states["192.0.2.1"]
    reach = [kind for kind in life.kinds if kind in ("unreachable", "recovered")]
    assert (reach[-1:] == ["unreachable"]) == (name is None)
    if name is None:
        return
    certificate = CERTIFICATES[name]
    served = [event for event in life.events if event.kind in ("new", "renewed", "replaced_early")]
    assert served[-1].details["after"]["fingerprint_sha256"] == certificate.fingerprint_sha256
    ended = certificate.not_after is not None and certificate.not_after <= state.last_seen
    about_it = [event.kind for event in life.events if fingerprint(event.details) == certificate.fingerprint_sha256]
    assert ("expired" in about_it) == ended
    if trusted is not None and not ended:
        verdicts = [kind for kind in life.kinds if kind in ("untrusted", "trusted_again")]
        assert (verdicts[-1:] == ["untrusted"]) == (not trusted)


def fingerprint(details: t.Mapping[str, t.Any]) -> t.Any:
    after = details.get("after")
    return after.get("fingerprint_sha256") if isinstance(after, dict) else None


@hypothesis.given(STEPS, POLICIES)
def test_history_has_no_gap_and_no_overlap(steps: list[Step], policy: WatchPolicy) -> None:
    life = Life(policy=policy)
    day = live(life, steps)
    starts = [start for _address, start in life.intervals]
    assert starts == sorted(starts)
    state = life.states["192.0.2.1"]
    assert state.since == starts[-1]
    assert state.since <= state.last_seen
    assert abs((state.last_seen - starts[0]).total_seconds() - (day - steps[0][0]) * 86400) < 1


@hypothesis.given(STEPS, POLICIES)
def test_what_is_kept_stays_small_and_events_are_json(steps: list[Step], policy: WatchPolicy) -> None:
    life = Life(policy=policy)
    live(life, steps)
    assert len(json.dumps(dict(life.states["192.0.2.1"].told))) < 1500
    for event in life.events:
        assert json.loads(json.dumps(dict(event.details))) == dict(event.details)
        assert event.message.isprintable()


@hypothesis.given(st.lists(st.sampled_from(list(CERTIFICATES)), min_size=1, max_size=120), st.floats(0.01, 2.9))
def test_however_often_it_changes_few_changes_are_told(names: list[str], pause: float) -> None:
    life = Life()
    for position, name in enumerate(names):
        life.see(position * pause / len(names), CERTIFICATES[name])
    assert sum(kind in ("renewed", "replaced_early") for kind in life.kinds) <= 6 * len(CERTIFICATES)
