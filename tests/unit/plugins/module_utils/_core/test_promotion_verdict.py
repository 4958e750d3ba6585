# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Right may be promoted, wrong is withdrawn, what could not be asked is held: whatever canaries, time and others do."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.promotion_verdict import (
    Canary,
    OwnCheck,
    PromotionRules,
    answer,
    is_lagging,
    is_left_behind,
    verdicts,
)

NOW = datetime.datetime(2027, 1, 31, 12, 0, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)
RULES = PromotionRules("CANDIDATE", soak=datetime.timedelta(minutes=10), deadline=24 * HOUR)


def at(ago: datetime.timedelta = datetime.timedelta(0)) -> str:
    return (NOW - ago).strftime("%Y-%m-%dT%H:%M:%SZ")


def candidate(name: str = "web/a", **more: t.Any) -> dict[str, t.Any]:
    return {
        "name": name,
        "arn": f"arn:{name}",
        "label": "CANDIDATE",
        "state": "staged",
        "version_id": "new",
        "base_version_id": "old",
        "current_version_id": "old",
        "created_at": at(HOUR),
        "not_after": at(-24 * HOUR),
        "problems": [],
        **more,
    }


def item(name: str = "web/a", **more: t.Any) -> dict[str, t.Any]:
    known = {"name": name, "arn": f"arn:{name}", "version_id": "new", "action": "unchanged", "proven": True}
    return {**known, "path": f"/certs/{name}.pem", "label": "CANDIDATE", "proven_at": at(HOUR), "problems": [], **more}


def canary(*items: dict[str, t.Any], host: str = "one", **result: t.Any) -> Canary:
    return Canary(host, {"certificates": list(items), **result}, labels=("CANDIDATE", "AWSCURRENT"))


DOWN = Canary("down", trouble="Connection refused")
NEW = {"action": "updated", "proven": False, "proven_at": None}


def verdict(found: dict[str, t.Any], *canaries: Canary, **more: t.Any) -> tuple[str, str]:
    (told,) = verdicts([found], canaries, more.pop("rules", RULES), NOW, **more)
    return told.verdict, told.reason


def test_what_all_canaries_have_proven_for_the_soak_is_promoted() -> None:
    canaries = [canary(item()), canary(item(proven_at=at(HOUR / 2)), host="two")]
    (told,) = verdicts([candidate()], canaries, RULES, NOW)
    assert (told.verdict, told.soak_left) == ("promote", datetime.timedelta(0))
    assert told.reason == f"proven by one, two since {at(HOUR / 2)}"
    assert told.as_result()["canaries"].keys() == {"one", "two"}


@pytest.mark.parametrize(
    ("item_facts", "result", "seconds"),
    [
        ({"proven_at": at(datetime.timedelta(minutes=4))}, {}, 360),  # a run before was killed: the rest is waited for
        (NEW, {"proven": ["web/a"]}, 600),  # by this run
        ({"proven_at": None}, {}, 600),  # nobody knows when
        ({"proven_at": at(-HOUR)}, {}, 600),  # by a clock that is ahead
        ({"proven_at": "yesterday"}, {}, 600),
        ({"proven_at": at(6 * HOUR)}, {}, 300),  # by a clock that is behind: it was staged five minutes ago
    ],
)
def test_the_soak_is_counted_from_when_it_was_proven(
    item_facts: dict[str, t.Any], result: dict[str, t.Any], seconds: int
) -> None:
    found = candidate(created_at=at(datetime.timedelta(minutes=5)))
    (told,) = verdicts([found], [canary(item(**item_facts), **result)], RULES, NOW)
    assert (told.verdict, told.as_result()["soak_left"]) == ("promote", seconds)


def test_the_last_canary_counts() -> None:
    late = item(proven_at=at(datetime.timedelta(minutes=1)))
    (told,) = verdicts([candidate()], [canary(item()), canary(late, host="two")], RULES, NOW)
    assert told.soak_left == datetime.timedelta(minutes=9)


