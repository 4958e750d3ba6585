# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.reissue_clock import read_clock
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.reissue_report import reissue_report

NEW, OLD = "ab" * 32, "cd" * 32


def certificate(name: str, reissue: str | None = "replaced", **more: t.Any) -> dict[str, t.Any]:
    found = {"name": name, "arn": f"arn:{name}", "fingerprint_sha256": NEW, "reason": "why", "reissue": reissue}
    return {**found, **more}


def host(*items: tuple[str, str, bool], **more: t.Any) -> dict[str, t.Any]:
    """name, fingerprint, proven."""
    return {
        "certificates": [
            {"name": name, "arn": f"arn:{name}", "fingerprint_sha256": found, "proven": proven, **more}
            for name, found, proven in items
        ]
    }


def report(*certificates: dict[str, t.Any], hosts: t.Any = None, **estimate: t.Any) -> dict[str, t.Any]:
    return reissue_report({"certificates": list(certificates), "reissue": estimate}, hosts or {})


def test_nothing_is_concerned() -> None:
    assert report(certificate("a", None)) == {
        "table": [],
        "left": [],
        "clock": [],
        "summary": "No certificate is concerned.",
    }


def test_what_was_staged_and_promoted_by_the_run_is_told_though_nothing_names_it_any_more() -> None:
    """By its serial number: the one that has taken its place has another one."""
    staged = {"label": "CANDIDATE", "version_id": "2"}
    found = {
        "certificates": [
            certificate("a", "staged", candidate=staged),
            certificate("b", "to do"),
            certificate("c", None),
        ]
    }
    now = {"certificates": [certificate("a", None), certificate("b", "to do"), certificate("c", None)]}
    told = reissue_report(now, {"lb1": host(("a", OLD, True))}, found=found)
    assert told["table"] == ["to do       b  why", "not proven  a  lb1 has another one"]
    told = reissue_report(now, {"lb1": host(("a", NEW, True))}, found=found)
    assert told["table"] == ["to do       b  why", "proven      a  lb1"]


def test_what_is_proven_everywhere_is_done() -> None:
    both = {"lb2": host(("a", NEW, True)), "lb1": host(("a", NEW, True), ("other", OLD, True))}
    told = report(certificate("a"), certificate("in-acm"), hosts=both)
    assert told["table"] == ["replaced    in-acm", "proven      a       lb1, lb2"]
    assert told["left"] == []
    assert told["summary"] == "Of 2 certificates that are concerned, 2 are replaced, 1 of them proven on the wire."


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (host(("a", OLD, True)), "lb1 has another one"),
        (host(("a", NEW, False)), "lb1 has not been seen to serve it"),
        (host(("a", OLD, True), action="refused"), "lb1 has refused it"),
    ],
)
def test_what_one_host_does_not_serve_is_left(there: dict[str, t.Any], why: str) -> None:
    told = report(certificate("a"), hosts={"lb1": there, "lb2": host(("a", NEW, True))})
    assert told["table"] == [f"not proven  a  {why}"]
    assert told["left"] == ["a"]
    assert "1 not proven" in told["summary"]


def test_what_the_run_has_just_proven_counts() -> None:
    there = {**host(("a", NEW, False)), "proven": ["a"]}
    assert report(certificate("a"), hosts={"lb1": there})["table"] == ["proven      a  lb1"]
    rolled_back = {**host(("a", NEW, False)), "proven": ["b"]}
    assert report(certificate("a"), hosts={"lb1": rolled_back})["left"] == ["a"]


def test_what_a_host_has_removed_is_not_its_own() -> None:
    told = report(certificate("a"), hosts={"lb1": host(("a", OLD, True), action="removed")})
    assert told["table"] == ["replaced    a"]


@pytest.mark.parametrize(
    "silence",
    [
        None,
        {},
        {"failed": True},
        "certificates",
        {"certificates": "a"},
        {"certificates": ["a"]},
        {"certificates": [{"arn": "arn:a"}]},
        {"certificates": [{"name": ["a"]}]},
        {**host(("a", NEW, True)), "proven": 1},
    ],
)
def test_a_host_of_which_nothing_is_known_is_named_and_nothing_is_done_as_long(silence: t.Any) -> None:
    """It was not asked, has failed, or answers what no module of this collection answers."""
    now = datetime(2027, 1, 31, 12, tzinfo=timezone.utc)
    hosts = {"lb1": host(("a", NEW, True)), "lb2": silence}
    clock = read_clock("2027-01-31T10:00:00Z", [], now)
    told = reissue_report({"certificates": [certificate("a"), certificate("b", "to do")]}, hosts, clock)
    assert told["table"][:2] == ["to do       b  why", "not proven  a  nothing is known of 1 host"]
    assert told["left"] == ["b", "a"]
    assert "left for 2 not done" in told["clock"][0]
    assert told["table"][-1] == "Nothing is known of lb2: its rotation failed, or was not asked for."
    assert told["summary"].endswith(" Nothing is known of lb2.")


