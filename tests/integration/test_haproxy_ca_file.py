# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_ca_file against a real HAProxy that wants client certificates."""

from __future__ import annotations

import datetime
import pathlib
import socket
import ssl
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.crl import build_crl
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.haproxy_memory import actions, deploy, served
from ansible_collections.certops.rotation.tests.support.module import ModuleRun, run_module
from ansible_collections.certops.rotation.tests.support.odd_authorities import name, odd_authority, odd_leaf
from ansible_collections.certops.rotation.tests.support.revocation import crl_pem

pytestmark = pytest.mark.usefixtures("haproxy_version")

CA_FILE = "crt {certs}/a.pem ca-file {dir}/ca.pem verify required"
CA_AND_CRL = "crt {certs}/a.pem ca-file {dir}/ca.pem crl-file {dir}/crl.pem verify required"
MARK = "@changed-at-run-time"


class Site(t.NamedTuple):
    """Two authorities and a client of each; HAProxy trusts the old one only."""

    haproxy: HaproxyInstance
    old: pki.CertificateAuthority
    new: pki.CertificateAuthority
    old_client: pki.IssuedCertificate
    new_client: pki.IssuedCertificate

    @property
    def ca_file(self) -> str:
        return str(self.haproxy.directory / "ca.pem")

    @property
    def crl_file(self) -> str:
        return str(self.haproxy.directory / "crl.pem")

    @property
    def both(self) -> str:
        return self.old.certificate_pem + self.new.certificate_pem

    def accepts(self, *clients: pki.IssuedCertificate) -> list[bool]:
        return [handshake(self.haproxy, client) is not None for client in clients]

    def memory(self, kind: str = "ca") -> str:
        path = self.ca_file if kind == "ca" else self.crl_file
        return self.haproxy.execute(f"show ssl {kind}-file {path}")


def make_site(tls: str, *, extra_global: t.Sequence[str] = ()) -> Site:
    old, new = pki.CertificateAuthority("Old CA"), pki.CertificateAuthority("New CA")
    server = pki.self_signed("a.example.com")
    haproxy = HaproxyInstance({"a.pem": server.combined_pem}, tls=[tls], extra_global=extra_global)
    (haproxy.directory / "ca.pem").write_text(old.certificate_pem)
    (haproxy.directory / "crl.pem").write_text(crl_pem(old))
    return Site(haproxy, old, new, old.issue("old-client", usages=()), new.issue("new-client", usages=()))


@pytest.fixture
def site() -> t.Iterator[Site]:
    made = make_site(CA_FILE)
    with made.haproxy:
        yield made


@pytest.fixture
def site_with_crl() -> t.Iterator[Site]:
    made = make_site(CA_AND_CRL)
    with made.haproxy:
        yield made


def handshake(
    haproxy: HaproxyInstance,
    client: pki.IssuedCertificate,
    *,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    session: ssl.SSLSession | None = None,
    context: ssl.SSLContext | None = None,
) -> ssl.SSLSession | None:
    """The session when HAProxy answers a request of this client, None when it refuses the client."""
    context = context or client_context(haproxy, client, version)
    try:
        with (
            socket.create_connection(("127.0.0.1", haproxy.port), timeout=10) as raw,
            context.wrap_socket(raw, session=session) as connection,
        ):
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.session if connection.recv(100).startswith(b"HTTP/1.1 200") else None
    except (ssl.SSLError, ConnectionError):
        return None


