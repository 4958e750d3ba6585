# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter.rotation_progress import rotation_progress
from ansible_collections.certops.rotation.plugins.module_utils._progress import Progress

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
    items = [{"name": name, "proven": value, "unreferenced": False} for name, value in proven.items()]
    return {"certificates": items, "msg": "X serves 1 instead of 2"}


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
    seen = proof(a=False)
    seen["certificates"][0]["unreferenced"] = True
    assert Progress(sync("a"), update("updated"), proof=seen).unproven == ["a"]
    assert Progress(sync("a"), update("updated"), proof=seen, allow_unreferenced=True).unproven == []


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
        ({"unreferenced": True}, "absent"),
        ({"mismatches": [{"served_fingerprint_sha256": None}]}, "unknown"),
        ({"mismatches": [{"served_fingerprint_sha256": None}, {"served_fingerprint_sha256": "f"}]}, "differs"),
    ],
)
def test_what_is_known_of_the_wire(seen: dict[str, t.Any], verdict: str) -> None:
    answer = {"certificates": [{"name": "a", "proven": False, "unreferenced": False, **seen}], "msg": ""}
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
