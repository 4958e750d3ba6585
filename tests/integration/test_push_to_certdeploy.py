# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pushes into a running certdeploy client: it takes them, deploys them, and tells its services."""

from __future__ import annotations

import pathlib
import stat
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.delivery import Delivery
from ansible_collections.certops.rotation.plugins.module_utils._errors import PushError
from ansible_collections.certops.rotation.plugins.module_utils._ports.sftp.openssh import OpensshDeliverer
from ansible_collections.certops.rotation.tests.support.certdeploy_client import CertdeployClient
from ansible_collections.certops.rotation.tests.support.push_lineages import new_lineage
from ansible_collections.certops.rotation.tests.support.ssh_hosts import make_key


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[CertdeployClient]:
    with CertdeployClient(tmp_path_factory.mktemp("certdeploy")) as client:
        yield client


def deliver(client: CertdeployClient, *lineages: t.Any, **changed: t.Any) -> list[Delivery]:
    return OpensshDeliverer().deliver(client.target(**changed), lineages, uploaded={}, wait=True)


def content(directory: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("*")}


def test_it_deploys_what_it_gets_when_the_connection_ends(client: CertdeployClient) -> None:
    """A first certificate, and its renewal; two lineages at once, in one connection."""
    names = ["www.example.com", "example.com-0001"]
    for _renewal in range(2):
        lineages = [new_lineage(name) for name in names]
        connections = client.log.read_text().count("Got connection")
        assert deliver(client, *lineages) == [Delivery(name, uploaded=True) for name in names]
        for lineage in lineages:
            wanted = {"fullchain.pem": lineage.parts["fullchain"], "privkey.pem": lineage.parts["privkey"]}
            live = client.destination / lineage.name
            client.wait_for(lambda live=live, wanted=wanted: content(live) == wanted)
            assert {stat.S_IMODE(path.stat().st_mode) for path in live.iterdir()} == {0o600}
            assert content(client.source / lineage.name) == {}
            assert stat.S_IMODE((client.source / lineage.name).stat().st_mode) == 0o700
        assert client.log.read_text().count("Got connection") == connections + 1
        client.wait_for(client.updates.exists)
        client.updates.unlink()


def test_without_a_path_its_source_is_where_the_login_ends_up(client: CertdeployClient) -> None:
    lineage = new_lineage("login.example.com")
    assert deliver(client, lineage, path="", files=("chain", "fullchain", "privkey"))[0].uploaded
    live = client.destination / lineage.name
    wanted = {f"{part}.pem": lineage.parts[part] for part in ("chain", "fullchain", "privkey")}
    client.wait_for(lambda: content(live) == wanted)


def test_where_it_takes_nothing_it_says_so(client: CertdeployClient) -> None:
    (delivery,) = deliver(client, new_lineage(), path="/elsewhere")
    assert (delivery.uploaded, delivery.fault) == (False, "remote")
    assert "old1: www.example.com: cannot write /elsewhere/www.example.com/privkey.pem: permission denied" in (
        delivery.error
    )


def test_it_lets_nobody_else_in(client: CertdeployClient, tmp_path: pathlib.Path) -> None:
    make_key(tmp_path / "stranger")
    for changed in ({"private_key_file": str(tmp_path / "stranger")}, {"user": "root"}):
        with pytest.raises(PushError, match="does not let") as refused:
            deliver(client, new_lineage(), **changed)
        assert refused.value.fault == "denied"


def test_another_host_key_is_noticed(client: CertdeployClient) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMe1W9vExBAajQhmoEg5qhLSAAYdH9OZMHA7q1TFJD7A"
    with pytest.raises(PushError, match="pinned is ssh-ed25519 SHA256:8OQnbMov") as refused:
        deliver(client, new_lineage(), host_keys=(other,))
    assert refused.value.fault == "host_key"