def client_context(haproxy: HaproxyInstance, client: pki.IssuedCertificate, version: ssl.TLSVersion) -> ssl.SSLContext:
    path = haproxy.directory / f"{client.names[0]}.pem"
    path.write_text(client.combined_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(path)
    return context


def update(site: Site, *items: dict[str, t.Any], **options: t.Any) -> ModuleRun:
    run_options = {key: options.pop(key) for key in ("check", "diff") if key in options}
    args = {"socket": site.haproxy.socket, "timeout": 5, **options, "files": list(items)}
    return run_module("haproxy_ca_file", args, **run_options)


def states(run: ModuleRun) -> list[str]:
    return [item["action"] for item in run.result["files"]]


def codes(run: ModuleRun) -> list[str | None]:
    return [item["error_code"] for item in run.result["files"]]


def test_trust_both_check_run_check_run(site: Site) -> None:
    assert site.accepts(site.old_client, site.new_client) == [True, False]
    pathlib.Path(site.ca_file).write_text(site.both)
    item = {"src": site.ca_file}
    worker, before = site.haproxy.worker_pid(), site.memory()

    check = update(site, item, check=True, diff=True)
    assert (check.result["changed"], states(check)) == (True, ["updated"])
    assert site.memory() == before
    assert MARK not in site.haproxy.execute("show ssl ca-file")

    run = update(site, item, diff=True)
    assert not run.failed, run.output
    assert (run.result["changed"], states(run), run.result["needs_reload"]) == (True, ["updated"], False)
    assert run.result["diff"] == check.result["diff"]
    subjects = {
        side: [one["subject"] for one in run.result["diff"][side][site.ca_file]] for side in ("before", "after")
    }
    assert subjects == {"before": ["/CN=Old CA"], "after": ["/CN=New CA", "/CN=Old CA"]}
    assert run.result["files"][0]["authorities"] == run.result["diff"]["after"][site.ca_file]
    assert site.accepts(site.old_client, site.new_client) == [True, True]
    assert site.haproxy.worker_pid() == worker == run.result["haproxy"]["worker_pid"]

    for again in (update(site, item, check=True), update(site, item)):
        assert (again.result["changed"], states(again)) == (False, ["unchanged"])
        assert again.result["diff"] == {"before": {}, "after": {}}
    # The order of certificates that have other names, and comments between them, mean nothing.
    reordered = {"name": site.ca_file, "content": f"new\n{site.new.certificate_pem}\nold\n{site.both}"}
    assert states(update(site, reordered)) == ["unchanged"]


def test_the_order_of_those_with_one_name_counts() -> None:
    """OpenSSL takes the first one that may be the issuer, and an authority without key identifier always may be."""
    old, new = odd_authority(name("CA"), at=pki.now(), key_identifier=None), odd_authority(name("CA"), at=pki.now())
    older, newer = (each.certificate.pem.decode() for each in (old, new))
    lists = [build_crl(each, {1: pki.now()} if each is old else {}, pki.now(), 1) for each in (old, new)]
    haproxy = HaproxyInstance({"a.pem": pki.self_signed("a.example.com").combined_pem}, tls=[CA_AND_CRL])
    (haproxy.directory / "ca.pem").write_text(older + newer)
    (haproxy.directory / "crl.pem").write_text("".join(lists))
    leaf, key = odd_leaf(new, "client", at=pki.now(), identifying="key")
    path = haproxy.directory / "client.pem"
    path.write_text(leaf.pem.decode() + pki.private_key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(path)
    files = [
        {"name": str(haproxy.directory / "ca.pem"), "content": newer + older},
        {"name": str(haproxy.directory / "crl.pem"), "content": "".join(reversed(lists)), "kind": "crl"},
    ]
    with haproxy:
        client = pki.self_signed("client")
        assert handshake(haproxy, client, context=context) is None
        for check, changed in ((True, True), (False, True), (True, False), (False, False)):
            args = {"socket": haproxy.socket, "timeout": 5, "files": files}
            run = run_module("haproxy_ca_file", args, check=check)
            assert states(run) == ["updated" if changed else "unchanged"] * 2, run.output
        assert handshake(haproxy, client, context=context) is not None


def test_removed_authority_is_refused(site: Site) -> None:
    alias = site.haproxy.directory / "alias"
    alias.symlink_to(site.haproxy.directory)
    run = update(site, {"name": f"{alias}/ca.pem", "content": site.new.certificate_pem})
    assert states(run) == ["updated"], run.output
    assert run.result["files"][0]["name"] == site.ca_file
    assert site.accepts(site.old_client, site.new_client) == [False, True]


def test_revoked_client_is_refused(site_with_crl: Site) -> None:
    site = site_with_crl
    revoked = site.old.issue("revoked", usages=())
    assert site.accepts(site.old_client, revoked) == [True, True]
    worker = site.haproxy.worker_pid()
    item = {"name": site.crl_file, "content": crl_pem(site.old, revoked), "kind": "crl"}
    check = update(site, item, check=True)
    assert (check.result["changed"], site.accepts(revoked)) == (True, [True])
    run = update(site, item, diff=True)
    assert states(run) == ["updated"], run.output
    assert [crl["revoked"] for crl in run.result["files"][0]["crls"]] == [1]
    assert run.result["diff"]["before"][site.crl_file][0]["revoked"] == 0
    assert run.result["diff"] == check.result["diff"]
    assert site.accepts(site.old_client, revoked) == [True, False]
    assert states(update(site, item)) == states(update(site, item, check=True)) == ["unchanged"]
    assert site.haproxy.worker_pid() == worker


def test_new_authority_with_its_crl(site_with_crl: Site) -> None:
    site = site_with_crl
    items = (
        {"name": site.ca_file, "content": site.both},
        {"name": site.crl_file, "content": crl_pem(site.old) + crl_pem(site.new), "kind": "crl"},
    )
    assert states(update(site, *items)) == ["updated", "updated"]
    assert site.accepts(site.old_client, site.new_client) == [True, True]
    assert states(update(site, *items)) == ["unchanged", "unchanged"]


@pytest.mark.parametrize("key_type", ["ed25519", "rsa2048"])
def test_keys_of_other_kinds(site: Site, key_type: pki.KeyType) -> None:
    """Of Ed25519 HAProxy shows little, and 2.6 nothing of those that follow."""
    made = [pki.CertificateAuthority(f"CA {number}", key_type=key_type) for number in range(3)]
    content = "".join(one.certificate_pem for one in made)
    assert states(update(site, {"name": site.ca_file, "content": content})) == ["updated"]
    assert states(update(site, {"name": site.ca_file, "content": content})) == ["unchanged"]
    assert site.accepts(made[2].issue("client", usages=()), site.old_client) == [True, False]
    fewer = update(
        site, {"name": site.ca_file, "content": made[0].certificate_pem + made[1].certificate_pem}, check=True
    )
    assert states(fewer) != ["unchanged"]


def test_haproxy_never_crashes_and_never_serves_what_was_before(site: Site, haproxy_version: str) -> None:
    """HAProxy's issue 3165: a CA file, a certificate, a CA file. Where it is not mended, no certificate is taken, and
    no CA file once another one has changed a certificate.
    """
    server = site.haproxy.certificate_name("a.pem")
    worker = site.haproxy.worker_pid()
    assert states(update(site, {"name": site.ca_file, "content": site.both})) == ["updated"]
    certificate = pki.self_signed("a.example.com")
    certificates = {"name": server, "content": certificate.combined_pem}
    predicted, renewed = deploy(site.haproxy, certificates, check=True), deploy(site.haproxy, certificates)
    assert (predicted.failed, renewed.failed) == (haproxy_version in ("2.6", "3.0"),) * 2, renewed.output
    if renewed.failed:
        assert [one.result["certificates"][0]["error_code"] for one in (predicted, renewed)] == ["reload_required"] * 2
        assert renewed.result["needs_reload"]
        assert actions(deploy(site.haproxy, {"src": server})) == ["unchanged"]
        for content in (site.new.certificate_pem, site.both):  # these do no harm
            assert states(update(site, {"name": site.ca_file, "content": content})) == ["updated"]
        site.haproxy.execute(f"set ssl cert {server} <<\n{certificate.combined_pem}")
        assert "Success" in site.haproxy.execute(f"commit ssl cert {server}")
        assert served(site.haproxy, None) != certificate.fingerprint_sha256
        pathlib.Path(server).write_text(certificate.combined_pem)
    else:
        assert served(site.haproxy, None) == certificate.fingerprint_sha256
    item = {"name": site.ca_file, "content": site.new.certificate_pem}
    check, run = update(site, item, check=True), update(site, item)
    assert site.haproxy.worker_pid() == worker
    assert (check.failed, run.failed) == (haproxy_version in ("2.6", "3.0"),) * 2, run.output
    if run.failed:
        assert codes(run) == codes(check) == ["reload_required"]
        assert run.result["needs_reload"]
        assert "3165" in run.result["msg"]
        assert site.accepts(site.old_client, site.new_client) == [True, True]
        assert site.haproxy.reload()
        assert served(site.haproxy, None) == certificate.fingerprint_sha256
        run = update(site, item)
    assert states(run) == ["updated"], run.output
    assert site.accepts(site.old_client, site.new_client) == [False, True]


def test_bundle_larger_than_the_buffer(site: Site, haproxy_version: str) -> None:
    """Since 2.7 in parts; before, only by a reload."""
    key = pki.new_key()
    made = [pki.CertificateAuthority(f"CA {number}", key=key) for number in range(40)]
    content = site.new.certificate_pem + "".join(one.certificate_pem for one in made)
    assert len(content) > 16384
    before = site.haproxy.execute("show ssl ca-file")
    check = update(site, {"name": site.ca_file, "content": content}, check=True)
    run = update(site, {"name": site.ca_file, "content": content})
    assert run.failed == check.failed == (haproxy_version == "2.6"), run.output
    if run.failed:
        assert codes(run) == codes(check) == ["payload_too_large"]
        assert run.result["needs_reload"]
        assert "tune.bufsize" in run.result["msg"]
        assert site.haproxy.execute("show ssl ca-file") == before
        pathlib.Path(site.ca_file).write_text(content)
        assert site.haproxy.reload()
        run = update(site, {"src": site.ca_file})
        assert states(run) == ["unchanged"]
    assert site.accepts(site.old_client, site.new_client) == [False, True]


def test_crl_larger_than_the_buffer(site_with_crl: Site) -> None:
    site = site_with_crl
    key = pki.new_key()
    many = [site.old.issue("revoked", key=key) for _number in range(500)]
    before = site.memory("crl")
    item = {"name": site.crl_file, "content": crl_pem(site.old, *many), "kind": "crl"}
    check, run = update(site, item, check=True), update(site, item)
    assert codes(check) == codes(run) == ["payload_too_large"]
    assert run.result["needs_reload"]
    assert site.memory("crl") == before


@pytest.mark.installed_haproxy
def test_content_that_is_refused(site_with_crl: Site) -> None:
    site = site_with_crl
    day = datetime.timedelta(days=1)
    before = site.memory(), site.memory("crl")
    for kind, content, code in (
        ("ca", "nothing", "certificate_missing"),
        ("ca", site.old.certificate_pem[:-30], "pem_invalid"),
        ("ca", site.old.certificate_pem.replace("MII", "AAA", 1), "certificate_invalid"),
        ("crl", site.old.certificate_pem, "crl_missing"),
        ("crl", crl_pem(site.old).replace("MI", "AA", 1), "crl_invalid"),
        ("crl", crl_pem(site.old, last_update=pki.now() - 3 * day, next_update=pki.now() - day), "crl_expired"),
        ("crl", crl_pem(site.old, last_update=pki.now() + day), "crl_not_yet_valid"),
    ):
        name = site.ca_file if kind == "ca" else site.crl_file
        for check in (True, False):
            run = update(site, {"name": name, "content": content, "kind": kind}, check=check)
            assert run.failed
            assert codes(run) == [code], run.output
            assert not run.result["needs_reload"]
    assert (site.memory(), site.memory("crl")) == before
    assert MARK not in site.haproxy.execute("show ssl ca-file")


def test_files_that_haproxy_does_not_have(site_with_crl: Site) -> None:
    site = site_with_crl
    run = update(site, {"name": "/nowhere/ca.pem", "content": site.both}, {"name": site.ca_file, "content": site.both})
    assert (run.failed, codes(run), states(run)) == (True, ["not_referenced", None], ["failed", "updated"])
    assert site.ca_file in run.result["msg"]
    run = update(site, {"name": site.crl_file, "content": site.both})
    assert codes(run) == ["not_referenced"]
    assert "Set its kind to crl" in run.result["msg"]


@pytest.mark.installed_haproxy
def test_options_that_make_no_sense(site: Site) -> None:
    twice = {"name": site.ca_file, "content": site.both}
    for items, text in (([twice, twice], "more than once"), ([{"content": site.both}], "no name")):
        run = update(site, *items)
        assert run.failed
        assert text in run.result["msg"]
    assert codes(update(site, {"name": site.ca_file, "src": "/nowhere.pem"})) == ["invalid_option"]


def test_socket_of_level_operator(site: Site) -> None:
    run = update(site, {"name": site.ca_file, "content": site.both}, socket=site.haproxy.operator_socket)
    assert run.failed
    assert "level admin" in run.result["msg"]


def test_warnings(site: Site) -> None:
    """A key in a CA file is neither sent nor shown; what is no CA is used as it is."""
    content = site.old.certificate_pem + pki.private_key_pem(site.old.key) + site.old_client.certificate_pem
    run = update(site, {"name": site.ca_file, "content": content})
    assert states(run) == ["updated"], run.output
    warnings = str(run.result["warnings"])
    assert "private key" in warnings
    assert "not marked as a CA" in warnings


def test_open_transactions(site: Site) -> None:
    """Another's is left alone; one of this file, left by a run that was killed, is taken over."""
    haproxy = site.haproxy
    haproxy.execute("new ssl ca-file other")
    haproxy.execute(f"set ssl ca-file other <<\n{site.old.certificate_pem}")
    run = update(site, {"name": site.ca_file, "content": site.both}, timeout=1)
    assert codes(run) == ["transaction_open"]
    assert "abort ssl ca-file other" in run.result["msg"]
    assert "*other" in haproxy.execute("show ssl ca-file")
    haproxy.execute("abort ssl ca-file other")
    haproxy.execute(f"set ssl ca-file {site.ca_file} <<\n{site.old.certificate_pem}")
    run = update(site, {"name": site.ca_file, "content": site.both}, timeout=1)
    assert states(run) == ["updated"], run.output
    assert site.accepts(site.old_client, site.new_client) == [True, True]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_without_resumption_a_client_is_cut_off_at_once(version: ssl.TLSVersion) -> None:
    """As the documentation says of no-tls-tickets and tune.ssl.cachesize."""
    site = make_site(f"{CA_FILE} no-tls-tickets", extra_global=["tune.ssl.cachesize 0"])
    with site.haproxy:
        context = client_context(site.haproxy, site.old_client, version)
        session = handshake(site.haproxy, site.old_client, context=context)
        assert session is not None
        assert states(update(site, {"name": site.ca_file, "content": site.new.certificate_pem})) == ["updated"]
        assert handshake(site.haproxy, site.old_client, context=context, session=session) is None


@pytest.mark.installed_haproxy
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_reload_ends_resumption(site: Site, version: ssl.TLSVersion) -> None:
    """The documentation's other way to cut off a client."""
    context = client_context(site.haproxy, site.old_client, version)
    session = handshake(site.haproxy, site.old_client, context=context)
    assert session is not None
    pathlib.Path(site.ca_file).write_text(site.new.certificate_pem)
    assert site.haproxy.reload()
    assert handshake(site.haproxy, site.old_client, context=context, session=session) is None
