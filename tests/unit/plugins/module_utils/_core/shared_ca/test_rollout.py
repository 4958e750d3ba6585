# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a rotation is on the hosts, what stands in the way, and what a run does."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.filter.shared_ca_rollout import shared_ca_rollout
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.rollout import Rollout, RunPlan
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

OLD, NEW = "0" * 64, "f" * 64
ROLES = {
    "absent": {},
    "settled": {"current": NEW},
    "published": {"current": OLD, "successor": NEW},
    "promoted": {"current": NEW, "retiring": OLD},
}


def stored(stage, *, expired=False, client="new-client"):
    problems = [{"code": "expired", "severity": "error", "message": "It expired."}] if expired else []
    authorities = [
        {"name": "ca", "role": role, "fingerprint_sha256": fingerprint, "problems": problems}
        for role, fingerprint in ROLES[stage].items()
    ]
    admin = {"name": "admin", "role": "client", "fingerprint_sha256": client, "problems": []}
    return {
        "stage": stage,
        "trusted_fingerprints": sorted(ROLES[stage].values()),
        "certificates": [*authorities, admin],
    }


def member(trusted, server=None, client=None):
    return {
        "trusted_fingerprints": trusted,
        "server": {"issuer_fingerprint_sha256": server} if server else None,
        "clients": {"admin": {"fingerprint_sha256": client}} if client else {},
    }


def rollout(stage, *members, **options):
    return Rollout(stored(stage, **options), {f"h{number}": each for number, each in enumerate(members)})


BOTH = [OLD, NEW]
#: stage of what is stored, what the hosts hold, stage of the fleet
STAGES = [
    ("absent", [member([])], "absent"),
    ("settled", [member([NEW], NEW), member([NEW], client="new-client")], "settled"),
    ("settled", [member([NEW], NEW), member(BOTH)], "finishing"),
    ("published", [member(BOTH, OLD), member([OLD])], "published"),
    ("published", [member(BOTH, OLD), {}], "published"),
    ("published", [member(BOTH, OLD), member(BOTH, NEW)], "trusted"),
    ("published", [member(BOTH, NEW), member(BOTH)], "reissued"),
    ("promoted", [member(BOTH, NEW), member(BOTH, client="old-client")], "promoting"),
    ("promoted", [member(BOTH, OLD)], "promoting"),
    ("promoted", [member(BOTH, NEW), member(BOTH, client="new-client")], "promoted"),
]


@pytest.mark.parametrize(("stage", "members", "expected"), STAGES)
def test_stage(stage, members, expected):
    assert rollout(stage, *members).phase == expected


def test_forward():
    begin = rollout("settled", member([NEW], NEW))
    assert begin.plan("published") == RunPlan(first=("publish",), issuer="successor", why="It begins.")
    whole = begin.plan()
    assert (whole.first, whole.trust, whole.reissue, whole.then, whole.distribute, whole.last) == (
        ("publish",),
        True,
        True,
        "promote",
        True,
        "finish",
    )
    assert whole.needs == {"reissue": "trusted", "then": "reissued", "last": "promoted"}
    resumed = rollout("published", member(BOTH, NEW)).plan("reissued")
    assert (resumed.first, resumed.trust, resumed.reissue, resumed.then, resumed.last) == ((), True, True, "", "")
    promoted = rollout("promoted", member(BOTH, NEW))
    assert promoted.plan("promoted").last == ""
    assert promoted.plan().last == "finish"
    assert promoted.plan().issuer == "current"
    past = promoted.plan("trusted")
    assert not past.distribute
    assert "past trusted already" in past.why


def test_what_is_finished_in_the_store_alone_is_finished_on_the_hosts_and_nothing_else():
    for options in ({}, {"abort": True}):
        plan = rollout("settled", member(BOTH, NEW)).plan(**options)
        assert (plan.first, plan.then, plan.last, plan.needs["last"]) == ((), "", "finish", "known")


@pytest.mark.parametrize("hosts", [[member([OLD], OLD)], [member(BOTH, OLD)], [member(BOTH, NEW)]])
def test_back_before_the_promotion(hosts):
    """The successor goes when no server needs it any more."""
    plan = rollout("published", *hosts).plan(abort=True)
    assert (plan.first, plan.reissue, plan.issuer, plan.then) == ((), True, "current", "abort")
    assert plan.needs["then"] == "returned"


def test_back_after_the_promotion():
    plan = rollout("promoted", member(BOTH, NEW)).plan(abort=True)
    assert (plan.first, plan.reissue, plan.issuer, plan.distribute, plan.last) == (
        ("abort",),
        True,
        "current",
        True,
        "finish",
    )
    assert not any(rollout("settled", member([NEW], NEW)).plan(abort=True).as_dict()[key] for key in ("first", "last"))


