# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of ACME when servers, proxies and trust are not as they should be: it ends, and says why."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import pathlib
import socket
import ssl
import threading
import time
import typing as t

import pytest
import trustme
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account import AcmeAccount
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import Issuer
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError, InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.authority import AcmeAuthority
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.network import AcmeLimits
from ansible_collections.certops.rotation.tests.support import bad_server, pki
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.acme_faults import AcmeFaults
from ansible_collections.certops.rotation.tests.support.acme_orders import (
    TxtPublisher,
    csr,
    finish,
    issue,
    opened,
    validate,
    wait_for,
)
from ansible_collections.certops.rotation.tests.support.connect_proxy import ConnectProxy
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from ansible_collections.certops.rotation.tests.support.ports import free_port

SHORT = AcmeLimits(connect=2, answer=1.5, request=3)
#: Where no good answer is expected.
SHORTEST = AcmeLimits(connect=1, answer=0.5, request=1)
#: Seconds. With the limits above any request has ended, on a busy machine, too.
END = 20


@pytest.fixture(scope="module")
def pebble(aws_dns_server: AwsWithDns) -> t.Iterator[Pebble]:
    with Pebble(aws_dns_server.nameservers[0], "2.6") as pebble:
        yield pebble


@pytest.fixture
def publisher(aws_dns: AwsWithDns) -> TxtPublisher:
    return TxtPublisher(aws_dns)


@pytest.fixture
def proxy(pebble: Pebble) -> t.Iterator[AcmeFaults]:
    with AcmeFaults(pebble.directory_url, pebble.ca_bundle) as proxy:
        yield proxy


def order(authority: AcmeAuthority) -> t.Any:
    return authority.new_order(["a.example.com"], profile=None, replaces=None)


@contextlib.contextmanager
def failing(match: str) -> t.Iterator[None]:
    """As the CA's fault, in bounded time."""
    began = time.monotonic()
    with pytest.raises(AcmeError, match=match) as raised:
        yield
    assert raised.value.fault == "authority"
    assert time.monotonic() - began < END


