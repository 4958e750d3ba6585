# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter.rotation_progress import rotation_progress
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.progress import Progress

UNREACHABLE = {"msg": "HAProxy cannot be reached"}
RELOADED = {"results": [{"item": "master", "reloaded": True, "log": ""}]}
RELOAD_UNREACHABLE = {"results": [{"item": "master", "msg": "no master"}]}
RELOAD_REFUSED = {"results": [{"item": "master", "msg": "not valid", "reloaded": False, "log": "unknown keyword"}]}


def sync(*names: str, failures: t.Sequence[str] = (), **actions: str) -> dict[str, t.Any]:
    """names are pending; actions: of other certificates."""
    items = [{"name": name, "path": f"/c/{name}.pem", "action": "updated", "proven": False} for name in names]
    items += [
        {"name": name, "path": f"/c/{name}.pem", "action": action, "proven": action == "unchanged"}
        for name, action in actions.items()
    ]
    retired = [item["path"] for item in items if item["action"] == "removed"]
    return {"certificates": items, "retired": retired, "failures": list(failures)}


def update(*actions: str) -> dict[str, t.Any]:
    """Answers in order: an action, or an error code."""
    done = ("updated", "added", "removed", "unchanged")
    return {
        "certificates": [
            {"action": action, "error_code": None, "message": None}
            if action in done
            else {"action": "failed", "error_code": action, "message": f"because {action}."}
            for action in actions
        ]
    }


def proof(**proven: bool) -> dict[str, t.Any]:
    return {
        "certificates": [proof_item(name, "right" if value else "wrong") for name, value in proven.items()],
        "msg": "X serves 1 instead of 2",
    }


def proof_item(name: str, outcome: str, **fields: t.Any) -> dict[str, t.Any]:
    """As certificate_proof_info has it."""
    item = {"name": name, "outcome": outcome, "proven": outcome == "right", "unreferenced": False, "unanswered": []}
    return {**item, "not_proven_because": [] if outcome == "right" else [f"because of {name}"], **fields}


RESET = {"bind": "127.0.0.1:443", "server_name": "a.example.com", "error": "connection reset"}


def test_nothing_to_do() -> None:
    progress = Progress(sync(a="unchanged", b="refused"))
    assert progress.update_items == []
    assert not progress.needs_reload
    assert (progress.outcome, progress.error, progress.message) == ("proven", "", "")


def test_all_goes_well() -> None:
    progress = Progress(sync("a", b="unchanged", c="removed"))
    assert progress.update_items == [
        {"src": "/c/c.pem", "state": "absent"},
        {"src": "/c/a.pem", "state": "present"},
    ]
    progress = Progress(progress.sync, update("removed", "updated"), proof=proof(a=True))
    assert not progress.needs_reload
    assert progress.retired == ["/c/c.pem"]
    assert (progress.activation, progress.activated, progress.proven) == ("hot_update", ["a"], ["a"])
    assert [item["name"] for item in progress.proof_items] == ["a", "b"]
    assert (progress.outcome, progress.failures) == ("proven", [])


def test_an_unproven_secret_of_an_earlier_run_is_pending() -> None:
    left = sync(a="unchanged")
    left["certificates"][0]["proven"] = False
    assert Progress(left).update_items == [{"src": "/c/a.pem", "state": "present"}]


def test_a_removed_file_that_another_secret_took_over_stays() -> None:
    report = sync("a", b="removed")
    report["retired"] = ["/c/a.pem"]
    assert Progress(report).update_items == [{"src": "/c/a.pem", "state": "present"}]


@pytest.mark.parametrize("code", ["payload_too_large", "crt_list_required", "transaction_open", "permission_denied"])
def test_what_cannot_be_updated_needs_a_reload(code: str) -> None:
    before = Progress(sync("a", "b"), update("updated", code))
    assert before.needs_reload
    assert before.activated == ["a"]
    after = Progress(before.sync, before.update, RELOADED, proof(a=True, b=True))
    assert (after.activation, after.activated, after.error) == ("reload", ["a", "b"], "")


def test_what_haproxy_refuses_is_not_reloaded() -> None:
    taken_back = {"certificates": [{"name": "a", "action": "restored"}]}
    progress = Progress(sync("a", "b"), update("refused", "updated"), proof=proof(b=True), taken_back=taken_back)
    assert not progress.needs_reload
    assert (progress.refused, progress.activated, progress.unproven) == (["a"], ["b"], [])
    assert progress.outcome == "rolled_back"
    assert progress.error == "a: because refused. The previous file is back."
    for action, outcome, said in (("removed", "rolled_back", "removed again"), ("kept", "failed", "Its file stays")):
        other = {"certificates": [{"name": "a", "action": action}]}
        progress = Progress(sync("a", "b"), update("refused", "updated"), proof=proof(b=True), taken_back=other)
        assert progress.outcome == outcome
        assert said in progress.error
    both = Progress(sync("a", "b"), update("refused", "payload_too_large"))
    assert both.needs_reload
    assert Progress(both.sync, both.update, RELOADED).activated == ["b"]


