# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chains of authorities with several certificates, served by HAProxy and believed by clients that know one root."""

from __future__ import annotations

import socket
import ssl
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.verification import DAY, NOW, accepted

Authority = pki.CertificateAuthority

OLD_ROOT = Authority("Old Root")
NEW_ROOT = Authority("New Root")
CROSS = Authority("New Root", key=NEW_ROOT.key, parent=OLD_ROOT)
EXPIRED_CROSS = Authority("New Root", key=NEW_ROOT.key, parent=OLD_ROOT, not_after=NOW - DAY)
BY_OLD = Authority("Issuing", parent=OLD_ROOT)
BY_NEW = Authority("Issuing", key=BY_OLD.key, parent=NEW_ROOT)
FORMER = Authority("Issuing", parent=NEW_ROOT)


class Case(t.NamedTuple):
    """authorities: what the secret holds beside its leaf; believers: the roots of clients; anchors: configured."""

    authorities: tuple[Authority, ...]
    believers: tuple[Authority, ...]
    anchors: tuple[Authority, ...] = ()
    is_ca: bool = False


CASES = {
    "old-root.example.com": Case((BY_NEW, BY_OLD), (OLD_ROOT,), (OLD_ROOT,)),
    "new-root.example.com": Case((BY_OLD, BY_NEW), (NEW_ROOT,), (NEW_ROOT,)),
    "both.example.com": Case((FORMER, NEW_ROOT, CROSS, BY_NEW), (OLD_ROOT, NEW_ROOT)),
    "expired.example.com": Case((EXPIRED_CROSS, BY_NEW, NEW_ROOT), (NEW_ROOT,)),
    "authority.example.com": Case((BY_NEW,), (NEW_ROOT,), is_ca=True),
}


@pytest.fixture(name="haproxy", scope="module")
def _haproxy() -> t.Iterator[HaproxyInstance]:
    files = {}
    for name, case in CASES.items():
        issued = BY_OLD.issue(name, is_ca=case.is_ca)
        chain = "".join(authority.certificate_pem for authority in case.authorities)
        anchors = tuple(anchor.certificate for anchor in case.anchors) or None
        bundle = accepted(issued.secret_string(certificate_chain=chain), trust_anchors=anchors)
        files[f"{name}.pem"] = bundle.render("haproxy")["pem"]
    with HaproxyInstance(files) as instance:
        yield instance


@pytest.mark.parametrize("name", CASES)
def test_clients_that_know_one_root_believe_it(haproxy: HaproxyInstance, name: str) -> None:
    for believer in CASES[name].believers:
        context = ssl.create_default_context(cadata=believer.certificate_pem)
        with (
            socket.create_connection(("127.0.0.1", haproxy.port), timeout=30) as connection,
            context.wrap_socket(connection, server_hostname=name) as secured,
        ):
            assert secured.version()
