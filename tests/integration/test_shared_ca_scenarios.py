# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What joblet's script for a shared authority did, and where it failed: scenarios S1 to S11, on real servers."""

from __future__ import annotations

import contextlib
import datetime
import pathlib
import socket
import ssl
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.shared_authority import FIRST_FOUR, SharedAuthority
from ansible_collections.certops.rotation.tests.support.shared_member import Member
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "shared-ca.md"
NODE_NAMES = ["joblet", "localhost", "joblet-server", "127.0.0.1", "0.0.0.0"]


class Node:
    """An instance: what it boots with is one call of each module."""

    def __init__(self, shared: SharedAuthority, directory: pathlib.Path) -> None:
        self.shared = shared
        self.member = Member(shared, directory)

    def boot(self) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        return self.shared.good(), self.member.good(server_names=NODE_NAMES, clients=["admin"])

    @contextlib.contextmanager
    def served(self) -> t.Iterator[int]:
        """HAProxy with this node's files, which asks clients for a certificate. Yields the port."""
        path = self.member.path
        tls = f"crt {path}/server.pem ca-file {path}/ca.pem verify required ssl-min-ver TLSv1.3"
        with HaproxyInstance({}, tls=[tls]) as haproxy:
            yield haproxy.port

    def connects(self, port: int, *, anonymous: bool = False) -> bool:
        """Whether this node's client and the server there accept each other. The client asks for the name joblet."""
        path = self.member.path
        context = ssl.create_default_context(cafile=str(path / "ca.pem"))
        if not anonymous:
            context.load_cert_chain(path / "client-admin-cert.pem", path / "client-admin-key.pem")
        try:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
                context.wrap_socket(raw, server_hostname="joblet") as connection,
            ):
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return connection.recv(100).startswith(b"HTTP/1.1 200")
        except (ssl.SSLError, ConnectionError):
            return False


