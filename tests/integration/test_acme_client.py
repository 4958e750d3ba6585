# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of ACME with real servers: accounts, orders, challenges, chains, profiles, renewal information."""

from __future__ import annotations

import base64
import datetime
import http.server
import logging
import secrets
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account import AcmeAccount
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account_terms import ExternalBinding
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.chains import certificate_id, parse_chain
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.account import AcmeAccounts
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.acme_faults import AcmeFaults
from ansible_collections.certops.rotation.tests.support.acme_orders import (
    Server,
    TxtPublisher,
    challenge_of,
    csr,
    finish,
    issue,
    issue_all,
    leaf_of,
    opened,
    register,
    validate,
    wait_for,
)
from ansible_collections.certops.rotation.tests.support.pebble import PROFILES, Pebble
from cryptography import x509

MAC_KEY = base64.urlsafe_b64encode(secrets.token_bytes(64)).decode().rstrip("=")  # as long as HS512 wants it


@pytest.fixture(scope="module")
def older(aws_dns_server: AwsWithDns) -> t.Iterator[Pebble]:
    """2.6, with alternate chains."""
    with Pebble(aws_dns_server.nameservers[0], "2.6", bad_nonces=5, alternate_roots=2) as pebble:
        yield pebble


@pytest.fixture(scope="module")
def newer(aws_dns_server: AwsWithDns) -> t.Iterator[Pebble]:
    """2.10, which wants an external account."""
    with Pebble(
        aws_dns_server.nameservers[0],
        "2.10",
        bad_nonces=5,
        external_accounts={"kid-1": MAC_KEY},
        external_account_required=True,
        caa_identities=["ca.example"],
    ) as pebble:
        yield pebble


def bound(server: Server, algorithm: str = "HS256", key_pem: str | None = None) -> AcmeAccount:
    mac_key = base64.urlsafe_b64decode(f"{MAC_KEY}==")
    return register(server, key_pem, binding=ExternalBinding("kid-1", mac_key, algorithm))


@pytest.fixture
def publisher(aws_dns: AwsWithDns) -> TxtPublisher:
    return TxtPublisher(aws_dns)


class TestAccounts:
    @pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
    def test_an_external_account_is_bound(self, newer: Pebble, algorithm: str) -> None:
        account = bound(newer, algorithm)
        with AcmeAccounts(newer.directory_url, ca_bundle=newer.ca_bundle) as accounts:
            assert accounts.facts().eab_required
            found = accounts.find(account.key_pem)
            assert found is not None
            assert (found.url, found.status) == (account.url, "valid")

    def test_a_registration_without_one_or_with_a_wrong_one_is_refused(self, newer: Pebble) -> None:
        with pytest.raises(AcmeError, match="to register the account") as raised:
            register(newer)
        assert (raised.value.fault, raised.value.problem_type) == ("account", "externalAccountRequired")
        with pytest.raises(AcmeError, match="to register the account") as raised:
            register(newer, binding=ExternalBinding("kid-1", b"another key, as long as it has to be"))
        assert raised.value.fault == "account"

    def test_from_the_first_to_the_last(self, older: Pebble) -> None:
        first, second = (pki.private_key_pem(pki.new_key(kind)) for kind in ("ec", "rsa2048"))
        with AcmeAccounts(older.directory_url, ca_bundle=older.ca_bundle) as accounts:
            assert accounts.find(first) is None
            made = accounts.register(first, contacts=["mailto:a@example.org"], terms_agreed=True, binding=None)
            again = accounts.register(first, contacts=["mailto:b@example.org"], terms_agreed=True, binding=None)
            assert made == again == accounts.find(first)
            changed = accounts.set_contacts(first, made.url, ["mailto:c@example.org", "mailto:d@example.org"])
            assert changed.contacts == ("mailto:c@example.org", "mailto:d@example.org")
            accounts.change_key(first, made.url, second)
            assert accounts.find(first) is None
            assert accounts.find(second) == changed
            accounts.deactivate(second, made.url)
            with pytest.raises(AcmeError) as raised:
                accounts.find(second)
            assert raised.value.fault == "account"
        with opened(older, AcmeAccount(older.directory_url, made.url, second)) as authority:
            with pytest.raises(AcmeError) as raised:
                authority.new_order(["a.example.com"], profile=None, replaces=None)
            assert raised.value.fault == "account"

    def test_a_key_of_another_account_is_not_taken(self, older: Pebble) -> None:
        one, other = register(older), register(older)
        with AcmeAccounts(older.directory_url, ca_bundle=older.ca_bundle) as accounts:
            with pytest.raises(AcmeError, match=r"changed the key of the account .*, and has not"):
                accounts.change_key(one.key_pem, one.url, other.key_pem)
            assert accounts.find(one.key_pem) is not None

    @pytest.mark.parametrize("kind", ["ec384", "rsa2048"])
    def test_keys_of_other_kinds_order(self, older: Pebble, kind: pki.KeyType) -> None:
        account = register(older, pki.private_key_pem(pki.shared_key(kind)))
        with opened(older, account) as authority:
            assert authority.new_order(["a.example.com"], profile=None, replaces=None).status == "pending"