@pytest.mark.parametrize(
    ("item_facts", "result", "reason"),
    [
        (
            {"action": "refused", "cause": "content", "proven": False, "problems": [{"message": "weak key"}]},
            {},
            "one refused it: weak key",
        ),
        (
            NEW,
            {"rolled_back": ["web/a"], "activation_error": "serves another"},
            "one has taken it back: serves another",
        ),
        (
            NEW,
            {"rolled_back": ["web/a"], "reload_attempts": [{"reloaded": False, "log": "bad /certs/web/a.pem"}]},
            "one has taken it back",
        ),
    ],
)
def test_what_one_has_refused_or_not_served_is_withdrawn_though_others_are_down(
    item_facts: dict[str, t.Any], result: dict[str, t.Any], reason: str
) -> None:
    kind, why = verdict(candidate(), canary(item(**item_facts), **result), canary(item(), host="two"), DOWN)
    assert kind == "withdraw"
    assert reason in why


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (DOWN, "down could not be asked: Connection refused"),
        (Canary("down"), "nothing is known of it"),
        (canary(item(action="failed", cause="host", proven=False, problems=[{"message": "disk full"}])), "disk full"),
        (canary(item(action="refused", cause="source", proven=False)), "could not deploy it"),
        (canary(item(**NEW), not_proven={"web/a": "no answer"}), "could not be asked for it: no answer"),
        (canary(item(**NEW), activation_error="no socket"), "does not serve it yet: no socket"),
        (
            canary(
                item(**NEW), rolled_back=["web/a"], reload_attempts=[{"reloaded": False, "log": "line 3: nonsense"}]
            ),
            "nothing says that this certificate is why",
        ),
        (canary(item(version_id="old", label="AWSCURRENT")), "has not seen it yet"),
        (canary(item(version_id="newer")), "has another candidate by now"),
        (
            Canary("one", {"certificates": [item(version_id="old", label="AWSCURRENT")]}, labels=("AWSCURRENT",)),
            "one reads AWSCURRENT and not CANDIDATE: set haproxy_certificates_labels: [CANDIDATE, AWSCURRENT]",
        ),
        (canary(item("web/b")), "no canary has this certificate: one"),
        (canary(item(action="removed")), "no canary has this certificate"),
        (Canary("one", {"certificates": [{"name": "web/a"}]}), "something else than the result of a rotation"),
        (Canary("one", {"certificates": 5}), "something else"),
    ],
)
def test_what_could_not_be_asked_is_held_until_the_deadline(bad: Canary, reason: str) -> None:
    others = [] if "no canary" in reason else [canary(item(), host="two")]
    kind, why = verdict(candidate(), bad, *others)
    assert kind == "hold"
    assert reason in why
    kind, why = verdict(candidate(created_at=at(24 * HOUR)), bad, *others)
    assert kind == "withdraw"
    assert why.startswith("held for more than 1d: ")
    assert reason in why
    assert verdict(candidate(created_at=None), bad, *others)[0] == "hold"


def test_who_has_not_the_certificate_has_no_say() -> None:
    assert verdict(candidate(), canary(item()), canary(item("web/b"), host="two"))[0] == "promote"


def test_a_deadline_does_not_end_what_is_proven() -> None:
    assert verdict(candidate(created_at=at(48 * HOUR)), canary(item(proven_at=at())))[0] == "promote"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"state": "superseded"}, "another version has become the current one"),
        ({"state": "expired"}, "it has expired"),
        ({"state": "invalid", "problems": [{"message": "weak key"}]}, "it may not be served: weak key"),
        ({"state": "invalid", "problems": ["weak key"]}, "it may not be served: weak key"),
        ({"not_after": at()}, "it has expired"),  # while it was soaking
    ],
)
def test_what_can_never_be_promoted_is_withdrawn(facts: dict[str, t.Any], expected: str) -> None:
    kind, why = verdict(candidate(**facts), canary(item()))
    assert kind == "withdraw"
    assert expected in why


def test_an_empty_one_is_held_until_the_deadline() -> None:
    assert verdict(candidate(state="empty", not_after=None), canary(item(version_id="old")))[0] == "hold"
    assert verdict(candidate(state="empty", not_after=None, created_at=at(25 * HOUR)))[0] == "withdraw"


