# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.instants import isoformat_utc
from ansible_collections.certops.rotation.plugins.module_utils._core.record.status import (
    CertificateStatus,
    LayerFinding,
    OldWorker,
    RunStatus,
    Status,
    run_status,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
EARLIER = NOW - timedelta(hours=5)
WELL = RunStatus(EARLIER, True, EARLIER)


def certificate(days_left: int = 60, lifetime: int = 90, **layers: LayerFinding) -> CertificateStatus:
    end = NOW + timedelta(days=days_left)
    dates = {"not_before": isoformat_utc(end - timedelta(days=lifetime)), "not_after": isoformat_utc(end)}
    return CertificateStatus("web/a", "/c/web_a.pem", "v", True, dates, layers)


def codes(status: Status) -> dict[str, str]:
    return {problem["code"]: problem["severity"] for problem in status.problems()}


@pytest.mark.parametrize(
    ("days_left", "lifetime", "expected"),
    [
        (60, 90, {}),
        (29, 90, {"renewal_due": "warning"}),
        (4, 6, {}),
        (2, 6, {"renewal_due": "warning"}),
        (0, 90, {"expired": "error"}),
    ],
)
def test_dates(days_left: int, lifetime: int, expected: dict[str, str]) -> None:
    assert codes(Status([certificate(days_left, lifetime)], WELL, NOW)) == expected


@pytest.mark.parametrize("layer", ["source", "disk", "memory", "wire"])
@pytest.mark.parametrize("verdict", ["differs", "absent", "unknown"])
def test_each_layer(layer: str, verdict: t.Any) -> None:
    waits = layer == "source" and verdict != "unknown"
    item = certificate(**{layer: LayerFinding(verdict, "why")})
    others = [certificate(source=LayerFinding("ok"))]
    status = Status([item, *others], WELL, NOW)
    assert codes(status) == {f"{layer}_{verdict}": "warning" if waits else "error"}
    assert status.as_result()["healthy"] is waits
    assert f"web/a, {layer}: {verdict}, why." in status.as_result()["msg"]
    tolerant = codes(Status([item, *others], WELL, NOW, allow_unreferenced=True))
    unused = verdict == "absent" and layer in ("memory", "wire")
    assert set(tolerant.values()) == {"warning" if unused or waits else "error"}


def test_all_that_is_gone_is_not_healthy() -> None:
    """With nothing left to compare, nothing differs."""
    gone = certificate(source=LayerFinding("absent"))
    assert codes(Status([gone, gone], WELL, NOW)) == {"source_absent": "warning", "sources_absent": "error"}
    assert codes(Status([gone, certificate()], WELL, NOW))["sources_absent"] == "error", (
        "the other one was not asked for"
    )
    assert codes(Status([], WELL, NOW, nothing="none")) == {"nothing_deployed": "error"}
    assert codes(Status([certificate()], WELL, NOW, unasked="no socket")) == {"memory_unknown": "warning"}


def test_a_wire_that_could_not_be_asked() -> None:
    unasked = Status([certificate(wire=LayerFinding("unasked", "why"))], WELL, NOW)
    assert codes(unasked) == {"wire_unasked": "warning"}
    assert unasked.as_result()["healthy"] is True
    silent = [certificate(wire=LayerFinding("unanswered", "why"))]
    assert codes(Status(silent, WELL, NOW)) == {"wire_unanswered": "error"}
    assert codes(Status(silent, WELL, NOW, allow_unanswered=True)) == {"wire_unanswered": "warning"}


def test_age() -> None:
    assert codes(Status([], WELL, NOW, timedelta(hours=6))) == {}
    assert codes(Status([], WELL, NOW, timedelta(hours=4))) == {"last_success_too_old": "error"}
    result = Status([], WELL, NOW).as_result()
    assert (result["last_success_age_seconds"], result["last_success_at"]) == (18000, "2026-11-22T07:00:00Z")
    assert codes(Status([], RunStatus(), NOW)) == {"never_succeeded": "error"}
    assert codes(Status([], WELL, NOW, damage="torn", open_transaction="x.pem")) == {
        "manifest_damaged": "error",
        "open_transaction": "warning",
    }


STATE = {
    "outcome": "proven",
    "failures": [],
    "finished_at": isoformat_utc(EARLIER),
    "last_success_at": isoformat_utc(EARLIER),
}
FAILED = {**STATE, "outcome": "failed", "recent_errors": [{"message": "no socket"}]}


def test_the_later_of_two_witnesses_counts() -> None:
    before, after = int((EARLIER - timedelta(hours=1)).timestamp()), int(NOW.timestamp())
    assert run_status({}, None, None, None, now=NOW) == RunStatus()
    assert run_status(STATE, None, None, None, now=NOW) == WELL
    assert run_status(FAILED, None, None, None, now=NOW) == RunStatus(EARLIER, False, EARLIER, ["no socket"])
    assert run_status(FAILED, before, before, True, now=NOW) == RunStatus(EARLIER, False, EARLIER, ["no socket"])
    assert run_status(FAILED, after, after, True, now=NOW) == RunStatus(NOW, True, NOW)
    assert run_status(STATE, after, before, False, now=NOW) == RunStatus(NOW, False, EARLIER, [])
    assert run_status({}, after, after, True, now=NOW) == RunStatus(NOW, True, NOW)
    assert run_status({}, None, None, None, [after], now=NOW) == RunStatus(NOW, True, NOW)
    assert run_status(FAILED, None, None, None, [after], now=NOW) == RunStatus(NOW, True, NOW)
    assert run_status(FAILED, None, None, None, [before], now=NOW) == RunStatus(EARLIER, False, EARLIER, ["no socket"])
    assert run_status({}, before, before, False, [after], now=NOW) == RunStatus(NOW, True, NOW)
    assert run_status({}, after, None, False, [before], now=NOW) == RunStatus(
        NOW, False, datetime.fromtimestamp(before, timezone.utc), []
    )
    with_failures = {**STATE, "failures": ["web/b is expired"]}
    assert run_status(with_failures, None, None, None, now=NOW) == RunStatus(
        EARLIER, False, EARLIER, ["web/b is expired"]
    )


@pytest.mark.parametrize("far", [timedelta(minutes=6), timedelta(days=3 * 365)])
def test_times_in_the_future_are_not_known(far: timedelta) -> None:
    """A clock that was wrong noted them. What failed is told all the same."""
    ahead, before = int((NOW + far).timestamp()), int(EARLIER.timestamp())
    future = NOW + far
    # A stamp that is ahead, and a run that failed since.
    assert run_status(FAILED, None, None, None, [ahead], now=NOW) == RunStatus(
        EARLIER, False, EARLIER, ["no socket"], future
    )
    assert run_status({}, before, None, False, [ahead], now=NOW) == RunStatus(EARLIER, False, None, [], future)
    # Of several stamps those count that can be.
    assert run_status({}, None, None, None, [ahead, before], now=NOW) == RunStatus(EARLIER, True, EARLIER, (), future)
    # A failure with a time that is ahead is later than anything else, for all that is known.
    failed = {**FAILED, "finished_at": isoformat_utc(future)}
    assert run_status(failed, None, None, None, [before], now=NOW) == RunStatus(
        None, False, EARLIER, ["no socket"], future
    )
    assert run_status(STATE, ahead, None, False, now=NOW) == RunStatus(None, False, EARLIER, [], future)
    # A success with such a time is none.
    well = {**STATE, "finished_at": isoformat_utc(future), "last_success_at": isoformat_utc(future)}
    unknown = run_status(well, ahead, ahead, True, [ahead], now=NOW)
    assert (unknown.last_run_at, unknown.last_success_at, unknown.ahead) == (None, None, future)
    status = Status([certificate()], unknown, NOW)
    assert codes(status) == {"time_in_future": "error"}
    assert "last success not known" in status.as_result()["msg"]
    some = run_status(STATE, ahead, ahead, True, now=NOW)
    assert codes(Status([certificate()], some, NOW)) == {"time_in_future": "warning"}


def test_clocks_may_differ_a_little() -> None:
    near = NOW + timedelta(minutes=4)
    status = run_status({}, None, None, None, [int(near.timestamp())], now=NOW)
    assert status == RunStatus(near, True, near)
    assert "last success just now" in Status([certificate()], status, NOW).as_result()["msg"]


def test_old_workers() -> None:
    differs = {f"web/{number}": LayerFinding("differs") for number in range(12)}
    workers = [
        OldWorker(7, 2, timedelta(hours=3), {**differs, "web/a": LayerFinding("ok")}),
        OldWorker(8, 1, timedelta(0), {"web/a": LayerFinding("absent")}, open_transaction="x.pem"),
        OldWorker(9, reason="it does not answer"),
    ]
    status = Status([certificate()], WELL, NOW, old_workers=workers)
    texts = {problem["code"]: problem["message"] for problem in status.problems()}
    assert set(texts) == {"old_worker_differs", "open_transaction", "old_worker_unknown"}
    assert "old worker 7, started 3h ago, still holds another version of web/0, web/1," in texts["old_worker_differs"]
    assert "web/9 and 2 more" in texts["old_worker_differs"]
    result = status.as_result()
    assert result["healthy"] is True
    assert [worker["verdict"] for worker in result["certificates"][0]["old_workers"]] == ["ok", "absent", "unknown"]
    assert (result["old_workers"][0]["uptime_seconds"], result["old_workers"][2]["uptime_seconds"]) == (10800, None)


def test_old_workers_that_are_not_known() -> None:
    quiet = Status([], WELL, NOW, why_unknown="there is no master socket.")
    assert codes(quiet) == {}
    assert "Not looked at, old workers of HAProxy: there is no master socket." in quiet.as_result()["msg"]
    assert codes(Status([], WELL, NOW, why_unknown="no answer", blind=True)) == {"old_workers_unknown": "warning"}