class TestBatches:
    @pytest.mark.parametrize("bad_nonces", [5, 50])
    def test_a_hundred_orders_on_sixteen_threads(
        self, aws_dns: AwsWithDns, publisher: TxtPublisher, bad_nonces: int
    ) -> None:
        batches = [[f"name{number}.example.com"] for number in range(100)]
        with Pebble(aws_dns.nameservers[0], "2.6", bad_nonces=bad_nonces) as pebble, opened(pebble) as authority:
            chains = issue_all(authority, batches, publisher)
            assert [_names(chain) for chain in chains] == batches
            assert (pebble.counts()["orders"], pebble.counts()["certificates"]) == (100, 100)
            # All are counted, also those whose nonce was refused; some more were the start's and the registration's.
            assert 700 < authority.requests <= pebble.counts()["requests"] <= authority.requests + 20


class TestOrders:
    def test_a_wildcard_and_its_apex(self, older: Pebble, publisher: TxtPublisher) -> None:
        with opened(older) as authority:
            chain = issue(authority, ["example.com", "*.example.com"], publisher)
        assert sorted(_names(chain)) == ["*.example.com", "example.com"]

    def test_another_process_finishes_what_one_began(self, older: Pebble, publisher: TxtPublisher) -> None:
        """From each place; and from the last one as often as it likes."""
        account, key = register(older), pki.new_key()
        with opened(older, account) as authority:
            order = authority.new_order(["r.example.com"], profile=None, replaces=None)
        with opened(older, account) as authority:
            assert validate(authority, authority.order(order.url), publisher).status == "ready"
        with opened(older, account) as authority:
            found = authority.order(order.url)
            assert found.status == "ready"
            chain = finish(authority, found, key)
        for _time in range(2):
            with opened(older, account) as authority:
                assert finish(authority, authority.order(order.url), key) == chain
        assert leaf_of(chain).public_key() == key.public_key()

    def test_an_order_that_is_ready_at_once(self, aws_dns: AwsWithDns, publisher: TxtPublisher) -> None:
        """As with AWS's own authority, where names are approved beforehand."""
        with Pebble(aws_dns.nameservers[0], "2.6", reuse_authorizations=100) as pebble, opened(pebble) as authority:
            issue(authority, ["known.example.com"], publisher)
            order = authority.new_order(["known.example.com"], profile=None, replaces=None)
            assert order.status == "ready"
            assert authority.authorization(order.authorizations[0]).status == "valid"
            assert _names(finish(authority, order)) == ["known.example.com"]

    def test_what_is_not_ours_or_not_there_is_gone(self, older: Pebble) -> None:
        with opened(older) as one, opened(older) as other:
            order = one.new_order(["a.example.com"], profile=None, replaces=None)
            for url in (order.url, f"{order.url}x"):
                with pytest.raises(AcmeError) as raised:
                    other.order(url)
                assert raised.value.fault == "gone"

    def test_a_name_that_is_not_validated_is_told_with_the_reason(self, older: Pebble, publisher: TxtPublisher) -> None:
        with opened(older) as authority:
            order = authority.new_order(["no.example.com"], profile=None, replaces=None)
            name, challenge = challenge_of(authority, order.authorizations[0])
            publisher.add(f"_acme-challenge.{name}", "another value")
            authority.answer(challenge)
            assert wait_for(authority, order, "pending").status == "invalid"
            authorization = authority.authorization(order.authorizations[0])
            assert authorization.status == "invalid"
            assert authorization.problem is not None
            assert authorization.problem.type == "unauthorized"
            with pytest.raises(AcmeError) as raised:
                authority.finalize(order, csr(order.identifiers))
            assert raised.value.fault == "request"

    def test_a_request_for_other_names_is_refused(self, older: Pebble, publisher: TxtPublisher) -> None:
        with opened(older) as authority:
            order = authority.new_order(["b.example.com"], profile=None, replaces=None)
            validate(authority, order, publisher)
            with pytest.raises(AcmeError, match=r"to issue the certificate for b\.example\.com"):
                authority.finalize(order, csr(["c.example.com"]))

    def test_a_blocked_name_is_the_names_fault(self, aws_dns: AwsWithDns) -> None:
        with Pebble(aws_dns.nameservers[0], "2.6", blocked=["blocked.example"]) as pebble, opened(pebble) as authority:
            with pytest.raises(AcmeError) as raised:
                authority.new_order(["blocked.example", "a.example.com"], profile=None, replaces=None)
            assert (raised.value.fault, raised.value.problem_type) == ("identifier", "rejectedIdentifier")

    def test_a_revocation(self, older: Pebble, publisher: TxtPublisher) -> None:
        with opened(older) as authority:
            leaf = leaf_of(issue(authority, ["v.example.com"], publisher))
            for _time in range(2):
                authority.revoke(parse_chain(pki.certificate_pem(leaf).encode())[0].der, 4)
        assert older.status_of(leaf.serial_number)["Status"] == "Revoked"


