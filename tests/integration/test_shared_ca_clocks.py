# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Revoked by a controller whose clock is wrong, and lists that are none: HAProxy goes on to accept who may get in."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import quick_key
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import KeySpec, Profile, Subject, days
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.state import LABELS, Names
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.present import Wish, bring_about
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.steward import ClientWish, Steward
from ansible_collections.certops.rotation.plugins.module_utils._module.shared_ca_common import now
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.shared_secrets import SharedSecrets
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.shared_authority import SharedAuthority
from ansible_collections.certops.rotation.tests.support.shared_fleet import CLIENT, SharedFleet, shared_fleet

SERVER = "web1"
MINUTE = datetime.timedelta(minutes=1)
YES, NO = [True], [False]


@pytest.fixture
def fleet(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> t.Iterator[SharedFleet]:
    with shared_fleet(SharedAuthority(modules, faults, aws), [SERVER]) as fleet:
        fleet.members[CLIENT].good(server_names=[], clients=["admin", "ci"])
        yield fleet


def revoke(fleet: SharedFleet, client: str, offset: datetime.timedelta) -> None:
    """As a controller does whose clock is wrong by so much."""
    store = SharedSecrets(fleet.shared.client, lambda call: call, labels=LABELS)
    steward = Steward(store, Names("joblet"), now() + offset, quick_key)
    spec = KeySpec("ec", 256)
    wish = Wish(Profile(Subject("Joblet-CA", "CA").name(), spec, days(1095)), (ClientWish(client, None, True),))
    bring_about(steward, wish, steward.look([client]))


def accepted(fleet: SharedFleet) -> tuple[list[bool], list[bool]]:
    """Whether the clients admin and ci get in, after HAProxy has read its files again."""
    assert fleet.haproxy[SERVER].reload()
    return fleet.accepts(fleet.context("admin")), fleet.accepts(fleet.context("ci"))


@pytest.mark.parametrize("minutes", [4, -55])
def test_a_revocation_by_a_wrong_clock_locks_out_nobody_else(fleet: SharedFleet, minutes: int) -> None:
    assert accepted(fleet) == (YES, YES)
    revoke(fleet, "ci", minutes * MINUTE)
    fleet.members[SERVER].good()
    assert accepted(fleet) == (YES, NO)


def test_what_is_not_valid_yet_stays_out_and_the_advice_works(fleet: SharedFleet) -> None:
    member, before = fleet.members[SERVER], fleet.members[SERVER].snapshot()
    revoke(fleet, "ci", 3 * 60 * MINUTE)
    for check in (True, False):
        run = member.run(check=check)
        assert run.failed
        assert "joblet/crl cannot be used" in run.result["msg"]
        assert "check this host's clock" in run.result["msg"]
    assert member.snapshot() == before
    assert accepted(fleet) == (YES, YES)
    told = fleet.shared.info(clients=["ci"])
    assert [(each["name"], each["code"]) for each in told["problems"]] == [("crl", "crl_not_yet_valid")]
    renewed = fleet.shared.four_times(True, clients=[{"name": "ci", "state": "revoked"}])
    assert renewed.result["items"]["crl"] == "renewed"
    assert member.good()["changed_files"] == [str(member.path / "crl.pem")]
    assert accepted(fleet) == (YES, NO)


def test_a_secret_without_a_list_harms_nobody_and_the_advice_works(fleet: SharedFleet, aws: MotoServer) -> None:
    text = "nothing"
    member, before = fleet.members[SERVER], fleet.members[SERVER].snapshot()
    aws.put_secret("joblet/crl", text)
    run = member.run()
    assert run.failed
    assert "This host keeps the lists that it has. Run certops.rotation.shared_ca" in run.result["msg"]
    assert member.snapshot() == before
    assert accepted(fleet) == (YES, YES)
    # The version before is known: whom that one revokes is still refused.
    assert fleet.shared.good(clients=[{"name": "admin"}])["items"]["crl"] == "renewed"
    assert member.good()["changed"]
    assert accepted(fleet) == (YES, YES)
    assert fleet.shared.info(clients=["gone"])["certificates"][-1]["revoked"]
    # Twice, and nobody knows any more.
    aws.put_secret("joblet/crl", text)
    aws.put_secret("joblet/crl", text + " again")
    assert fleet.shared.info(clients=["gone"])["crl"] is None
    before = member.snapshot()
    run = fleet.shared.run(clients=[{"name": "admin"}])
    assert run.failed
    assert "state: revoked for each client that must not get in, or for a name that no client has" in run.result["msg"]
    assert member.run().failed
    assert member.snapshot() == before
    fleet.shared.good(clients=[{"name": "admin"}, {"name": "ci", "state": "revoked"}])
    member.good()
    assert accepted(fleet) == (YES, NO)


def test_where_nobody_is_to_be_refused_a_name_that_nobody_has_does(fleet: SharedFleet, aws: MotoServer) -> None:
    fleet.shared.client.delete_secret(SecretId="joblet/crl", ForceDeleteWithoutRecovery=True)
    aws.put_secret("joblet/crl", "{}")
    assert fleet.shared.run(clients=[{"name": "admin"}]).failed
    result = fleet.shared.good(clients=[{"name": "admin"}, {"name": "nobody", "state": "revoked"}])
    assert "client-cert-nobody" not in result["items"]
    fleet.members[SERVER].good()
    assert accepted(fleet) == (YES, YES)
