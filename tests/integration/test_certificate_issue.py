# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_issue with a real ACME server, real DNS, and AWS over HTTP."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns, aws_with_dns
from ansible_collections.certops.rotation.tests.support.acme_faults import AcmeFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.issuing_scene import PROGRAM, Scene, actions, items, pebble_for


@pytest.fixture(scope="module")
def real_aws() -> t.Iterator[AwsWithDns]:
    with aws_with_dns() as server:
        yield server


@pytest.fixture(scope="module")
def server() -> t.Iterator[ModuleServer]:
    made = ModuleServer(PROGRAM)
    yield made
    made.close()


@pytest.fixture(scope="module")
def ca(real_aws: AwsWithDns) -> t.Iterator[AcmeFaults]:
    """Pebble 2.6 behind a proxy that counts."""
    with pebble_for(real_aws) as pebble, AcmeFaults(pebble.directory_url, pebble.ca_bundle) as faults:
        yield faults


@pytest.fixture
def scene(real_aws: AwsWithDns, server: ModuleServer, ca: AcmeFaults) -> t.Iterator[Scene]:
    made = Scene(real_aws, server, ca)
    made.begin()
    ca.heal()
    yield made
    made.assert_clean()


def test_first_issue_then_nothing_to_do(scene: Scene) -> None:
    first = scene.issue(["www.example.com", ["example.com", "*.example.com"]])
    assert not first.failed, first.result["msg"]
    assert actions(first) == {"www.example.com": "issued", "example.com": "issued"}
    print(first.result["acme_requests"], first.result["api_calls"], scene.ca.counts())
    document = scene.secret("example.com")
    assert document["acme"] == {"directory": scene.ca.directory_url, "profile": None}
    scene.ca.heal()
    second = scene.issue(["www.example.com", ["example.com", "*.example.com"]])
    assert not second.result["changed"]
    print(second.result["acme_requests"], second.result["api_calls"], scene.ca.counts())
    print(items(second))
