# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_ca_file makes, changes and removes what bind lines, server lines and entries of crt-lists use."""

from __future__ import annotations

import pathlib
import socket
import ssl
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.haproxy_memory import actions, deploy, served
from ansible_collections.certops.rotation.tests.support.module import ModuleRun, run_module
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.revocation import crl_pem

pytestmark = pytest.mark.usefixtures("haproxy_version")

NOT_MENDED = ("2.6", "3.0")


class Two(t.NamedTuple):
    """Two authorities, a certificate of each, and one of the first that it has revoked."""

    first: pki.CertificateAuthority
    second: pki.CertificateAuthority
    of_first: pki.IssuedCertificate
    of_second: pki.IssuedCertificate
    revoked: pki.IssuedCertificate

    @property
    def both(self) -> str:
        return self.first.certificate_pem + self.second.certificate_pem


@pytest.fixture(scope="module")
def two() -> Two:
    first, second = pki.CertificateAuthority("First"), pki.CertificateAuthority("Second")
    of_first, of_second, revoked = (
        authority.issue(name, usages=()) for authority, name in ((first, "one"), (second, "two"), (first, "revoked"))
    )
    return Two(first, second, of_first, of_second, revoked)


def change(haproxy: HaproxyInstance, *items: dict[str, t.Any], check: bool = False, **options: t.Any) -> ModuleRun:
    args = {"socket": haproxy.socket, "timeout": 5, **options, "files": list(items)}
    return run_module("haproxy_ca_file", args, check=check)


def states(run: ModuleRun) -> list[str]:
    return [item["action"] for item in run.result["files"]]


def in_all_modes(haproxy: HaproxyInstance, item: dict[str, t.Any], action: str) -> None:
    """Check, run, check, run: each predicts what the next does, and the second run changes nothing."""
    runs = [change(haproxy, item, check=check) for check in (True, False, True, False)]
    assert [states(run) for run in runs] == [[action], [action], ["unchanged"], ["unchanged"]], runs[1].output
    assert [run.result["changed"] for run in runs] == [True, True, False, False]