def test_what_is_current_already_is_finished_and_nothing_is_told_of_none() -> None:
    assert verdict(candidate(state="promoted", current_version_id="new"))[0] == "promote"
    assert verdict(candidate(state="promoted"), rules=PromotionRules("CANDIDATE", withdraw=True))[0] == "promote"
    assert verdicts([candidate(state="none", version_id=None)], [], RULES, NOW) == []


def test_somebody_may_say_so() -> None:
    rules = PromotionRules("CANDIDATE", withdraw=True)
    assert verdict(candidate(), DOWN, rules=rules) == ("withdraw", "promotion_withdraw says so")


def test_each_certificate_is_on_its_own() -> None:
    refused = item("web/b", action="refused", cause="content", proven=False)
    told = verdicts([candidate(), candidate("web/b")], [canary(item(), refused)], RULES, NOW)
    assert [found.verdict for found in told] == ["promote", "withdraw"]


def test_check_mode_foresees() -> None:
    (told,) = verdicts([candidate()], [canary(item(**NEW), plan=["web/a"])], RULES, NOW)
    assert (told.verdict, told.reason) == ("promote", "when the canaries have proven it")


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        (OwnCheck("page", "passed"), "promote"),
        (OwnCheck("page", "failed", "status 500"), "withdraw"),
        (OwnCheck("page", "unasked", "no answer"), "hold"),
        (OwnCheck("page", "failed", "status 500", ("web/b",)), "promote"),
        (OwnCheck("page", "failed", "status 500", ("web/b", "web/a")), "withdraw"),
        (OwnCheck("page", "failed", "status 500", ("arn:web/a",)), "withdraw"),
    ],
)
def test_checks_of_ones_own(check: OwnCheck, kind: str) -> None:
    told, why = verdict(candidate(), canary(item()), checks=[check])
    assert told == kind
    assert kind == "promote" or f"check page: {check.why}" in why


def again(outcome: str | None, **more: t.Any) -> Canary:
    found = {"name": "web/a", "outcome": outcome, "not_proven_because": ["serves another"]}
    proof = {"certificates": [found]} if outcome else more
    return Canary("one", {"certificates": [item()]}, labels=("CANDIDATE",), proof=proof, asked_again=True)


@pytest.mark.parametrize(
    ("asked", "kind", "reason"),
    [
        (again("right"), "promote", "proven by one"),
        (again("wrong"), "withdraw", "does not serve it any more: serves another"),
        (again("unasked"), "hold", "could not be asked again: serves another"),
        (again("shadowed"), "hold", "could not be asked again"),
        (again(None, msg="unreachable"), "hold", "could not be asked again: unreachable"),
    ],
)
def test_the_proof_is_asked_for_again_at_the_end_of_the_soak(asked: Canary, kind: str, reason: str) -> None:
    told, why = verdict(candidate(), asked, before=[candidate()])
    assert told == kind
    assert reason in why


@pytest.mark.parametrize(
    ("now", "kind", "reason"),
    [
        ([candidate()], "promote", "proven by one"),
        ([candidate(version_id="newer")], "hold", "while this run was under way"),
        ([], "withdraw", "has taken the label CANDIDATE from it"),
        ([candidate(state="none", version_id=None)], "withdraw", "has taken the label CANDIDATE from it"),
        ([candidate(state="none", version_id=None, current_version_id="new")], "promote", "somebody else has made it"),
        ([candidate(state="promoted", current_version_id="new")], "promote", "AWSCURRENT is at it already"),
        ([candidate(state="superseded", current_version_id="theirs")], "withdraw", "another version has become"),
        # Without a base, as of a rotation by AWS: somebody went back to an older version.
        ([candidate(base_version_id=None, current_version_id="older")], "hold", "somebody has made another version"),
        ([candidate(state="unknown", version_id=None)], "hold", "it could not be read"),
    ],
)
def test_what_has_become_of_it_during_the_soak(now: list[dict[str, t.Any]], kind: str, reason: str) -> None:
    (told,) = verdicts(now, [again("right")], RULES, NOW, before=[candidate()])
    assert told.verdict == kind
    assert reason in told.reason


