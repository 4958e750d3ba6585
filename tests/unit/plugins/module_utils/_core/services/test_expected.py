# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which leaf an endpoint should show, and what its answers say."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.services.definitions import (
    LiveLineage,
    ServiceDefinition,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.services.expected import (
    EndpointAnswer,
    EndpointQuestion,
    candidates_for,
    judge_endpoints,
)


def live(name: str, *names: str) -> LiveLineage:
    return LiveLineage(name, name.encode().hex(), names or (name,), f"/live/{name}")


WWW = live("www.example.com")
RSA = live("www.example.com-0001", "WWW.example.com")
WILD = live("example.com", "*.example.com", "example.com")
MAIL = live("mail.example.org", "mail.example.org", "192.0.2.1")
ALL = (WWW, RSA, WILD, MAIL)
ANY = ServiceDefinition("systemd", "nginx.service")


def named(*names: str) -> ServiceDefinition:
    return ServiceDefinition("systemd", "nginx.service", lineages=names)


@pytest.mark.parametrize(
    ("service", "host", "server_name", "known", "expected"),
    [
        (ANY, "127.0.0.1", "www.example.com", ALL, [WWW, RSA, WILD]),
        (ANY, "127.0.0.1", "WWW.Example.com.", ALL, [WWW, RSA, WILD]),
        (ANY, "127.0.0.1", "other.example.com", ALL, [WILD]),
        (ANY, "127.0.0.1", "a.b.example.com", ALL, []),
        (ANY, "192.0.2.1", "", ALL, [MAIL]),
        # Nobody can tell, unless there is one alone, or the entry says it.
        (ANY, "127.0.0.1", "", ALL, []),
        (ANY, "127.0.0.1", "", [MAIL], [MAIL]),
        (ANY, "localhost", "localhost", [MAIL], [MAIL]),
        (ANY, "127.0.0.1", "127.0.0.1", [MAIL], [MAIL]),
        # Asked for by name, a leaf that does not cover it is somebody else's.
        (ANY, "127.0.0.1", "db.internal", [MAIL], []),
        (named("mail.example.org"), "127.0.0.1", "db.internal", [MAIL], [MAIL]),
        (named("mail.example.org"), "127.0.0.1", "", ALL, [MAIL]),
        (named("mail.example.org"), "127.0.0.1", "www.example.com", ALL, [MAIL]),
        (named("www.example.com", "mail.example.org"), "127.0.0.1", "www.example.com", ALL, [WWW]),
        (named("gone.example.com"), "127.0.0.1", "www.example.com", ALL, []),
        (ANY, "127.0.0.1", "www.example.com", [], []),
    ],
)
def test_the_lineages_that_cover_the_name_are_expected(
    service: ServiceDefinition,
    host: str,
    server_name: str,
    known: t.Sequence[LiveLineage],
    expected: list[LiveLineage],
) -> None:
    assert list(candidates_for(service, host, server_name, known)) == expected


def question(*candidates: LiveLineage) -> EndpointQuestion:
    return EndpointQuestion("127.0.0.1:443 (www.example.com)", "www.example.com", candidates)


def shows(lineage: LiveLineage) -> EndpointAnswer:
    return EndpointAnswer(lineage.fingerprint_sha256)


OLD = EndpointAnswer("0" * 64)
DEAD = EndpointAnswer(None, "connection refused", answered_before=True)
UNKNOWN = EndpointAnswer(None, "connection refused")