def is_accepted(haproxy: HaproxyInstance, client: pki.IssuedCertificate, name: str, port: int | None = None) -> bool:
    """Does HAProxy answer a request of this client, who asks for this name?"""
    path = haproxy.directory / f"{client.names[0]}.pem"
    path.write_text(client.combined_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(path)
    try:
        with (
            socket.create_connection(("127.0.0.1", port or haproxy.port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname=name) as connection,
        ):
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(100).startswith(b"HTTP/1.1 200")
    except (ssl.SSLError, ConnectionError):
        return False


def crl(haproxy: HaproxyInstance, name: str, content: str) -> dict[str, t.Any]:
    return {"name": f"{haproxy.directory}/{name}", "content": content, "kind": "crl", "state": "present"}


@pytest.fixture
def by_name(two: Two) -> t.Iterator[HaproxyInstance]:
    """Wants a client of the first authority; a.example.com is in a crt-list that more names can be added to."""
    a, b = pki.self_signed("a.example.com"), pki.self_signed("b.example.com")
    haproxy = HaproxyInstance(
        {"a.pem": a.combined_pem},
        tls=["crt-list {crt_list} ca-file {dir}/first.pem verify required strict-sni"],
        crt_list=["{certs}/a.pem a.example.com"],
    )
    (haproxy.directory / "first.pem").write_text(two.first.certificate_pem)
    with haproxy:
        haproxy.write_certificate("b.pem", b.combined_pem)
        yield haproxy


def entry(haproxy: HaproxyInstance, options: str) -> dict[str, t.Any]:
    """The certificate of b.example.com, by a line with these options."""
    line = {"options": options, "filters": ["b.example.com"]}
    return {"src": haproxy.certificate_name("b.pem"), "crt_list": str(haproxy.crt_list_path), "entries": [line]}


def test_a_new_ca_file_for_an_entry_of_a_crt_list(two: Two, by_name: HaproxyInstance) -> None:
    """The entry's own trust holds for its name alone, and the file stays as long as the entry does."""
    path = f"{by_name.directory}/second.pem"
    unknown = change(by_name, {"name": path, "content": two.second.certificate_pem})
    assert unknown.result["files"][0]["error_code"] == "not_referenced"
    assert "set its state to present" in unknown.result["msg"]
    in_all_modes(by_name, {"name": path, "content": two.second.certificate_pem, "state": "present"}, "added")
    in_all_modes(by_name, {"name": path, "content": two.both}, "updated")
    pathlib.Path(path).write_text(two.second.certificate_pem)
    in_all_modes(by_name, {"src": path}, "updated")
    used = entry(by_name, f"ca-file {path} verify required")
    assert actions(deploy(by_name, used)) == ["added"]
    for client, server_name, expected in (
        (two.of_first, "a.example.com", True),
        (two.of_second, "a.example.com", False),
        (two.of_first, "b.example.com", False),
        (two.of_second, "b.example.com", True),
    ):
        assert is_accepted(by_name, client, server_name) == expected, (client.names, server_name)
    for check in (True, False):
        refused = change(
            by_name, {"name": path, "state": "absent"}, {"name": "/never.pem", "state": "absent"}, check=check
        )
        assert states(refused) == ["failed", "unchanged"]
        assert refused.result["files"][0]["error_code"] == "in_use"
        assert "haproxy_certificate" in refused.result["msg"]
        assert not refused.result["needs_reload"]
    assert is_accepted(by_name, two.of_second, "b.example.com")
    assert by_name.reload(), "with the file on the disk, it brings back the same"
    (by_name.directory / "second.pem").unlink()
    assert actions(deploy(by_name, {**used, "entries": None, "state": "absent"})) == ["removed"]
    in_all_modes(by_name, {"name": path, "state": "absent"}, "removed")
    assert path not in by_name.execute("show ssl ca-file")
    assert not is_accepted(by_name, two.of_second, "b.example.com")


def test_a_new_crl_file_for_an_entry_of_a_crt_list(two: Two, by_name: HaproxyInstance) -> None:
    """Who is revoked is refused for the entry's name, and for no other."""
    item = crl(by_name, "crl.pem", crl_pem(two.first, two.revoked))
    in_all_modes(by_name, item, "added")
    used = entry(by_name, f"crl-file {item['name']}")
    assert actions(deploy(by_name, used)) == ["added"]
    accepted = [
        is_accepted(by_name, client, server_name)
        for client in (two.of_first, two.revoked)
        for server_name in ("a.example.com", "b.example.com")
    ]
    assert accepted == [True, True, True, False]
    absent = {"name": item["name"], "kind": "crl", "state": "absent"}
    assert states(change(by_name, absent)) == ["failed"]
    assert actions(deploy(by_name, {**used, "entries": None, "state": "absent"})) == ["removed"]
    assert "Set its kind to crl" in change(by_name, {**absent, "kind": "ca"}).result["msg"]
    in_all_modes(by_name, absent, "removed")
    assert item["name"] not in by_name.execute("show ssl crl-file")


def test_names_and_content_that_no_new_file_can_have(two: Two, by_name: HaproxyInstance) -> None:
    """One that fails leaves nothing, and does not stop the others."""
    pem = two.first.certificate_pem
    before = by_name.execute("show ssl ca-file")
    names = ["/c/a b.pem", "/c/a:1.pem", "/c/[x].pem", "*a", "@system", "/c/a\\b", "/c/a'b", '/c/a"b', "/c/#"]
    items = [{"name": name, "content": pem} for name in names]
    items += [{"name": "/c/bad.pem", "content": "nothing"}, {"name": "/c/empty.pem"}]
    for check in (True, False):
        run = change(by_name, *items[:-1], state="present", check=check)
        assert states(run) == ["failed"] * len(names) + ["failed"], run.output
        assert {item["error_code"] for item in run.result["files"]} == {"invalid_option", "certificate_missing"}
    assert "neither src nor content" in change(by_name, items[-1], state="present").result["msg"]
    many = two.first.certificate_pem + "".join(
        pki.CertificateAuthority(f"CA {number}").certificate_pem for number in range(40)
    )
    predicted = change(by_name, {"name": "large.pem", "content": many, "state": "present"}, check=True)
    large = change(by_name, {"name": "large.pem", "content": many, "state": "present"})
    assert states(predicted) == states(large)
    if large.failed:  # before 2.7
        assert large.result["files"][0]["error_code"] == "payload_too_large"
    else:
        assert states(change(by_name, {"name": "large.pem", "state": "absent"})) == ["removed"]
    assert by_name.execute("show ssl ca-file") == before
    assert "is HAProxy's own" in change(by_name, {"name": "@system-ca", "state": "absent"}).result.get(
        "msg", "is HAProxy's own" if "@system-ca" not in before else ""
    )


def test_what_a_killed_run_left_open_is_ended_before_its_file_goes(two: Two, by_name: HaproxyInstance) -> None:
    by_name.execute("new ssl ca-file left.pem")
    by_name.execute(f"set ssl ca-file left.pem <<\n{two.first.certificate_pem}")
    run = change(by_name, {"name": "left.pem", "state": "absent"}, timeout=1)
    assert states(run) == ["removed"], run.output
    assert "No ongoing transaction" in by_name.execute("commit ssl ca-file left.pem")
    assert by_name.worker_pid()


def test_only_certificates_that_the_fault_can_reach_are_refused(two: Two, haproxy_version: str) -> None:
    """HAProxy's issue 3165 concerns what is used with the changed file, which HAProxy shows where it is clear."""
    pems = {f"{name}.pem": pki.self_signed(f"{name}.example.com").combined_pem for name in "abc"}
    for tls, is_clear in (
        (["crt {certs}/a.pem ca-file {dir}/ca.pem verify optional", "crt {certs}/b.pem"], True),
        (
            [
                "crt {certs}/a.pem crt {certs}/c.pem ca-file {dir}/ca.pem verify optional",
                "crt {certs}/b.pem crt {certs}/c.pem",
            ],
            False,
        ),
    ):
        haproxy = HaproxyInstance(pems, tls=tls)
        (haproxy.directory / "ca.pem").write_text(two.first.certificate_pem)
        trust = {"name": f"{haproxy.directory}/ca.pem"}
        with haproxy:
            worker = haproxy.worker_pid()
            for content in (two.both, two.second.certificate_pem):
                assert states(change(haproxy, {**trust, "content": content})) == ["updated"]
                renewed = {name: pki.self_signed(f"{name}.example.com") for name in "abc"}
                files = {name: haproxy.certificate_name(f"{name}.pem") for name in "abc"}
                wanted = ["a", "b"] if is_clear else ["a", "b", "c"]
                items = [{"name": files[name], "content": renewed[name].combined_pem} for name in wanted]
                refused = {"a"} if is_clear else {"a", "b", "c"}
                refused = refused if haproxy_version in NOT_MENDED else set()
                for check in (True, False):
                    run = deploy(haproxy, *items, check=check)
                    assert actions(run) == ["failed" if name in refused else "updated" for name in wanted], run.output
                for number, name in ((0, "a"), (1, "b")):
                    is_new = (
                        served(haproxy, f"{name}.example.com", haproxy.ports[number])
                        == renewed[name].fingerprint_sha256
                    )
                    assert is_new == (name not in refused)
            assert haproxy.worker_pid() == worker


def test_a_certificate_that_haproxy_has_lost_is_not_taken_out(two: Two, haproxy_version: str) -> None:
    """Where it is not mended it would let go of one that the configuration names, and go on serving it."""
    haproxy = HaproxyInstance(
        {"a.pem": pki.self_signed("a.example.com").combined_pem},
        tls=["crt {certs}/a.pem ca-file {dir}/ca.pem verify optional"],
    )
    (haproxy.directory / "ca.pem").write_text(two.first.certificate_pem)
    with haproxy:
        assert states(change(haproxy, {"name": f"{haproxy.directory}/ca.pem", "content": two.both})) == ["updated"]
        for check in (True, False):
            run = deploy(haproxy, {"name": haproxy.certificate_name("a.pem"), "state": "absent"}, check=check)
            if haproxy_version in NOT_MENDED:
                assert run.result["certificates"][0]["error_code"] == "reload_required", run.output
        assert haproxy.certificate_name("a.pem") in haproxy.execute("show ssl cert")


class WithServers(HaproxyInstance):
    """Its second port leads to the first one, over TLS, with a client certificate."""

    def write_config(self, extra: str = "") -> None:
        here, self.clear = self.directory, free_port()
        lines = (
            "backend first",
            "    default-server ssl verify required verifyhost www.example.com no-ssl-reuse",
            f"    default-server crt {here}/one.pem ca-file {here}/servers.pem crl-file {here}/servers-crl.pem",
            f"    server tls 127.0.0.1:{self.port}",
            "frontend clear",
            f"    bind 127.0.0.1:{self.clear}",
            "    default_backend first",
        )
        super().write_config("\n".join((*lines, extra)))

    def answers(self) -> bool:
        """Whether the server is accepted, and accepts its client."""
        with socket.create_connection(("127.0.0.1", self.clear), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(100).startswith(b"HTTP/1.1 200")


def test_files_of_server_lines_and_of_bind_lines(two: Two) -> None:
    """Each side accepts the other as soon as its own files say so, and only when a transaction is committed."""
    server = two.second.issue("www.example.com")
    trust = "ca-file {dir}/clients.pem crl-file {dir}/clients-crl.pem"
    haproxy = WithServers(
        {"www.pem": server.combined_pem},
        tls=[f"crt {{certs}}/www.pem {trust} verify required no-tls-tickets"],
        extra_global=["tune.ssl.cachesize 0"],
    )
    empty = {"clients": crl_pem(two.first), "servers": crl_pem(two.second)}
    for name, content in (
        ("one.pem", two.of_first.combined_pem),
        ("clients.pem", two.second.certificate_pem),
        ("servers.pem", two.first.certificate_pem),
        ("clients-crl.pem", empty["clients"]),
        ("servers-crl.pem", empty["servers"]),
    ):
        (haproxy.directory / name).write_text(content)
    with haproxy:
        worker = haproxy.worker_pid()

        def update(item: dict[str, t.Any]) -> None:
            assert states(change(haproxy, item)) == ["updated"]

        path = {name: f"{haproxy.directory}/{name}.pem" for name in ("clients", "servers")}
        lists = {name: f"{haproxy.directory}/{name}-crl.pem" for name in path}
        assert not haproxy.answers()
        haproxy.execute(f"set ssl ca-file {path['clients']} <<\n{two.first.certificate_pem}")
        assert not haproxy.answers()
        haproxy.execute(f"abort ssl ca-file {path['clients']}")
        update({"name": path["clients"], "content": two.first.certificate_pem})
        assert not haproxy.answers()
        update({"name": path["servers"], "content": two.both})
        assert haproxy.answers()
        for name, authority, certificate in (("servers", two.second, server), ("clients", two.first, two.of_first)):
            item = {"name": lists[name], "kind": "crl"}
            update({**item, "content": crl_pem(authority, certificate)})
            assert not haproxy.answers()
            update({**item, "content": empty[name]})
            assert haproxy.answers()
        assert states(change(haproxy, {"name": path["servers"], "state": "absent"})) == ["failed"]
        assert haproxy.worker_pid() == worker


def test_a_directory_as_ca_file(two: Two) -> None:
    haproxy = HaproxyInstance(
        {"a.pem": pki.self_signed("a.example.com").combined_pem},
        tls=["crt {certs}/a.pem ca-file {dir}/trusted verify required"],
    )
    trusted = haproxy.directory / "trusted"
    trusted.mkdir()
    (trusted / "b.pem").write_text(two.first.certificate_pem)
    (trusted / "README").write_text("no certificate")
    with haproxy:
        item = {"src": f"{trusted}/"}
        assert states(change(haproxy, item)) == ["unchanged"]
        (trusted / "a.crt").write_text(two.second.certificate_pem)
        in_all_modes(haproxy, item, "updated")
        assert [is_accepted(haproxy, one, "a.example.com") for one in (two.of_first, two.of_second)] == [True, True]
        assert haproxy.reload()  # brings the same
        assert states(change(haproxy, item)) == ["unchanged"]