def test_unreachable_in_every_way_stays_pending() -> None:
    assert Progress(sync("a"), UNREACHABLE).needs_reload
    progress = Progress(sync("a"), UNREACHABLE, RELOAD_UNREACHABLE)
    assert (progress.activation, progress.activated, progress.unproven) == ("none", [], [])
    assert progress.outcome == "failed"
    assert progress.error.splitlines() == [
        "HAProxy cannot be reached",
        "Reload by master: no master",
        "HAProxy does not serve 1 certificate yet. The next run tries again.",
    ]


def test_without_a_stats_socket() -> None:
    skipped = {"skipped": True, "changed": False}
    assert Progress(sync("a"), skipped).needs_reload
    assert Progress(sync("a"), skipped, RELOADED).activated == ["a"]


def test_a_reload_that_was_skipped_is_no_attempt() -> None:
    progress = Progress(sync("a"), update("updated"), {"results": [{"skipped": True}], "skipped": True}, proof(a=True))
    assert (progress.activation, progress.error) == ("hot_update", "")


def test_a_refused_reload_is_rolled_back() -> None:
    progress = Progress(sync("a", "b"), update("updated", "payload_too_large"), RELOAD_REFUSED, proof(a=True))
    assert (progress.activation, progress.proven, progress.unproven) == ("hot_update", ["a"], ["b"])
    rolled = {"certificates": [{"name": "b", "path": "/c/b.pem", "action": "removed", "fingerprint_sha256": None}]}
    progress = Progress(progress.sync, progress.update, progress.reload, progress.proof, rolled)
    assert progress.outcome == "rolled_back"
    assert "unknown keyword" in progress.error
    assert "Rolled back 1 certificate" in progress.error
    assert progress.restore_items == [{"src": "/c/b.pem", "state": "absent"}]
    assert progress.restored == []


def test_a_failed_proof_is_rolled_back_for_that_certificate_alone() -> None:
    progress = Progress(sync("a", "b"), update("updated", "updated"), proof=proof(a=False, b=True))
    assert (progress.proven, progress.unproven) == (["b"], ["a"])
    item = {"name": "a", "path": "/c/a.pem", "action": "restored", "fingerprint_sha256": "1", "version_id": "v"}
    progress = Progress(progress.sync, progress.update, {}, progress.proof, {"certificates": [item]})
    assert progress.restore_items == [{"src": "/c/a.pem", "state": "present"}]
    assert progress.restored == [{"name": "a", "path": "/c/a.pem", "fingerprint_sha256": "1"}]
    assert (progress.outcome, progress.error.splitlines()[0]) == ("rolled_back", "X serves 1 instead of 2")


def test_a_failed_rollback_tells_both_errors() -> None:
    progress = Progress(sync("a"), update("updated"), proof=proof(a=False), rollback_error="lost")
    assert progress.outcome == "failed"
    assert "X serves 1 instead of 2" in progress.error
    assert "failed as well: lost" in progress.error


def test_unreferenced_certificates() -> None:
    seen = {"certificates": [proof_item("a", "unasked", unreferenced=True)], "msg": "nobody loads it"}
    strict = Progress(sync("a"), update("updated"), proof=seen)
    assert (strict.unproven, strict.proven, strict.outcome) == ([], [], "unproven")
    assert strict.error.startswith("nobody loads it")
    assert strict.loaded == []
    lax = Progress(sync("a"), update("updated"), proof=seen, allow_unreferenced=True)
    assert (lax.unproven, lax.proven, lax.error) == ([], ["a"], "")


def test_a_question_without_an_answer_takes_nothing_back() -> None:
    seen = {"certificates": [proof_item("a", "unasked", unanswered=[RESET]), proof_item("b", "right")], "msg": "why"}
    progress = Progress(sync("a", "b"), update("updated", "updated"), proof=seen)
    assert (progress.unproven, progress.proven, progress.not_proven) == ([], ["b"], {"a": "because of a"})
    assert (progress.outcome, progress.loaded) == ("unproven", ["a"])
    assert progress.error.splitlines() == ["why", "What is not proven stays in place, and the next run asks again."]
    lax = Progress(progress.sync, progress.update, proof=seen, on_unproven="warn")
    assert (lax.error, lax.outcome, lax.proven, lax.not_proven) == ("", "proven", ["b"], progress.not_proven)