class TestChains:
    def test_the_one_that_is_preferred(self, older: Pebble, publisher: TxtPublisher) -> None:
        with opened(older) as authority:
            for number in (0, 1, 2):
                chain = issue(authority, ["p.example.com"], publisher, preferred_chain=older.root_name(number))
                certificates = x509.load_pem_x509_certificates(chain.encode())
                certificates[-1].verify_directly_issued_by(x509.load_pem_x509_certificate(older.root(number).encode()))
                certificates[0].verify_directly_issued_by(certificates[1])
            last = issue(authority, ["p.example.com"], publisher, preferred_chain="No Such Root")
            assert parse_chain(last.encode())[-1].issuer_common_names == [older.root_name()]


class TestProfiles:
    def test_each_has_its_lifetime(self, newer: Pebble, publisher: TxtPublisher) -> None:
        with opened(newer, bound(newer)) as authority:
            assert authority.facts().profiles == {name: text for name, (text, _seconds) in PROFILES.items()}
            assert authority.facts().caa_identities == ("ca.example",)
            for name, (_text, seconds) in PROFILES.items():
                leaf = leaf_of(issue(authority, [f"{name}.example.com"], publisher, profile=name))
                lifetime = leaf.not_valid_after_utc - leaf.not_valid_before_utc
                assert abs(lifetime.total_seconds() - seconds) < 5
            with pytest.raises(AcmeError, match="classic, shortlived, tlsserver") as raised:
                authority.new_order(["a.example.com"], profile="nothing", replaces=None)
            assert (raised.value.fault, raised.value.problem_type) == ("request", "invalidProfile")


class TestRenewalInformation:
    def test_the_window_and_what_is_replaced(self, older: Pebble, publisher: TxtPublisher) -> None:
        with AcmeFaults(older.directory_url, older.ca_bundle) as proxy, opened(proxy) as authority:
            chain = issue(authority, ["ari.example.com"], publisher)
            identifier = certificate_id(parse_chain(chain.encode())[0])
            assert identifier is not None
            window = authority.renewal_window(identifier)
            assert window is not None
            leaf = leaf_of(chain)
            assert leaf.not_valid_before_utc < window.start < window.end < leaf.not_valid_after_utc
            assert window.ask_again - datetime.datetime.now(datetime.timezone.utc) > datetime.timedelta(minutes=1)

            proxy.heal()
            first = authority.new_order(["ari.example.com"], profile=None, replaces=identifier)
            # Perhaps more than once: a nonce may be refused.
            assert {sent.get("replaces") for sent in proxy.payloads("newOrder") if sent} == {identifier}
            finish(authority, wait_for(authority, validate(authority, first, publisher), "pending"))
            proxy.heal()
            second = authority.new_order(["ari.example.com"], profile=None, replaces=identifier)
            assert second.url != first.url
            sent = [each.get("replaces") for each in proxy.payloads("newOrder")]
            assert sent[0] == identifier
            assert sent[-1] is None

    def test_another_accounts_certificate_does_not_hinder(self, older: Pebble, publisher: TxtPublisher) -> None:
        """After a new account was registered."""
        with opened(older) as one, opened(older) as other:
            chain = issue(one, ["moved.example.com"], publisher)
            identifier = certificate_id(parse_chain(chain.encode())[0])
            order = other.new_order(["moved.example.com"], profile=None, replaces=identifier)
            assert order.status in ("pending", "ready")

    def test_a_certificate_that_is_not_known(self, older: Pebble) -> None:
        stranger = pki.CertificateAuthority().issue("a.example.com")
        identifier = certificate_id(parse_chain(stranger.certificate_pem.encode())[0])
        assert identifier is not None
        with opened(older) as authority, pytest.raises(AcmeError) as raised:
            authority.renewal_window(identifier)
        assert raised.value.fault in ("gone", "request")


