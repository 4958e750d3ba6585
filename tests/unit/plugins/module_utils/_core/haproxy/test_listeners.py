# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.listeners import (
    CertificateReference,
    TlsBind,
    as_configured,
)


def configured(name: str, host: str, port: int = 443, **fields: t.Any) -> TlsBind:
    return TlsBind(name, host, port, (CertificateReference(f"/certs/{name}.pem"),), **fields)


BINDS = [
    configured("one", "127.0.0.2"),
    configured("v4", "127.0.0.1", everywhere=True, strict_sni=True),
    configured("v6", "::1", everywhere=True),
    configured("both", "::1", 444, everywhere=True),
    configured("off", "127.0.0.1", 445, not_probeable="is disabled"),
    configured("proxied", "", 0, unix_path="/run/tls.sock", proxy_protocol=True),
    configured("left", "127.0.0.1", 446),
    configured("right", "127.0.0.1", 446),
    configured("twin", "127.0.0.1", 447),
    configured("twin", "127.0.0.1", 447),
    configured("upstream", "", 0, listens=False),
]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (TlsBind("", "127.0.0.2", 443), "one"),
        (TlsBind("", "127.0.0.1", 443), "v4"),
        (TlsBind("", "192.0.2.1", 443), "v4"),
        (TlsBind("", "2001:db8::1", 443), "v6"),
        (TlsBind("", "0:0:0:0:0:0:0:1", 443), "v6"),
        (TlsBind("", "127.0.0.1", 444), "both"),
        (TlsBind("", "192.0.2.2", 443), None),  # another program has this address
        (TlsBind("", "192.0.2.1", 443, foreign=True), None),
        (TlsBind("", "127.0.0.1", 445), None),
        (TlsBind("", "127.0.0.1", 446), None),  # one of two
        (TlsBind("", "127.0.0.1", 447), "twin"),
        (TlsBind("", "127.0.0.1", 448), None),
        (TlsBind("", "", 0, unix_path="/run/tls.sock"), "proxied"),
        (TlsBind("", "", 0, unix_path="/run/other.sock"), None),
    ],
)
def test_a_named_listener_is_that_of_the_configuration(named: TlsBind, expected: str | None) -> None:
    found = as_configured(named, BINDS, taken=("192.0.2.2", "127.0.0.2"))
    if expected is None:
        assert found == named  # with lines that cannot be asked it is not known what is not there either
        return
    assert found.loads == (CertificateReference(f"/certs/{expected}.pem"),)
    assert (found.references, found.label, found.host, found.port) == (None, "", named.host, named.port)
    assert (found.strict_sni, found.proxy_protocol) == (expected == "v4", expected == "proxied")


def test_a_listener_that_the_configuration_does_not_have() -> None:
    named, foreign = TlsBind("", "127.0.0.1", 448), TlsBind("", "192.0.2.1", 448, foreign=True)
    legible = [bind for bind in BINDS if bind.not_probeable is None]
    assert as_configured(named, legible).unconfigured
    assert not as_configured(foreign, legible).unconfigured
    assert not as_configured(named, BINDS).unconfigured
    assert not as_configured(named, []).unconfigured
    assert not as_configured(TlsBind("", "127.0.0.1", 446), legible).unconfigured
