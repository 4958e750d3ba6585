# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection has one deadline, for the name, too. (What servers do wrong: the integration tests.)"""

from __future__ import annotations

import socket
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._ports.deadline import Deadline
from ansible_collections.certops.rotation.plugins.module_utils._ports.exchange import http_url, over_tcp


def test_name_servers_that_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def silent(*_arguments: t.Any, **_named: t.Any) -> t.Any:
        released.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    try:
        with pytest.raises(TimeoutError):
            over_tcp("www.example.com", 80)(Deadline(0.2))
    finally:
        released.set()


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(socket.gaierror):
        over_tcp("nothing.invalid", 80)(Deadline(30))


def test_what_is_no_name() -> None:
    with pytest.raises(ValueError, match="label"):
        over_tcp("a" * 64 + ".example.com", 80)(Deadline(30))


def test_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        connection = over_tcp("localhost", address[1])(Deadline(30))
        assert connection.getpeername() == address
        connection.close()


@pytest.mark.parametrize(
    "url",
    [
        *("", "/reload", "host:80", "ftp://host/", "http://", "https://:443/", "http://host:port/", "http://host:0/"),
        *("https://host:99999/", "http://[::1/", "https://user:hidden@host/", "https://hidden@host/"),
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidOption, match=r"^url (is an address such as|holds credentials)") as refused:
        http_url(url)
    assert "hidden" not in refused.value.message


def test_an_address() -> None:
    assert http_url("https://[::1]:8443/x?token=1").netloc == "[::1]:8443"
    assert http_url("https://xn--strae-oqa.example/ß").hostname == "xn--strae-oqa.example"
    with pytest.raises(InvalidOption, match="A-labels"):
        http_url("https://straße.example/")
