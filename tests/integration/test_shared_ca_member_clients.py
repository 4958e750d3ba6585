# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_member and what a host had before: clients that it lists no more, and another authority's files."""

from __future__ import annotations

import pathlib
import re

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.shared_authority import SharedAuthority
from ansible_collections.certops.rotation.tests.support.shared_member import Member

CI = ["client-ci-cert.pem", "client-ci-key.pem"]
CLIENTS = [{"name": "admin"}, {"name": "ci"}]


@pytest.fixture
def shared(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> SharedAuthority:
    return SharedAuthority(modules, faults, aws)


@pytest.fixture
def member(shared: SharedAuthority, tmp_path: pathlib.Path) -> Member:
    return Member(shared, tmp_path / "joblet")


def test_files_of_a_client_that_is_listed_no_more_are_removed(shared: SharedAuthority, member: Member) -> None:
    shared.good(clients=CLIENTS)
    member.good(server_names=[], clients=["admin", "ci"])
    foreign = pki.CertificateAuthority("other").issue("x")
    stays = {
        "client-mine-cert.pem": foreign.certificate_pem,
        "client-mine-key.pem": foreign.private_key_pem,
        "client-notes.txt": "x",
    }
    for name, text in stays.items():
        (member.path / name).write_text(text)
    (member.path / "client-link-key.pem").symlink_to("client-mine-key.pem")
    result = member.four_times(server_names=[], clients=["admin"])
    assert result["changed_files"] == [str(member.path / name) for name in CI]
    assert not [name for name in CI if (member.path / name).exists()]
    assert {name: member.text(name) for name in stays} == stays
    assert (member.path / "client-link-key.pem").is_symlink()
    assert member.certificate("client-admin-cert.pem") == shared.certificate("client-cert")
    # Listed again, and gone with a list that is empty.
    assert member.four_times(server_names=[], clients=["ci", "admin"])["changed_files"] == result["changed_files"]
    assert len(member.four_times(server_names=[], clients=[])["changed_files"]) == 4


def test_a_pair_of_the_authority_that_somebody_has_put_there_stays(shared: SharedAuthority, member: Member) -> None:
    shared.good(clients=CLIENTS)
    member.good(server_names=[])
    for kind in ("cert", "key"):
        (member.path / f"client-ci-{kind}.pem").write_text(shared.text(f"client-{kind}-ci"))
    assert not member.good(server_names=[])["changed"]
    # A host of an earlier version remembers nothing: there such a pair is what it has installed.
    (member.path / ".certops" / "shared-ca.json").unlink()
    assert member.four_times(server_names=[])["changed_files"] == [str(member.path / name) for name in CI]


def test_a_configuration_may_have_such_a_name(shared: SharedAuthority, member: Member) -> None:
    shared.good()
    content = {"cert": "@client_cert:admin@\n", "key": "@client_key:admin@\n"}
    configurations = [
        {"dest": str(member.path / f"client-other-{kind}.pem"), "content": text} for kind, text in content.items()
    ]
    member.four_times(server_names=[], clients=["admin"], configurations=configurations)
    (member.path / ".certops" / "shared-ca.json").unlink()
    assert not member.good(server_names=[], clients=["admin"], configurations=configurations)["changed"]


def test_a_file_that_somebody_else_has_put_in_its_place_stays_and_is_told(
    shared: SharedAuthority, member: Member
) -> None:
    shared.good(clients=CLIENTS)
    member.good(server_names=[], clients=["ci"])
    (member.path / CI[1]).write_text("mine")
    run = member.run(server_names=[], clients=[])
    assert (run.result["changed"], run.result["changed_files"]) == (True, [str(member.path / CI[0])])
    assert f"{CI[1]} has the name of a file of a client that is not listed any more" in str(run.result["warnings"])
    assert member.text(CI[1]) == "mine"
    assert not member.good(server_names=[], clients=[])["changed"]


def test_nothing_is_removed_while_secrets_manager_cannot_be_used(shared: SharedAuthority, member: Member) -> None:
    shared.good(clients=CLIENTS)
    member.good(clients=["admin", "ci"])
    before = member.snapshot()
    shared.faults.fail("DescribeSecret", "AccessDeniedException")
    assert member.four_times(False, clients=["admin"])["source"] == "kept"
    assert member.snapshot() == before


def test_a_host_with_an_authority_of_its_own_keeps_no_key_of_a_client_that_is_listed_no_more(member: Member) -> None:
    alone = {"use_secrets_manager": "false"}
    member.good(clients=["admin", "ci"], **alone)
    (member.path / "embedded" / "client-mine.pem").write_text("mine")
    result = member.four_times(clients=["admin"], **alone)
    assert result["changed_files"] == [str(member.path / name) for name in (*CI, "embedded/client-ci.pem")]
    assert sorted(path.name for path in (member.path / "embedded").iterdir()) == [
        "ca.pem",
        "client-admin.pem",
        "client-mine.pem",
    ]


def test_a_directory_is_not_given_to_two_authorities_in_turn(
    shared: SharedAuthority, member: Member, modules: ModuleServer, faults: AwsFaults, aws: MotoServer
) -> None:
    other = SharedAuthority(modules, faults, aws, "another")
    shared.good(clients=CLIENTS)
    other.good()
    member.good(clients=["admin", "ci"])
    before = member.snapshot()
    for check in (True, False):
        run = member.run(check=check, prefix="another", clients=["admin"])
        assert run.failed
        assert "secret:joblet/ca-cert, and " in run.result["msg"]
        assert "secret:another/ca-cert is another one. Give each a path of its own." in run.result["msg"]
        assert member.snapshot() == before
    assert not member.good(clients=["admin", "ci"])["changed"]
    # What it says to do.
    found = re.search(r"delete (\S+) and run again", run.result["msg"])
    assert found is not None
    pathlib.Path(found[1]).unlink()
    moved = member.four_times(prefix="another", clients=["admin"])
    assert moved["server"]["reason"] == "ca_changed"
    assert [str(member.path / name) for name in CI] == moved["changed_files"][-2:]
    assert "secret:another/ca-cert, and " in member.run(clients=["admin"]).result["msg"]


def test_an_authority_may_be_replaced_restored_and_found_below_another_prefix(
    shared: SharedAuthority, member: Member, modules: ModuleServer, faults: AwsFaults, aws: MotoServer
) -> None:
    shared.good()
    member.good(clients=["admin"])
    shared.good(force=True)
    assert member.four_times(clients=["admin"])["server"]["reason"] == "ca_changed"
    other = SharedAuthority(modules, faults, aws, "moved")
    other.good(import_from={"certificate": shared.text("ca-cert"), "private_key": shared.text("ca-key")})
    moved = member.four_times(prefix="moved", clients=["admin"])
    assert moved["server"]["action"] == "unchanged"
