# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A first version that was not shown, and stays: when it is one that services serve."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.deployments import Unfinished
from ansible_collections.certops.rotation.plugins.module_utils._core.services.definitions import ServiceDefinition
from ansible_collections.certops.rotation.plugins.module_utils._core.services.expected import EndpointVerdict
from ansible_collections.certops.rotation.plugins.module_utils._flows.deploy import telling
from ansible_collections.certops.rotation.plugins.module_utils._flows.deploy.settings import DeploymentSettings

WWW = "www.example.com"
WHY = "nginx: it shows another certificate."
ENDPOINT = {"host": "127.0.0.1", "port": 443, "server_name": WWW}


def asked(
    monkeypatch: pytest.MonkeyPatch, *verdicts: EndpointVerdict, endpoints: tuple[t.Any, ...] = (ENDPOINT,)
) -> tuple[telling.Telling, Unfinished]:
    """verdicts: of a service each."""
    unfinished = Unfinished(unproven={WWW: WHY})
    services = [ServiceDefinition("systemd", str(number), endpoints=endpoints) for number in range(len(verdicts))]
    settings = DeploymentSettings(receipts=None, settle=timedelta(), services=services)
    made = telling.Telling(
        t.cast(t.Any, None),
        settings,
        unfinished,
        t.cast(t.Any, None),
        {WWW: t.cast(t.Any, None)},
        lock_timeout=1,
        now=datetime(2026, 11, 26, 12, tzinfo=timezone.utc),
        check_mode=False,
    )
    monkeypatch.setattr(made, "_asked", lambda service, _names: verdicts[int(service.name)])
    made.activate()
    return made, unfinished


def test_one_that_is_shown_now_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    made, unfinished = asked(monkeypatch, EndpointVerdict(proven=(WWW,)))
    assert (unfinished.unproven, unfinished.receipts, made.proven, made.failures) == ({}, {WWW}, {WWW}, [])


@pytest.mark.parametrize("kind", ["wrong", "unasked"])
def test_one_that_is_not_shown_stays_unproven(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Also where nobody answers any more: that the service has died shows nothing."""
    verdict = EndpointVerdict(**{kind: (WWW,)}, complaints=("127.0.0.1:443 says no.",))
    made, unfinished = asked(monkeypatch, EndpointVerdict(proven=(WWW,)), verdict)
    assert (unfinished.unproven, unfinished.receipts, made.proven) == ({WWW: WHY}, set(), set())
    (failure,) = made.failures
    assert failure.startswith(f"{WWW}: {WHY}")
    assert ("says no" in failure) == (kind == "unasked")


def test_one_that_no_endpoint_is_asked_for_any_more_is_told_and_that_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made, unfinished = asked(monkeypatch, EndpointVerdict(), endpoints=())
    assert (unfinished.unproven, unfinished.receipts, made.proven, made.failures) == ({}, {WWW}, set(), [])