class TestSilence:
    @pytest.mark.parametrize("fault", ["hang", "drip"])
    def test_of_an_answer(self, proxy: AcmeFaults, fault: str) -> None:
        with opened(proxy, limits=SHORT) as authority:
            getattr(proxy, fault)("newOrder")
            with failing(f"The CA at {proxy.directory_url} does not answer in time"):
                order(authority)
            assert proxy.counts()["newOrder"] == 1  # a second one would cost of the account's limits

    @pytest.mark.parametrize("fault", ["hang", "drip"])
    def test_of_the_directory_ends_all_that_wait(self, proxy: AcmeFaults, fault: str) -> None:
        """And once it has been silent it is not waited for again, until it has had a rest."""
        with opened(proxy, limits=SHORT) as authority:
            proxy.heal()
            getattr(proxy, fault)("directory")
            messages: list[str] = []

            def ask() -> None:
                try:
                    order(authority)
                except AcmeError as error:
                    messages.append(error.message)

            began = time.monotonic()
            threads = [threading.Thread(target=ask) for _number in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert time.monotonic() - began < END
            assert len(messages) == 16
            assert sum("is not asked for now, because it does not answer in time" in each for each in messages) == 15
            assert all(proxy.directory_url in each for each in messages)
            assert proxy.counts()["directory"] <= 2

    @pytest.mark.parametrize("sent", ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nX-", ""])
    def test_within_the_head_of_an_answer(self, sent: str, tmp_path: pathlib.Path) -> None:
        """A byte now and then, which restarts every time-out of a read."""
        with (
            _tls_server(bad_server.drips(sent, "X-A: b\r\n" if sent.endswith("\n") else "y"), tmp_path) as issuer,
            _stranger(issuer, SHORTEST) as authority,
            failing("does not answer in time"),
        ):
            authority.facts()

    def test_of_each_of_many_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each of which takes no connection and says nothing."""
        with contextlib.ExitStack() as stack:
            full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _number in range(3):  # what does not fit into its queue is not answered
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_asked, **_more: found * 100)
            authority = stack.enter_context(_stranger(Issuer("https://ca.example/dir", "account"), SHORTEST))
            with failing("takes no connection in time"):
                authority.facts()

    def test_within_the_handshake(self, tmp_path: pathlib.Path) -> None:
        with bad_server.BadServer(bad_server.drips(b"\x16\x03\x03\x40\x00", b"\x00"), reads_request=False) as server:
            issuer = Issuer(f"https://{server.address}/dir", "account", ca_bundle=_any_bundle(tmp_path))
            with _stranger(issuer, SHORTEST) as authority, failing("The CA at"):
                authority.facts()


class TestTooMuch:
    def test_of_a_body(self, proxy: AcmeFaults) -> None:
        with opened(proxy, limits=SHORT) as authority:
            proxy.endless("newOrder")
            with failing("sends more than any answer has"):
                order(authority)

    @pytest.mark.parametrize("line", ["X-Header: value\r\n", "x" * 60000 + ": y\r\n", "x"])
    def test_of_a_head(self, line: str, tmp_path: pathlib.Path) -> None:
        with (
            _tls_server(bad_server.floods("HTTP/1.1 200 OK\r\n", line), tmp_path) as issuer,
            _stranger(issuer, SHORTEST) as authority,
            failing("The CA at"),
        ):
            authority.facts()

    @pytest.mark.parametrize(
        ("head", "forever"),
        [
            ("", "HTTP/1.1 100 Continue\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n"),
        ],
    )
    def test_of_what_libraries_read_without_end(self, head: str, forever: str, tmp_path: pathlib.Path) -> None:
        with (
            _tls_server(bad_server.floods(head, forever), tmp_path) as issuer,
            _stranger(issuer) as authority,
            failing("sends more than any answer has"),
        ):
            authority.facts()

    def test_of_a_small_body_that_grows(self, tmp_path: pathlib.Path) -> None:
        """gzip was not asked for."""

        packed = gzip.compress(b" " * (64 << 20))
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        with (
            _tls_server(bad_server.says(head.encode() + packed), tmp_path) as issuer,
            _stranger(issuer, SHORTEST) as authority,
            failing("sends more than any answer has"),
        ):
            authority.facts()


class TestLostAnswers:
    @pytest.mark.parametrize("fault", ["drop", "hang"])
    def test_of_finalize_cost_no_second_certificate(
        self, pebble: Pebble, proxy: AcmeFaults, publisher: TxtPublisher, fault: str
    ) -> None:
        with opened(proxy, limits=SHORT) as authority:
            ready = validate(authority, order(authority), publisher)
            certificates = pebble.counts()["certificates"]
            getattr(proxy, fault)("finalize", late=True)
            key = pki.new_key()
            done = wait_for(authority, authority.finalize(ready, csr(ready.identifiers, key)), "processing")
            assert done.status == "valid"
            assert finish(authority, done, key)
            assert pebble.counts()["certificates"] == certificates + 1

    def test_of_what_may_be_asked_again(self, proxy: AcmeFaults, publisher: TxtPublisher) -> None:
        with opened(proxy) as authority:
            for kind in ("directory", "newNonce", "authorization", "order", "challenge", "certificate"):
                proxy.drop(kind, times=1)
                proxy.answer(kind, 502, times=1, skip=1)
            assert issue(authority, ["again.example.com"], publisher)


class TestRefusals:
    @pytest.mark.parametrize("is_date", [True, False])
    def test_a_limit_says_until_when(self, proxy: AcmeFaults, is_date: bool) -> None:
        with opened(proxy) as authority:
            until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
            text = "too many new orders (300) from this account: see https://letsencrypt.org/docs/rate-limits/"
            proxy.answer("newOrder", 429, "rateLimited", text, retry_after=until if is_date else 3600)
            with pytest.raises(AcmeError, match="too many new orders") as raised:
                order(authority)
            assert raised.value.fault == "rate_limited"
            assert raised.value.url == "https://letsencrypt.org/docs/rate-limits/"
            assert raised.value.retry_after is not None
            assert abs(raised.value.retry_after - 3600) < 60
            assert proxy.counts()["newOrder"] == 1

    def test_when_to_poll_again(self, proxy: AcmeFaults, publisher: TxtPublisher) -> None:
        with opened(proxy) as authority:
            ready = validate(authority, order(authority), publisher)
            proxy.processing(2)
            proxy.header("order", "Retry-After", "7")
            found = authority.finalize(ready, csr(ready.identifiers))
            assert found.status == "processing"
            assert authority.order(found.url).retry_after == 7
            assert wait_for(authority, found, "processing").status == "valid"

    @pytest.mark.parametrize("kind", ["newOrder", "order", "authorization", "certificate", "directory"])
    def test_an_answer_that_is_none(self, proxy: AcmeFaults, publisher: TxtPublisher, kind: str) -> None:
        with opened(proxy) as authority:
            proxy.garbage(kind)
            with failing(f"The CA at {proxy.directory_url} answers with|has no newNonce"):
                issue(authority, ["garbage.example.com"], publisher)

    def test_a_redirection(self, proxy: AcmeFaults) -> None:
        with opened(proxy) as authority:
            proxy.answer("directory", 301, headers={"Location": "http://127.0.0.1/directory"})
            with failing("sends elsewhere, to http://127.0.0.1/directory: give the directory's own URL"):
                authority.facts()


class TestTrust:
    def test_a_ca_that_nobody_trusts(self, pebble: Pebble) -> None:
        with opened(pebble) as authority:
            account = AcmeAccount(authority.directory, authority.account_url, pki.private_key_pem(pki.new_key()))
        with (
            AcmeAuthority.open(Issuer(pebble.directory_url, "account"), account) as authority,
            failing(r"has a certificate that is not trusted \(.*\): set ca_bundle"),
        ):
            authority.facts()

    def test_a_ca_bundle_is_all_that_is_trusted(
        self, pebble: Pebble, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", pebble.ca_bundle)
        with (
            _stranger(Issuer(pebble.directory_url, "account", ca_bundle=_any_bundle(tmp_path))) as authority,
            failing("not trusted"),
        ):
            authority.facts()

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_the_systems_trust(self, pebble: Pebble, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
        """Not that of the package certifi, where an organisation's own CAs are not."""
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(variable, pebble.ca_bundle)
        with _stranger(Issuer(pebble.directory_url, "account")) as authority:
            assert authority.facts().renewal_info

    @pytest.mark.parametrize("content", [None, "", "no certificate"])
    def test_a_ca_bundle_that_is_none(self, tmp_path: pathlib.Path, content: str | None) -> None:
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)
        with pytest.raises(InvalidOption, match=r"ca_bundle .*ca\.pem cannot be used"):
            _stranger(Issuer("https://ca.example/dir", "account", ca_bundle=str(path)))


class TestProxies:
    def test_of_the_environment_are_used(self, pebble: Pebble, monkeypatch: pytest.MonkeyPatch) -> None:
        with ConnectProxy() as tunnel:
            monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@127.0.0.1:{tunnel.port}")
            with opened(pebble) as authority:
                assert order(authority).status == "pending"
            assert tunnel.targets
            assert set(tunnel.targets) == {f"127.0.0.1:{pebble.port}"}
            assert "Proxy-Authorization: Basic" in tunnel.head

    def test_that_are_not_there_are_told_without_their_password(
        self, pebble: Pebble, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@127.0.0.1:{free_port()}")
        with (
            _stranger(Issuer(pebble.directory_url, "account", ca_bundle=pebble.ca_bundle)) as authority,
            pytest.raises(AcmeError, match="cannot be reached through the proxy") as raised,
        ):
            authority.facts()
        assert "hunter2" not in raised.value.message

    def test_that_drip_end_too(self, pebble: Pebble, monkeypatch: pytest.MonkeyPatch) -> None:
        with bad_server.BadServer(bad_server.drips("HTTP/1.1 200 OK\r\n", "X: y\r\n")) as server:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{server.address}")
            with (
                _stranger(Issuer(pebble.directory_url, "account", ca_bundle=pebble.ca_bundle), SHORTEST) as authority,
                failing("The CA at"),
            ):
                authority.facts()


class TestOutage:
    def test_a_ca_that_is_down_and_comes_back(self, aws_dns: AwsWithDns) -> None:
        with Pebble(aws_dns.nameservers[0], "2.6") as pebble, opened(pebble, limits=SHORT) as authority:
            order(authority)
            pebble.stop()
            with failing(f"The CA at {pebble.directory_url} cannot be reached"):
                order(authority)
            pebble.start()
            with pytest.raises(AcmeError) as raised:
                order(authority)  # it has forgotten all accounts
            assert raised.value.problem_type == "accountDoesNotExist"

    def test_a_name_that_does_not_resolve(self) -> None:
        with (
            _stranger(Issuer("https://acme.invalid/dir", "account")) as authority,
            failing("has a name that cannot be resolved"),
        ):
            authority.facts()

    def test_connections_are_kept(self, pebble: Pebble, publisher: TxtPublisher) -> None:
        """A handshake for each request would cost more than all else."""
        with ConnectProxy() as tunnel, pytest.MonkeyPatch.context() as patch, opened(pebble) as authority:
            patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{tunnel.port}")
            issue(authority, ["kept.example.com"], publisher)
            assert authority.requests > 6
            assert len(tunnel.targets) == 1


def _stranger(issuer: Issuer, limits: AcmeLimits = SHORT) -> AcmeAuthority:
    """With an account that nobody knows."""
    key_pem = pki.private_key_pem(pki.shared_key())
    return AcmeAuthority.open(issuer, AcmeAccount(issuer.directory, f"{issuer.directory}/1", key_pem), limits=limits)


def _any_bundle(directory: pathlib.Path) -> str:
    path = directory / "any-ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return str(path)


@contextlib.contextmanager
def _tls_server(behaviour: bad_server.Behaviour, directory: pathlib.Path) -> t.Iterator[Issuer]:
    """Does that with each connection once the handshake is done and something was asked."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    def behave(connection: socket.socket, _request: bytes) -> None:
        with tls.wrap_socket(connection, server_side=True) as wrapped:
            behaviour(wrapped, wrapped.recv(65536))

    with bad_server.BadServer(behave, reads_request=False) as server:
        yield Issuer(f"https://{server.address}/dir", "account", ca_bundle=str(directory / "ca.pem"))