@pytest.mark.parametrize(
    ("stage", "steps"),
    [("settled", ("publish", "promote", "finish")), ("published", ("promote", "finish")), ("promoted", ("finish",))],
)
def test_force_completes_what_has_begun(stage, steps):
    plan = rollout(stage, member(BOTH, OLD), expired=True).plan(force=True)
    assert (plan.first, plan.trust, plan.reissue, plan.distribute) == (steps, False, False, True)


def test_refusals():
    with pytest.raises(InvalidOption, match="rotate_ca_force: true replaces it"):
        rollout("settled", member([NEW]), expired=True).plan()
    with pytest.raises(InvalidOption, match="create one first"):
        rollout("absent", member([])).plan()
    with pytest.raises(InvalidOption, match="is none of published, trusted"):
        rollout("settled", member([NEW])).plan("done")
    with pytest.raises(InvalidOption, match="choose one"):
        rollout("settled", member([NEW])).plan(abort=True, force=True)


def test_obstacles():
    down = {"unreachable": True, "msg": "no route to host"}
    found = rollout("published", member(BOTH, NEW), member([OLD], OLD), down, {}, {"msg": "no cryptography"})
    unknown = [
        "h2 cannot be reached: no route to host.",
        "h3 was left out of this run (--limit).",
        "h4 does not tell what it holds: no cryptography.",
    ]
    assert found.obstacles("known") == unknown
    lack = f"h1 does not trust the successor authority {NEW[:12]} yet."
    assert found.obstacles("trusted") == [*unknown, lack]
    server = "h1 has a server certificate that is not of the successor authority."
    assert found.obstacles("reissued") == [*unknown, lack, server]
    assert found.obstacles("returned") == [
        *unknown,
        "h0 has a server certificate that is not of the current authority.",
    ]
    client = rollout("promoted", member(BOTH, NEW, client="old-client")).obstacles("promoted")
    assert client == ["h0 has another certificate of the client admin than is stored."]


def test_authorities_in_another_order_and_certificates_that_clients_refuse_stand_in_the_way():
    other = "has these in another order than they are stored"
    for trusted in (BOTH[::-1], [*BOTH, "a" * 64]):
        (told,) = rollout("published", member(trusted, OLD)).obstacles("trusted")
        assert other in told
        assert rollout("published", member(trusted, NEW)).phase == "published"
    refused = member(BOTH, NEW)
    refused["server"]["refused"] = "certificate signature failure"
    (told,) = rollout("published", refused).obstacles("reissued")
    assert told == "h0 has a server certificate that clients refuse: certificate signature failure."
    assert rollout("published", refused).phase == "trusted"


def test_the_table():
    down = {"unreachable": True, "msg": "no route to host"}
    found = rollout("promoted", member(BOTH, NEW), member([OLD, "a" * 64], OLD, client="old-client"), down)
    assert [line.split() for line in found.table] == [
        ["host", "trusts", "server", "of", "clients"],
        ["h0", "retiring,", "current", "current", "-"],
        ["h1", "retiring,", "others", "retiring", "admin", "(before)"],
        ["h2", "cannot", "be", "reached:", "no", "route", "to", "host"],
    ]


def test_whose_server_certificate_a_host_has():
    down, client = {"unreachable": True}, member(BOTH, None)
    hosts = rollout("promoted", member(BOTH, NEW), member(BOTH, OLD), member(BOTH, "a" * 64), client, down)
    assert hosts.issuers == {"h0": "current", "h1": "retiring", "h2": "another"}
    assert shared_ca_rollout(stored("published"), {"h": member(BOTH, NEW)})["issuers"] == {"h": "successor"}


def test_the_filter_tells_why_there_is_no_plan():
    told = shared_ca_rollout(stored("settled", expired=True), {"h0": member([NEW], NEW)}, abort=False)
    assert (told["stage"], told["plan"]) == ("settled", {})
    assert told["refusal"].startswith("It expired.")


def test_the_root_of_an_imported_authority_is_waited_for_as_well():
    """It is trusted, and none of the authorities that issue."""
    root = "a" * 64
    imported = stored("published")
    imported["trusted_fingerprints"] = [*BOTH, root]
    hosts = {"complete": member([*BOTH, root], OLD), "late": member(BOTH, OLD)}
    found = Rollout(imported, hosts)
    assert found.phase == "published"
    assert found.obstacles("trusted") == [f"late does not trust the root authority {root[:12]} yet."]
    assert "root" in found.table[1]
    assert Rollout(imported, {"complete": hosts["complete"]}).phase == "trusted"