@pytest.mark.parametrize(
    ("asked", "answers", "told", "wrong", "proven", "unasked"),
    [
        ([], [], ["a"], (), (), ()),
        ([question(WWW)], [shows(WWW)], [WWW.name], (), (WWW.name,), ()),
        ([question(WWW)], [OLD], [WWW.name], (WWW.name,), (), ()),
        ([question(WWW)], [DEAD], [WWW.name], (WWW.name,), (), ()),
        ([question(WWW)], [UNKNOWN], [WWW.name], (), (), (WWW.name,)),
        ([question()], [OLD], [WWW.name], (), (), (WWW.name,)),
        # All endpoints have to.
        ([question(WWW), question(WWW)], [shows(WWW), OLD], [WWW.name], (WWW.name,), (), ()),
        ([question(WWW), question(WWW)], [shows(WWW), UNKNOWN], [WWW.name], (), (), (WWW.name,)),
        ([question(WWW), question(WWW)], [UNKNOWN, OLD], [WWW.name], (WWW.name,), (), ()),
        # The service chooses among those that cover the name; of the other one nothing is known.
        ([question(WWW, WILD)], [shows(WILD)], [WWW.name, WILD.name], (), (WILD.name,), ()),
        ([question(WWW, WILD)], [OLD], [WWW.name, WILD.name], (WILD.name, WWW.name), (), ()),
        # What it has not been told of just now is not this run's.
        ([question(WWW, WILD)], [OLD], [WWW.name], (WWW.name,), (), ()),
        ([question(MAIL), question(WWW)], [OLD, shows(WWW)], [WWW.name], (), (WWW.name,), ()),
        ([question(WWW, WILD)], [shows(WILD)], [WWW.name], (), (), ()),
    ],
)
def test_answers_speak_of_lineages(
    asked: list[EndpointQuestion],
    answers: list[EndpointAnswer],
    told: list[str],
    wrong: tuple[str, ...],
    proven: tuple[str, ...],
    unasked: tuple[str, ...],
) -> None:
    assert judge_endpoints(asked, answers, told)[:3] == (wrong, proven, unasked)


def test_what_is_shown_instead_of_several_is_the_fault_of_one() -> None:
    """Not of one that is shown by each name that it has alone there."""
    shared, own = question(WWW, WILD), question(WILD)
    told = [WWW.name, WILD.name]
    assert judge_endpoints([shared, own], [OLD, shows(WILD)], told)[:3] == ((WWW.name,), (), (WILD.name,))
    assert judge_endpoints([shared, own], [OLD, OLD], told)[:3] == ((WILD.name, WWW.name), (), ())
    assert judge_endpoints([shared, own], [OLD, shows(WILD)], [WILD.name])[:3] == ((), (), (WILD.name,))
    assert judge_endpoints([shared, own], [DEAD, shows(WILD)], told)[:3] == ((WILD.name, WWW.name), (), ())
    both = [shared, own, question(WWW)]
    assert judge_endpoints(both, [OLD, shows(WILD), shows(WWW)], told).wrong == (WILD.name, WWW.name)
    elsewhere = EndpointQuestion("127.0.0.1:8443 (example.com)", "example.com", (WILD,))
    assert judge_endpoints([shared, elsewhere], [OLD, shows(WILD)], told).wrong == (WILD.name, WWW.name)


def test_what_somebody_else_serves_is_no_ground_against_the_only_lineage() -> None:
    asked = [
        EndpointQuestion(name, name, candidates_for(ANY, "127.0.0.1", name, [WWW]))
        for name in ("www.example.com", "mail.example.com")
    ]
    verdict = judge_endpoints(asked, [shows(WWW), OLD], [WWW.name])
    assert (verdict.wrong, verdict.unasked) == ((), (WWW.name,))
    assert [complaint.partition(":")[0] for complaint in verdict.complaints] == ["mail.example.com"]


def test_who_could_not_be_told_may_show_what_it_had() -> None:
    """But is not to be dead, if it was not before."""
    asked = [question(WWW)]
    assert judge_endpoints(asked, [OLD], [WWW.name], is_told=False)[:3] == ((), (), (WWW.name,))
    assert judge_endpoints(asked, [DEAD], [WWW.name], is_told=False)[:3] == ((WWW.name,), (), ())
    assert judge_endpoints(asked, [shows(WWW)], [WWW.name], is_told=False)[:3] == ((), (WWW.name,), ())
    both = judge_endpoints([question(WWW), question(WWW)], [shows(WWW), OLD], [WWW.name], is_told=False)
    assert both[:3] == ((), (), (WWW.name,))


def test_complaints_name_endpoint_and_lineage_and_say_why() -> None:
    asked = [question(WWW, WILD), question(WWW), question(WWW), question()]
    old, dead, unknown, nobody = judge_endpoints(asked, [OLD, DEAD, UNKNOWN, OLD], [WWW.name]).complaints
    for complaint in (old, dead, unknown, nobody):
        assert complaint.startswith("127.0.0.1:443 (www.example.com)")
    assert "shows another certificate (0000000000000000...) than that of www.example.com or example.com" in old
    assert "answered before, and does not since the service was told of www.example.com: connection refused" in dead
    assert "could not be asked for www.example.com" in unknown
    assert "no live lineage covers www.example.com" in nobody