def test_what_cannot_be_asked_by_its_nature_is_no_failure() -> None:
    seen = {"certificates": [proof_item("a", "unasked")], "msg": "why"}
    progress = Progress(sync("a"), update("updated"), proof=seen)
    assert (progress.error, progress.outcome, progress.unproven, progress.proven) == ("", "proven", [], [])
    assert progress.not_proven == {"a": "because of a"}
    assert layers(progress)["a"]["wire"] == "unasked"


def test_only_what_is_wrong_goes_back() -> None:
    items = [proof_item("a", "unasked", unanswered=[RESET]), proof_item("b", "wrong"), proof_item("c", "right")]
    seen = {"certificates": items, "msg": "why"}
    progress = Progress(sync("a", "b", "c"), update(*["updated"] * 3), proof=seen)
    assert (progress.unproven, progress.proven, list(progress.not_proven)) == (["b"], ["c"], ["a"])
    assert progress.outcome == "rolled_back"


@pytest.mark.parametrize("answer", [{"failed": True, "msg": "Unexpected KeyError"}, {"failed": True}])
def test_a_proof_that_ended_early_is_neither_a_success_nor_a_reason_to_go_back(answer: dict[str, t.Any]) -> None:
    progress = Progress(sync("a"), update("updated"), proof=answer)
    assert (progress.unproven, progress.proven, progress.outcome) == ([], [], "unproven")
    assert progress.error.startswith("Not proven, the proof ended early: ")
    assert progress.not_proven["a"] in progress.error
    assert Progress(progress.sync, progress.update, proof=answer, on_unproven="warn").error


def test_no_proof_was_wanted() -> None:
    progress = Progress(sync("a"), update("updated"), proof={"skipped": True, "skip_reason": "Conditional result"})
    assert (progress.proven, progress.error) == (["a"], "")


def test_what_an_earlier_run_loaded_is_asked_for_and_not_loaded_again() -> None:
    report = sync("a", "b")
    report["certificates"][0]["loaded"] = True
    progress = Progress(report)
    assert progress.update_items == [{"src": "/c/b.pem", "state": "present"}]
    seen = proof(a=True, b=True)
    after = Progress(report, update("updated"), proof=seen)
    assert (after.activated, after.proven, after.error) == (["a", "b"], ["a", "b"], "")
    report = sync("a")
    report["certificates"][0]["loaded"] = True
    alone = Progress(report)
    assert (alone.update_items, alone.needs_reload, alone.has_work, alone.activated) == ([], False, True, ["a"])
    wrong = Progress(report, proof=proof(a=False))
    assert (wrong.unproven, wrong.proven, wrong.loaded) == ([], [], [])
    assert "the next run loads it again" in wrong.error
    assert wrong.outcome == "unproven"


def test_a_rollback_that_could_not_be_proven_says_so() -> None:
    item = {"name": "a", "path": "/c/a.pem", "action": "restored", "fingerprint_sha256": "1"}
    done = Progress(sync("a"), update("updated"), proof=proof(a=False), rollback={"certificates": [item]})
    assert "is not proven" not in done.error
    unsure = {"certificates": [proof_item("a", "unasked", unanswered=[RESET])], "proven": False, "msg": "a reset"}
    doubtful = Progress(done.sync, done.update, {}, done.proof, done.rollback, rollback_proof=unsure)
    assert "That the previous ones are served is not proven: a reset" in doubtful.error
    assert doubtful.outcome == "rolled_back"


def test_a_certificate_that_haproxy_keeps_is_told() -> None:
    progress = Progress(sync(c="removed"), update("in_use"), RELOAD_UNREACHABLE)
    assert progress.unproven == []
    assert progress.retired == []
    assert "/c/c.pem: because in_use. Its file is gone, but HAProxy still holds it." in progress.error


def test_what_an_earlier_run_removed_is_taken_out_of_haproxy() -> None:
    left = {**sync(b="unchanged"), "retired": ["/c/c.pem"]}
    assert Progress(left).update_items == [{"src": "/c/c.pem", "state": "absent"}]
    assert Progress(left).retired == []
    assert Progress(left, update("removed")).retired == ["/c/c.pem"]
    assert Progress(left, reload=RELOADED).retired == ["/c/c.pem"]


def test_a_rollback_that_had_nothing_to_go_back_to() -> None:
    kept = {"name": "a", "path": "/c/a.pem", "action": "kept", "fingerprint_sha256": "1"}
    progress = Progress(sync("a"), update("updated"), proof=proof(a=False), rollback={"certificates": [kept]})
    assert progress.restore_items == []
    assert progress.restored == []
    assert "Not rolled back: a had no earlier version to go back to." in progress.error
    assert "Rolled back" not in progress.error
    assert progress.outcome == "failed"