class TestChallenges:
    def test_of_all_kinds(self, newer: Pebble) -> None:
        with AcmeFaults(newer.directory_url, newer.ca_bundle) as proxy, opened(proxy, bound(proxy)) as authority:
            proxy.more_challenges("nobody-knows-01")
            order = authority.new_order(["a.example.com"], profile="classic", replaces=None)
            found = {each.type: each for each in authority.authorization(order.authorizations[0]).challenges}
        expected = {"nobody-knows-01", "dns-01", "http-01", "tls-alpn-01", "dns-account-01", "dns-persist-01"}
        assert expected <= set(found)
        assert found["dns-persist-01"].issuer_domain_names == ("ca.example",)
        assert found["dns-01"].token
        assert found["nobody-knows-01"].status == "pending"

    def test_http_01_by_who_knows_the_thumbprint_alone(self, aws_dns: AwsWithDns, older: Pebble) -> None:
        zone = aws_dns.zone("example.com")
        aws_dns.put_record(zone, "web.example.com", "A", ["127.0.0.1"])
        with opened(older) as authority:
            with _ThumbprintServer(older.http_port, authority.account_thumbprint):
                order = authority.new_order(["web.example.com"], profile=None, replaces=None)
                _name, challenge = challenge_of(authority, order.authorizations[0], "http-01")
                authority.answer(challenge)
                chain = finish(authority, wait_for(authority, order, "pending"))
            assert authority.key_authorization("token") == f"token.{authority.account_thumbprint}"
        assert _names(chain) == ["web.example.com"]

    def test_an_address_has_no_challenge_of_the_dns(self, older: Pebble) -> None:
        with opened(older) as authority, _ThumbprintServer(older.http_port, authority.account_thumbprint):
            order = authority.new_order(["127.0.0.1"], profile=None, replaces=None)
            assert order.identifiers == ("127.0.0.1",)
            found = authority.authorization(order.authorizations[0])
            assert {each.type for each in found.challenges} == {"http-01", "tls-alpn-01"}
            authority.answer(next(each for each in found.challenges if each.type == "http-01"))
            chain = finish(authority, wait_for(authority, order, "pending"))
        assert parse_chain(chain.encode())[0].ip_addresses == ("127.0.0.1",)


class TestSecrets:
    def test_no_key_is_logged_or_shown(
        self,
        newer: Pebble,
        publisher: TxtPublisher,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """At any level, also in what Pebble was sent (its log has all requests' paths) and in what is refused."""
        caplog.set_level(logging.DEBUG)
        account = bound(newer)
        with opened(newer, account) as authority:
            issue(authority, ["s.example.com"], publisher, profile="classic")
            with pytest.raises(AcmeError) as raised:
                authority.order(f"{newer.directory_url}/nothing")
        with pytest.raises(AcmeError) as other:
            register(newer, contacts=["mailto:"])
        printed = capfd.readouterr()
        seen = [caplog.text, printed.out, printed.err, newer.log, repr(raised.value), repr(other.value), repr(account)]
        hidden = [MAC_KEY, *account.key_pem.splitlines()[1:-1]]
        assert [secret for secret in hidden if any(secret in text for text in seen)] == []
        assert [record.name for record in caplog.records if record.name.split(".")[0] in ("acme", "josepy")] == []


def _names(chain: str) -> list[str]:
    found = leaf_of(chain).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)


class _ThumbprintServer(http.server.ThreadingHTTPServer):
    """Answers every token, as a stateless responder does."""

    def __init__(self, port: int, thumbprint: str) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.path.rpartition("/")[2]
                body = f"{token}.{thumbprint}".encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: t.Any) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", port), Handler)

    def __enter__(self) -> t.Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.shutdown()
        self.server_close()
