# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which names an authority may issue for, as OpenSSL has it."""

from __future__ import annotations

import ipaddress
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.name_constraints import (
    allowed_name,
    forbidden_names,
)
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLE = x509.DNSName("example.com")
BELOW = x509.DNSName(".example.com")
ALL_HOSTS = x509.DNSName("")
NETWORK = x509.IPAddress(ipaddress.ip_network("192.0.2.0/24"))
ALL_ADDRESSES = [x509.IPAddress(ipaddress.ip_network(every)) for every in ("0.0.0.0/0", "::/0")]
COUNTRY = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "US")]))
NAMES = ["example.com", "a.example.com", "*.example.com", "A.EXAMPLE.COM", "notexample.com", "joblet"]
NAMES += ["192.0.2.1", "10.0.0.1", "2001:db8::1"]


def narrow(
    permitted: t.Sequence[x509.GeneralName] = (), excluded: t.Sequence[x509.GeneralName] = ()
) -> pki.CertificateAuthority:
    constraints = x509.NameConstraints(list(permitted) or None, list(excluded) or None)
    return pki.CertificateAuthority("Narrow", key=pki.shared_key(), extra_extensions=[(constraints, True)])


@pytest.mark.parametrize(
    ("permitted", "excluded", "forbidden"),
    [
        ([EXAMPLE], [], ["notexample.com", "joblet"]),
        ([BELOW], [], ["example.com", "notexample.com", "joblet"]),
        ([ALL_HOSTS], [], []),
        ([], [ALL_HOSTS], NAMES[:6]),
        ([NETWORK], [], ["10.0.0.1", "2001:db8::1"]),
        ([], ALL_ADDRESSES, NAMES[6:]),
        ([COUNTRY], [], ["CN=example.com"]),
    ],
)
def test_the_names_that_are_forbidden(
    permitted: list[x509.GeneralName], excluded: list[x509.GeneralName], forbidden: list[str]
) -> None:
    authority = narrow(permitted, excluded)
    leaf = authority.issue(NAMES, key=pki.shared_key(), common_name="example.com")
    assert forbidden_names(leaf.certificate, [authority.certificate]) == forbidden


def test_a_name_that_is_allowed() -> None:
    every = [([EXAMPLE], []), ([BELOW], []), ([NETWORK], [ALL_HOSTS]), ([], [ALL_HOSTS])]
    for permitted, excluded in every:
        authority = narrow(permitted, excluded)
        own = allowed_name([authority.certificate])
        assert own is not None
        leaf = authority.issue(str(own.value), common_name="", key=pki.shared_key())
        assert forbidden_names(leaf.certificate, [authority.certificate]) == []
    assert allowed_name([narrow([EXAMPLE], [ALL_HOSTS, *ALL_ADDRESSES]).certificate]) is None


_SUBTREES = st.lists(st.sampled_from([EXAMPLE, BELOW, ALL_HOSTS, NETWORK, *ALL_ADDRESSES, COUNTRY]), max_size=2)


@settings(max_examples=40, deadline=None)
@given(
    permitted=_SUBTREES,
    excluded=_SUBTREES,
    names=st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
    common_name=st.sampled_from(["", "x", "www.example.com", "a.example.org", "x y.example.com", "*.example.org"]),
)
def test_openssl_agrees(
    permitted: list[x509.GeneralName],
    excluded: list[x509.GeneralName],
    names: list[str],
    common_name: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    authority = narrow(permitted, excluded) if permitted or excluded else pki.CertificateAuthority("Wide")
    leaf = authority.issue(names, common_name=common_name, key=pki.shared_key())
    forbidden = forbidden_names(leaf.certificate, [authority.certificate])
    folder: pathlib.Path = tmp_path_factory.mktemp("names")
    (folder / "ca.pem").write_text(authority.certificate_pem)
    (folder / "leaf.pem").write_text(leaf.certificate_pem)
    command = ["openssl", "verify", "-CAfile", folder / "ca.pem", folder / "leaf.pem"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bool(forbidden) == (done.returncode != 0), (forbidden, done.stderr)