@pytest.mark.parametrize(
    ("action", "cause", "own"),
    [("refused", "content", False), ("failed", "host", True), ("refused", "source", True), ("unchanged", None, False)],
)
def test_what_a_host_has_failed_at_itself_stops_a_rollout(action: str, cause: str | None, own: bool) -> None:
    causes = {name: [f"a: bad [{name}]"] if name == cause else [] for name in ("content", "host", "source")}
    report = {
        **sync("b", a=action, failures=[line for lines in causes.values() for line in lines]),
        "failures_by_cause": causes,
    }
    progress = Progress(report, update("updated"), proof=proof(b=True))
    assert progress.own_failure is own
    assert progress.counts["problems"] == {name: len(lines) for name, lines in causes.items()}
    assert list(progress.pending) == ["b"], "what was not written is not waiting to be activated"
    assert ("a" in [item["name"] for item in progress.proof_items]) is (action == "unchanged")
    down = Progress(report, {"msg": "down"}, RELOAD_UNREACHABLE)
    assert down.own_failure
    assert down.counts["problems"]["host"] == 1 + (cause == "host")


def layers(progress: Progress) -> dict[str, dict[str, str]]:
    return {item["name"]: item["layers"] for item in progress.layers}


def test_what_is_known_of_the_layers() -> None:
    done = sync("a", b="unchanged", c="removed", d="refused")
    source = {"a": {"source": "ok"}, "b": {"source": "ok"}, "d": {"source": "differs"}}
    waiting = {**source, "a": {"source": "ok", "memory": "unknown"}}
    assert layers(Progress(done)) == waiting
    assert layers(Progress(done, UNREACHABLE, RELOAD_UNREACHABLE)) == waiting
    served = {"source": "ok", "memory": "ok", "wire": "ok"}
    assert layers(Progress(done, update("removed", "updated"), proof=proof(a=True))) == {**source, "a": served}
    kept_out = Progress(sync("a"), update("payload_too_large"), RELOAD_UNREACHABLE)
    assert layers(kept_out) == {"a": {"source": "ok", "memory": "differs"}}
    assert layers(Progress(sync("a"), update("refused"))) == {"a": {"source": "differs"}}
    back = {"certificates": [{"name": "a", "action": "restored", "fingerprint_sha256": "f", "path": "/c/a.pem"}]}
    undone = Progress(sync("a"), update("updated"), proof=proof(a=False), rollback=back)
    assert layers(undone) == {"a": {"source": "differs"}}


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        ({"outcome": "unasked", "unreferenced": True}, "absent"),
        ({"outcome": "unasked", "unanswered": [RESET]}, "unanswered"),
        ({"outcome": "unasked"}, "unasked"),
        ({"outcome": "shadowed", "shadowed": [{"reload_helps": False}]}, "differs"),
        ({"outcome": "wrong", "unanswered": [RESET]}, "differs"),
    ],
)
def test_what_is_known_of_the_wire(seen: dict[str, t.Any], verdict: str) -> None:
    answer = {"certificates": [proof_item("a", **seen)], "msg": ""}
    assert layers(Progress(sync("a"), update("updated"), proof=answer))["a"]["wire"] == verdict


def test_the_message_fits_a_screen() -> None:
    names = [f"n{number}" for number in range(300)]
    failures = [f"{name}: bad" for name in names]
    progress = Progress(sync(*names, failures=failures), update(*["payload_too_large"] * 300))
    assert len(progress.message.splitlines()) < 50
    assert "and 280 more" in progress.message
    assert len(progress.failures) == 301


def test_the_filter_refuses_other_input() -> None:
    with pytest.raises(AnsibleFilterError, match="something else than module results"):
        rotation_progress({"msg": "failed"})
    with pytest.raises(AnsibleFilterError, match="something else than module results"):
        rotation_progress(sync("a"), unknown={})


def test_one_that_another_file_shadows_stays_and_fails_the_run_until_it_is_seen() -> None:
    def seen(*, reload_helps: bool) -> dict[str, t.Any]:
        shadow = {**RESET, "path": "/c/legacy.pem", "reload_helps": reload_helps}
        return {"certificates": [proof_item("a", "shadowed", shadowed=[shadow])], "msg": "legacy.pem answers"}

    progress = Progress(sync("a"), update("updated"), proof=seen(reload_helps=False))
    assert (progress.unproven, progress.proven, progress.loaded) == ([], [], ["a"])
    assert progress.not_proven == {"a": "because of a"}
    assert (progress.outcome, progress.reload_helps) == ("unproven", False)
    assert progress.message.startswith("legacy.pem answers")
    assert Progress(sync("a"), update("updated"), proof=seen(reload_helps=False), on_unproven="warn").message == ""
    # HAProxy puts what is updated while it runs behind the others of its name, and a reload before them.
    assert Progress(sync("a"), update("updated"), proof=seen(reload_helps=True)).reload_helps
    assert not Progress(sync("a"), update("updated"), RELOADED, seen(reload_helps=True)).reload_helps