@pytest.fixture
def shared(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> SharedAuthority:
    return SharedAuthority(modules, faults, aws)


@pytest.fixture
def nodes(shared: SharedAuthority, tmp_path: pathlib.Path) -> tuple[Node, Node]:
    return Node(shared, tmp_path / "first"), Node(shared, tmp_path / "second")


def test_s1_the_first_node_generates(shared: SharedAuthority, nodes: tuple[Node, Node]) -> None:
    stored, taken = nodes[0].boot()
    assert stored["items"] == dict.fromkeys(FIRST_FOUR, "generated")
    assert taken["server"]["reason"] == "missing"
    assert sorted(shared.versions()) == FIRST_FOUR, "the server's key is stored nowhere"
    assert taken["server"]["subject_alternative_names"] == NODE_NAMES[:-1]
    nodes[0].member.assert_whole()


def test_s2_the_second_node_retrieves(shared: SharedAuthority, nodes: tuple[Node, Node]) -> None:
    nodes[0].boot()
    before = shared.state()
    shared.faults.requests.clear()
    stored, _taken = nodes[1].boot()
    assert stored["items"] == dict.fromkeys(FIRST_FOUR, "retrieved")
    assert set(shared.faults.counts()) == {"DescribeSecret", "GetSecretValue"}
    assert shared.state() == before
    first, second = (node.member for node in nodes)
    for name in ("ca.pem", "client-admin-cert.pem", "client-admin-key.pem"):
        assert first.text(name) == second.text(name)
    assert first.text("server-key.pem") != second.text("server-key.pem")
    assert first.certificate().serial_number != second.certificate().serial_number


def test_s3_one_client_for_all_nodes_and_nobody_else(
    modules: ModuleServer, faults: AwsFaults, aws: MotoServer, nodes: tuple[Node, Node], tmp_path: pathlib.Path
) -> None:
    for node in nodes:
        node.boot()
    stranger = Node(SharedAuthority(modules, faults, aws, "other"), tmp_path / "other")
    stranger.boot()
    with nodes[0].served() as first, nodes[1].served() as second, stranger.served() as elsewhere:
        for port in (first, second):
            assert nodes[0].connects(port)
            assert not nodes[0].connects(port, anonymous=True)
            assert not stranger.connects(port)
        assert stranger.connects(elsewhere)
        assert not nodes[0].connects(elsewhere)


def test_s4_prefixes_isolate(
    modules: ModuleServer, faults: AwsFaults, aws: MotoServer, shared: SharedAuthority, tmp_path: pathlib.Path
) -> None:
    blue, green = (
        Node(SharedAuthority(modules, faults, aws, prefix), tmp_path / prefix.replace("/", "-"))
        for prefix in ("joblet/blue", "joblet/green")
    )
    blue.boot()
    green.boot()
    assert blue.member.text("ca.pem") != green.member.text("ca.pem")
    assert sorted(shared.state()) == sorted(
        f"joblet/{each}/{name}" for each in ("blue", "green") for name in FIRST_FOUR
    )


def test_s5_without_secrets_manager_there_is_no_call(shared: SharedAuthority, nodes: tuple[Node, Node]) -> None:
    assert shared.good(use_secrets_manager="false")["skipped"]
    taken = nodes[0].member.good(use_secrets_manager="false", server_names=NODE_NAMES, clients=["admin"])
    assert taken["source"] == "embedded"
    assert shared.faults.requests == []
    with nodes[0].served() as port:
        assert nodes[0].connects(port)


def test_s6_force_replaces_everything_and_the_old_client_is_refused(
    shared: SharedAuthority, nodes: tuple[Node, Node]
) -> None:
    old, new = nodes
    old.boot()
    before = {name: shared.text(name) for name in FIRST_FOUR}
    assert shared.good(force=True)["items"] == dict.fromkeys(FIRST_FOUR, "renewed")
    assert all(shared.text(name) != text for name, text in before.items())
    new.boot()
    with new.served() as port:
        assert new.connects(port)
        assert not old.connects(port)
    assert old.boot()[1]["server"]["reason"] == "ca_changed"
    with new.served() as port:
        assert old.connects(port)


def stored(aws: MotoServer, authority: pki.CertificateAuthority, key: t.Any = None) -> None:
    """An authority with a client that is good for a year, as the script left them."""
    end = pki.now() + datetime.timedelta(days=365)
    client = authority.issue("admin", usages=[ExtendedKeyUsageOID.CLIENT_AUTH], not_after=end)
    for name, text in {
        "ca-cert": authority.certificate_pem,
        "ca-key": pki.private_key_pem(key or authority.key),
        "client-cert": client.certificate_pem,
        "client-key": client.private_key_pem,
    }.items():
        aws.put_secret(f"joblet/{name}", text)


def test_s7_an_expired_authority_is_replaced_together_with_its_client(
    shared: SharedAuthority, nodes: tuple[Node, Node], aws: MotoServer
) -> None:
    """The script kept the client, and failed after it had written the configuration."""
    stored(aws, pki.CertificateAuthority("Old CA", not_after=pki.now() - datetime.timedelta(days=1)))
    before, member = shared.state(), nodes[0].member
    for run in (shared.run(), member.run(clients=["admin"])):
        assert run.failed
        assert run.returncode != 0
        assert "renew_expired: true" in run.result["msg"]
    assert shared.state() == before
    assert member.snapshot() == {}
    assert shared.good(renew_expired=True)["items"] == dict.fromkeys(FIRST_FOUR, "renewed")
    shared.assert_whole()
    nodes[0].boot()
    with nodes[0].served() as port:
        assert nodes[0].connects(port)


def test_s8_a_wrong_key_is_found_before_anything_is_written(
    shared: SharedAuthority, nodes: tuple[Node, Node], aws: MotoServer
) -> None:
    stored(aws, pki.CertificateAuthority("CA"), pki.new_key())
    before, member = shared.state(), nodes[0].member
    for run in (shared.run(), member.run(clients=["admin"])):
        assert run.failed
        assert "is its private key" in run.result["msg"]
    assert shared.state() == before
    assert member.snapshot() == {}


def test_s9_a_secret_pending_deletion_never_tears_a_pair(shared: SharedAuthority, nodes: tuple[Node, Node]) -> None:
    nodes[0].boot()
    shared.client.delete_secret(SecretId="joblet/client-key")
    before = shared.state()
    for run in (shared.run(), nodes[1].member.run(clients=["admin"], on_unavailable="embedded")):
        assert run.failed
        assert run.result["reason"] == "deleted"
    assert shared.state() == before
    shared.good(on_deleted="restore")
    shared.assert_whole()
    assert nodes[0].member.good(server_names=NODE_NAMES, clients=["admin"])["changed"] is False


def test_s10_without_a_region_a_node_goes_on_alone_when_told_to(
    shared: SharedAuthority, nodes: tuple[Node, Node]
) -> None:
    member = nodes[0].member
    member.env = {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
    assert member.run().result["reason"] == "no_region"
    taken = member.good(on_unavailable="embedded")
    assert (taken["source"], taken["reason"]) == ("embedded", "no_region")
    member.env = {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-central-1"}
    shared.good()
    assert member.good(on_unavailable="embedded")["source"] == "secrets_manager"


@pytest.mark.parametrize("reason", ["denied", "unreachable"])
def test_s11_unavailable_is_not_absent(shared: SharedAuthority, nodes: tuple[Node, Node], reason: str) -> None:
    """The script took it for absence, generated another authority, and failed to store it."""
    nodes[0].boot()
    before, (old, new) = shared.state(), nodes
    if reason == "denied":
        shared.faults.fail("DescribeSecret", "AccessDeniedException")
    else:
        shared.faults.env = {**shared.faults.env, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    assert shared.run().result["reason"] == reason
    kept = old.member.good(server_names=NODE_NAMES, clients=["admin"])
    assert (kept["source"], kept["changed"]) == ("kept", False)
    assert new.member.run(clients=["admin"]).result["reason"] == reason
    alone = new.member.good(clients=["admin"], on_unavailable="embedded")
    assert alone["source"] == "embedded"
    assert shared.state() == before
    with old.served() as port:
        assert old.connects(port), "what runs does not depend on AWS"
        assert not new.connects(port)


def test_what_is_not_done_is_said_and_not_done(shared: SharedAuthority, nodes: tuple[Node, Node]) -> None:
    """No Parameter Store, no secret for each instance, and no service that needs AWS to start."""
    section = GUIDE.read_text().partition("\n## Not done, on purpose\n")[2].partition("\n## ")[0]
    points = " ".join(section.split()).split("- ")
    for what in ("A secret for each instance:", "AWS Systems Manager Parameter Store:", "Services that read Secrets"):
        (reason,) = [point for point in points if point.startswith(what)]
        assert len(reason) > len(what) + 20, "no reason"

    for node in nodes:
        node.boot()
    services = {request.headers["X-Amz-Target"].partition(".")[0] for request in shared.faults.requests}
    assert services == {"secretsmanager"}, "AmazonSSM would be the Parameter Store"
    assert sorted(shared.versions()) == FIRST_FOUR, "two instances have no more secrets than one"
    shared.faults.fail("DescribeSecret", "AccessDeniedException")
    shared.faults.fail("GetSecretValue", "AccessDeniedException")
    shared.faults.requests.clear()
    with nodes[1].served() as port:
        assert nodes[0].connects(port)
    assert shared.faults.requests == [], "what starts reads files alone"


# Authorities that others have made


def way_to_root() -> list[pki.CertificateAuthority]:
    """Of several kinds of keys, and an authority that is called as the one that has issued it."""
    root = pki.CertificateAuthority("Company", key_type="ec384")
    middle = pki.CertificateAuthority("Company", parent=root, key_type="rsa2048", path_length=1)
    return [pki.CertificateAuthority("Fleet", parent=middle, key_type="ed25519", path_length=0), middle, root]


def test_an_imported_authority_below_others_is_believed_by_both_sides(
    shared: SharedAuthority, nodes: tuple[Node, Node]
) -> None:
    """And the one that follows it, while it is replaced: by hosts that have the successor, and by those before."""
    way = way_to_root()
    given = {
        "certificate": "".join(each.certificate_pem for each in reversed(way)),
        "private_key": pki.private_key_pem(way[0].key),
    }
    shared.four_times(True, import_from=given)
    first, second = nodes
    first.boot()
    assert {each.certificate_pem for each in way} == set(_pems(first.member.text("ca.pem")))
    assert shared.rotate("publish").result["problems"] == []
    second.boot()
    with first.served() as old, second.served() as new:
        assert first.connects(old)
        assert second.connects(new)
        assert first.connects(new)
        assert second.connects(old)
        shared.rotate("promote")
    for node in nodes:
        node.boot()
    with first.served() as port:
        assert second.connects(port)


def test_a_generated_list_of_an_imported_authority_is_believed(
    shared: SharedAuthority, nodes: tuple[Node, Node]
) -> None:
    """HAProxy asks for the list of each authority."""
    own = pki.CertificateAuthority("Own", key_type="ed448")
    given = {"certificate": own.certificate_pem, "private_key": pki.private_key_pem(own.key)}
    shared.good(import_from=given, clients=[{"name": "admin"}, {"name": "gone"}])
    shared.good(import_from=given, clients=[{"name": "admin"}, {"name": "gone", "state": "revoked"}])
    nodes[0].member.good(server_names=NODE_NAMES, clients=["admin"])
    path = nodes[0].member.path
    files = f"crt {path}/server.pem ca-file {path}/ca.pem crl-file {path}/crl.pem"
    with HaproxyInstance({}, tls=[f"{files} verify required ssl-min-ver TLSv1.3"]) as haproxy:
        assert nodes[0].connects(haproxy.port)


def test_a_host_is_told_the_names_that_its_authority_may_not_issue_for(
    shared: SharedAuthority, nodes: tuple[Node, Node]
) -> None:
    limit = x509.NameConstraints([x509.DNSName("joblet")], None)
    own = pki.CertificateAuthority("Own", extra_extensions=[(limit, True)])
    given = {"certificate": own.certificate_pem, "private_key": pki.private_key_pem(own.key)}
    shared.good(import_from=given)
    member = nodes[0].member
    for check in (True, False):
        refused = member.run(check=check, server_names=["joblet", "node.example.com", "127.0.0.1"], clients=["admin"])
        assert refused.failed
        assert "may not issue for 'node.example.com' (name constraints)" in refused.result["msg"]
    assert member.snapshot() == {}
    member.good(server_names=["joblet", "127.0.0.1"], clients=["admin"])
    with nodes[0].served() as port:
        assert nodes[0].connects(port)


def _pems(text: str) -> list[str]:
    end = "-----END CERTIFICATE-----\n"
    return [part + end for part in text.split(end)[:-1]]