def test_what_could_not_be_read_is_held() -> None:
    """Whatever the canaries say: nobody has waited for it, or run checks for it."""
    unknown = candidate(state="unknown", created_at=None, problems=[{"message": "access denied"}])
    assert verdict(unknown, canary(item())) == ("hold", "it could not be read: access denied")
    assert verdict(candidate(), canary(item()), before=[unknown])[0] == "hold"
    by_hand = PromotionRules("CANDIDATE", withdraw=True)
    assert verdict(unknown, rules=by_hand)[0] == "withdraw"
    assert verdict({**unknown, "version_id": None}, rules=by_hand)[0] == "hold"


@pytest.mark.parametrize("arn", [None, "arn:web/b"])  # asked for by its name, or listed
@pytest.mark.parametrize("state", ["none", "staged", "superseded", "promoted", "empty", "invalid", "unknown"])
def test_a_secret_that_could_not_be_looked_at_at_first_keeps_nothing_from_others(arn: str | None, state: str) -> None:
    unseen = {"state": "unknown", "version_id": None, "current_version_id": None, "created_at": None}
    known = candidate("web/b", arn=arn, **unseen, problems=[{"message": "throttled"}])
    facts = {"none": {"version_id": None}, "unknown": {**unseen, "arn": arn}}.get(state, {"created_at": at(48 * HOUR)})
    found = candidate("web/b", **{"state": state, **facts})
    told = verdicts([candidate(), found], [again("right")], RULES, NOW, before=[candidate(), known])
    assert [(each.candidate["name"], each.verdict) for each in told] == [("web/a", "promote"), ("web/b", "hold")]
    assert told[1].reason == "it could not be read: throttled"


def test_what_was_staged_during_the_soak_is_left_to_the_next_run() -> None:
    told = verdicts([candidate(), candidate("web/b")], [again("right")], RULES, NOW, before=[candidate()])
    assert [found.candidate["name"] for found in told] == ["web/a"]


def test_a_secret_without_a_candidate_is_not_told_of() -> None:
    none = candidate("web/b", state="none", version_id=None)
    told = verdicts([candidate(), none], [again("right")], RULES, NOW, before=[candidate(), none])
    assert [found.candidate["name"] for found in told] == ["web/a"]


def test_another_proof_of_a_newer_candidate_withdraws_nothing() -> None:
    (told,) = verdicts([candidate(version_id="newer")], [again("wrong")], RULES, NOW, before=[candidate()])
    assert told.verdict == "hold"


def test_who_lags_behind() -> None:
    behind = canary(item(version_id="old", label="AWSCURRENT"))
    assert is_lagging([candidate()], behind, RULES, NOW)
    assert not is_lagging([candidate(state="empty")], behind, RULES, NOW)
    assert not is_lagging([candidate()], canary(item()), RULES, NOW)
    assert not is_lagging([candidate()], DOWN, RULES, NOW)
    assert is_left_behind([candidate()], canary(item()))
    assert not is_left_behind([candidate()], behind)
    assert not is_left_behind([candidate()], DOWN)


def test_the_same_name_in_another_account_is_another_secret() -> None:
    assert answer(candidate(), canary(item(arn="arn:other")), "CANDIDATE", NOW).kind == "other"
    assert answer(candidate(arn=None), canary(item(arn="arn:other")), "CANDIDATE", NOW).kind == "right"


PRIMARY, REPLICA = (f"arn:aws:secretsmanager:{region}:111122223333:secret:web/a-AbCdEf" for region in ("a-1", "b-1"))


def test_a_canary_that_reads_a_replica_has_its_say() -> None:
    found, there = candidate(arn=PRIMARY), item(arn=PRIMARY)
    assert verdict(found, canary(there), canary(item(arn=REPLICA), host="two"))[0] == "promote"
    bad = item(arn=REPLICA, action="refused", proven=False, problems=[{"message": "weak key"}])
    assert verdict(found, canary(there), canary(bad, host="two")) == ("withdraw", "two refused it: weak key")
    assert is_left_behind([found], canary(item(arn=REPLICA)))


def test_words_of_others_are_short_and_move_no_cursor() -> None:
    bad = Canary("one", trouble="x\x1b[2J" + "y" * 5000)
    _kind, why = verdict(candidate(), bad)
    assert "\x1b" not in why
    assert len(why) < 400