def test_a_host_that_has_no_certificate_of_any_secret_is_known() -> None:
    told = report(certificate("a"), hosts={"lb1": host(("a", NEW, True)), "lb2": {"certificates": []}})
    assert told["table"] == ["proven      a  lb1"]
    assert told["left"] == []


def test_what_is_to_do_comes_first_with_the_estimate() -> None:
    held = certificate("b", "to replace", held_until="2026-11-27T00:00:00Z", reason="The CA allows 300 orders.")
    failed = certificate("c", "to replace", problem="No zone.")
    told = report(certificate("a"), held, failed, hours=10.5, at_once=1)
    assert told["table"] == [
        "to do       b  held until 2026-11-27T00:00:00Z: The CA allows 300 orders.",
        "to do       c  No zone.",
        "replaced    a",
    ]
    assert told["left"] == ["b", "c"]
    assert told["summary"] == (
        "Of 3 certificates that are concerned, 1 is replaced, 0 of them proven on the wire."
        " 2 to do, which the limits allow within 10.5 hours, 1 of them now."
    )
    assert report(held)["summary"].startswith("Of 1 certificate that is concerned, 0 are replaced.")
    assert report(held)["summary"].endswith("1 to do, and nobody can tell when the limits allow the last one.")


def test_what_is_staged_is_left() -> None:
    waiting = certificate("b", "staged", candidate={"label": "CANDIDATE", "fingerprint_sha256": NEW})
    told = report(certificate("a"), waiting)
    assert told["table"] == ["staged      b  as CANDIDATE, and waits for its promotion", "replaced    a"]
    assert told["left"] == ["b"]
    assert told["summary"] == (
        "Of 2 certificates that are concerned, 1 is replaced, 0 of them proven on the wire. 1 staged, and not promoted."
    )


def test_the_clock_and_how_long_earlier_ones_took() -> None:
    now = datetime(2027, 1, 31, 12, tzinfo=timezone.utc)
    issued = {
        "certificates": [certificate("a", "to do")],
        "reissue": {
            "to_do": 1,
            "last_order_at": "2027-02-02T12:00:00Z",
            "earlier": [{"began_at": "2026-11-27T00:00:00Z", "seconds": 754, "certificates": 3}],
        },
    }
    assert reissue_report(issued, {}, read_clock("2027-01-31T10:00:00Z", [], now))["clock"] == [
        (
            "1d end at 2027-02-01T10:00:00Z: 22 hours left for 1 not done."
            " The authority's limits allow the last order at 2027-02-02T12:00:00Z only, which is too late."
        ),
        "5d end at 2027-02-05T10:00:00Z: 4 days left for 1 not done.",
        "The one that began at 2026-11-27T00:00:00Z took 12 minutes for 3 certificates.",
    ]


def test_secrets_are_told_apart_by_their_arns() -> None:
    """Two of one name are in two accounts, or were made apart in two regions."""
    elsewhere = {"certificates": [{"name": "a", "arn": "arn:elsewhere", "fingerprint_sha256": OLD, "proven": True}]}
    assert report(certificate("a"), hosts={"lb1": elsewhere})["table"] == ["replaced    a"]
    unknown = {"certificates": [{"name": "a", "arn": None, "fingerprint_sha256": NEW, "proven": True}]}
    assert report(certificate("a"), hosts={"lb1": unknown})["table"] == ["proven      a  lb1"]


def test_a_replica_is_the_same_secret() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a-AbCdEf"
    replica = host(("a", OLD, True))
    replica["certificates"][0]["arn"] = arn.replace("eu-central-1", "us-east-1")
    told = report(certificate("a", arn=arn), hosts={"lb1": replica})
    assert told["table"] == ["not proven  a  lb1 has another one"]
