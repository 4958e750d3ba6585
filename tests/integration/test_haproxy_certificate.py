# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_certificate and haproxy_certificate_info against a real HAProxy."""

from __future__ import annotations

import hashlib
import re
import ssl
import stat
import subprocess
import time

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.haproxy_memory import (
    actions,
    deploy,
    info,
    memory,
    served,
)
from ansible_collections.certops.rotation.tests.support.module import run_module

pytestmark = pytest.mark.usefixtures("haproxy_version")


def test_update_check_run_check_run(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    renewed = intermediate.issue("a.example.com")
    item = {"src": haproxy.write_certificate("a.pem", renewed.combined_pem)}
    old = served(haproxy, "a.example.com")
    worker = haproxy.worker_pid()

    check = deploy(haproxy, item, check=True, diff=True)
    assert (check.result["changed"], actions(check)) == (True, ["updated"])
    assert served(haproxy, "a.example.com") == old

    run = deploy(haproxy, item, diff=True)
    assert not run.failed, run.output
    assert (run.result["changed"], actions(run), run.result["needs_reload"]) == (True, ["updated"], False)
    result = run.result["certificates"][0]
    assert result["fingerprint_sha256"] == renewed.fingerprint_sha256
    assert result["fingerprint_sha1"] == hashlib.sha1(ssl.PEM_cert_to_DER_cert(renewed.certificate_pem)).hexdigest()
    assert result["previous_fingerprint_sha1"] not in (None, result["fingerprint_sha1"])
    assert result["not_after"].endswith("Z")
    name = haproxy.certificate_name("a.pem")
    assert run.result["diff"]["before"][name]["fingerprint_sha1"] == result["previous_fingerprint_sha1"]
    assert run.result["diff"]["after"][name]["fingerprint_sha1"] == result["fingerprint_sha1"]
    assert check.result["diff"] == run.result["diff"]
    assert run.result["haproxy"]["worker_pid"] == worker
    assert haproxy.execute("show info").splitlines()[1] == f"Version: {run.result['haproxy']['version']}"
    # One store for the directory and the crt-list: both ports serve it, and so does the default of the second one.
    for port in haproxy.ports:
        assert served(haproxy, "a.example.com", port) == renewed.fingerprint_sha256
    assert served(haproxy, None, haproxy.ports[1]) == renewed.fingerprint_sha256
    assert haproxy.worker_pid() == worker

    for again in (deploy(haproxy, item, check=True), deploy(haproxy, item)):
        assert (again.result["changed"], actions(again)) == (False, ["unchanged"])
        assert again.result["diff"] == {"before": {}, "after": {}}


def test_default_certificate_without_sni(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    renewed = intermediate.issue("a.example.com")
    assert served(haproxy, None) == served(haproxy, "a.example.com")
    deploy(haproxy, {"name": haproxy.certificate_name("a.pem"), "content": renewed.combined_pem})
    assert served(haproxy, None) == renewed.fingerprint_sha256
    assert served(haproxy, "unknown.example.org") == renewed.fingerprint_sha256


def test_an_unchanged_run_changes_nothing_in_memory(haproxy: HaproxyInstance) -> None:
    before = memory(haproxy)
    # The operator's level may look but not change: an unchanged run asks for nothing more.
    run = run_module(
        "haproxy_certificate",
        {
            "socket": haproxy.operator_socket,
            "certificates": [{"src": haproxy.certificate_name(name)} for name in ("a.pem", "b.pem")],
        },
    )
    assert actions(run) == ["unchanged", "unchanged"]
    assert memory(haproxy) == before


def test_another_spelling_of_the_path(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    haproxy.write_certificate("b.pem", intermediate.issue("b.example.com").combined_pem)
    run = deploy(haproxy, {"src": f"{haproxy.certs_dir}/../certs//b.pem"})
    assert actions(run) == ["updated"]
    assert run.result["certificates"][0]["name"] == haproxy.certificate_name("b.pem")


@pytest.mark.parametrize("name", ["with space.pem", "@alias.pem", "semi;colon.pem", "back\\slash.pem", "quote'\".pem"])
def test_names_that_need_escaping(intermediate: pki.CertificateAuthority, name: str) -> None:
    first, second, third = (intermediate.issue("odd.example.com") for dummy in range(3))
    with HaproxyInstance(
        {"0.pem": intermediate.issue("x.example.com").combined_pem, name: first.combined_pem}
    ) as instance:
        src = instance.write_certificate(name, second.combined_pem)
        run = deploy(instance, {"src": src})
        assert actions(run) == ["updated"], run.output
        assert served(instance, "odd.example.com") == second.fingerprint_sha256
        assert actions(deploy(instance, {"src": src}, state="absent")) == ["removed"]
        assert served(instance, "odd.example.com") != second.fingerprint_sha256
        instance.write_certificate(name, third.combined_pem)
        assert actions(deploy(instance, {"src": src})) == ["added"]
        assert served(instance, "odd.example.com") == third.fingerprint_sha256


def test_decorated_content_is_sent_clean(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    renewed = intermediate.issue("b.example.com")
    decorated = "\ufeff# a comment\n\n" + renewed.combined_pem.replace("\n", "\r\n").replace(
        "-----BEGIN", "\r\n\r\n-----BEGIN"
    )
    run = deploy(haproxy, {"name": haproxy.certificate_name("b.pem"), "content": decorated})
    assert actions(run) == ["updated"], run.output
    assert served(haproxy, "b.example.com") == renewed.fingerprint_sha256


def test_add_and_remove_in_a_directory(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    new = intermediate.issue("new.example.com")
    item = {"src": haproxy.write_certificate("new.pem", new.combined_pem)}
    check = deploy(haproxy, item, check=True)
    assert (check.result["changed"], actions(check)) == (True, ["added"])
    assert "new.pem" not in haproxy.execute("show ssl cert")

    run = deploy(haproxy, item)
    assert actions(run) == ["added"], run.output
    assert run.result["certificates"][0]["previous_fingerprint_sha1"] is None
    assert served(haproxy, "new.example.com") == new.fingerprint_sha256
    assert actions(deploy(haproxy, item, check=True)) == actions(deploy(haproxy, item)) == ["unchanged"]

    assert actions(deploy(haproxy, item, state="absent", check=True)) == ["removed"]
    assert served(haproxy, "new.example.com") == new.fingerprint_sha256
    assert actions(deploy(haproxy, item, state="absent")) == ["removed"]
    assert served(haproxy, "new.example.com") != new.fingerprint_sha256
    assert "new.pem" not in haproxy.execute("show ssl cert")
    assert actions(deploy(haproxy, item, state="absent", check=True)) == ["unchanged"]
    assert actions(deploy(haproxy, item, state="absent")) == ["unchanged"]


def test_add_and_remove_in_a_crt_list_file(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    new = intermediate.issue("new.example.com")
    # Outside the certificate directory, so that only the crt-list can load it at a reload.
    path = haproxy.directory / "new.pem"
    path.write_text(new.combined_pem)
    haproxy.crt_list_path.write_text(f"# ours\n{haproxy.certificate_name('a.pem')}")  # no final newline
    haproxy.crt_list_path.chmod(0o640)
    item = {"src": str(path), "crt_list": str(haproxy.crt_list_path)}
    port = haproxy.ports[1]

    check = deploy(haproxy, item, check=True)
    assert (check.result["changed"], actions(check)) == (True, ["added"])
    assert "new.pem" not in haproxy.crt_list_path.read_text()
    run = deploy(haproxy, item)
    assert actions(run) == ["added"], run.output
    assert run.result["certificates"][0]["message"] is None
    assert served(haproxy, "new.example.com", port) == new.fingerprint_sha256
    assert haproxy.crt_list_path.read_text() == f"# ours\n{haproxy.certificate_name('a.pem')}\n{path}\n"
    assert stat.S_IMODE(haproxy.crt_list_path.stat().st_mode) == 0o640
    assert actions(deploy(haproxy, item, check=True)) == actions(deploy(haproxy, item)) == ["unchanged"]

    assert haproxy.reload()
    assert served(haproxy, "new.example.com", port) == new.fingerprint_sha256
    assert actions(deploy(haproxy, item)) == ["unchanged"]

    # A second entry of the same certificate, with options: both go.
    haproxy.execute(f"add ssl crt-list {haproxy.crt_list_path} <<\n{path} [alpn h2] other.example.com\n")
    assert actions(deploy(haproxy, item, state="absent")) == ["removed"]
    assert served(haproxy, "new.example.com", port) != new.fingerprint_sha256
    assert "new.pem" not in haproxy.execute("show ssl cert")
    assert haproxy.crt_list_path.read_text() == f"# ours\n{haproxy.certificate_name('a.pem')}\n"
    assert actions(deploy(haproxy, item, state="absent")) == ["unchanged"]
    assert haproxy.reload()


def test_what_a_killed_run_left_is_completed(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    new, renewed = intermediate.issue("new.example.com"), intermediate.issue("b.example.com")
    src = haproxy.write_certificate("new.pem", new.combined_pem)
    # Killed after `new`: an empty certificate. After `commit`: one that nothing uses. After `set`: an open transaction.
    haproxy.execute(f"new ssl cert {src}")
    assert actions(deploy(haproxy, {"src": src})) == ["added"]
    assert served(haproxy, "new.example.com") == new.fingerprint_sha256

    haproxy.execute(f"del ssl crt-list {haproxy.certs_dir} {src}")
    assert "Status: Unused" in haproxy.execute(f"show ssl cert {src}")
    assert actions(deploy(haproxy, {"src": src})) == ["added"]
    assert served(haproxy, "new.example.com") == new.fingerprint_sha256

    haproxy.execute(
        f"set ssl cert {haproxy.certificate_name('b.pem')} <<\n{intermediate.issue('b.example.com').combined_pem}"
    )
    haproxy.write_certificate("b.pem", renewed.combined_pem)
    haproxy.write_certificate("a.pem", intermediate.issue("a.example.com").combined_pem)
    run = deploy(haproxy, {"src": haproxy.certificate_name("a.pem")}, {"src": haproxy.certificate_name("b.pem")})
    assert actions(run) == ["updated", "updated"], run.output
    assert served(haproxy, "b.example.com") == renewed.fingerprint_sha256

    # The entry in memory was made, the line on disk was not.
    item = {"src": haproxy.certificate_name("b.pem"), "crt_list": str(haproxy.crt_list_path)}
    haproxy.execute(f"add ssl crt-list {haproxy.crt_list_path} {haproxy.certificate_name('b.pem')}")
    assert actions(deploy(haproxy, item, check=True)) == actions(deploy(haproxy, item)) == ["updated"]
    assert haproxy.certificate_name("b.pem") in haproxy.crt_list_path.read_text().splitlines()
    assert actions(deploy(haproxy, item)) == ["unchanged"]


def test_chain_is_compared(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    leaf = intermediate.issue("b.example.com")
    name = haproxy.certificate_name("b.pem")
    without = leaf.certificate_pem + leaf.private_key_pem
    assert actions(deploy(haproxy, {"name": name, "content": leaf.combined_pem})) == ["updated"]
    assert actions(deploy(haproxy, {"name": name, "content": without})) == ["updated"]
    assert actions(deploy(haproxy, {"name": name, "content": without})) == ["unchanged"]
    assert "Chain Subject" not in haproxy.execute(f"show ssl cert {name}")
    # HAProxy tells the names of an intermediate alone, and this one has the same.
    twin = pki.CertificateAuthority("Test Intermediate", parent=intermediate.parent)
    assert actions(deploy(haproxy, {"name": name, "content": leaf.combined_pem})) == ["updated"]
    other = leaf.replace(chain_pem=twin.certificate_pem).combined_pem
    assert actions(deploy(haproxy, {"name": name, "content": other}, check=True)) == ["updated"]
    assert actions(deploy(haproxy, {"name": name, "content": other})) == ["updated"]
    assert actions(deploy(haproxy, {"name": name, "content": other})) == ["unchanged"]
    assert actions(deploy(haproxy, {"name": name, "content": other, "force": True})) == ["updated"]
    assert actions(deploy(haproxy, {"name": name, "content": other}, force=True)) == ["updated"]
    assert actions(deploy(haproxy, {"name": name, "content": other, "force": False}, force=True)) == ["unchanged"]


def sent_chain(instance: HaproxyInstance, name: str) -> str:
    """PEM of all that comes after the leaf."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{instance.port}", "-servername", name, "-showcerts"]
    told = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    found = re.findall(r"-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n", told.stdout)
    return "".join(found[1:])


@pytest.mark.parametrize("key_type", ["ec", "ed25519"])
def test_an_intermediate_that_was_issued_again(
    haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority, key_type: pki.KeyType
) -> None:
    """Leaf, names and keys are the same, and HAProxy tells no more of a chain (of an Ed25519 leaf not even that)."""
    again = pki.CertificateAuthority("Test Intermediate", key=intermediate.key, parent=intermediate.parent)
    leaf = intermediate.issue("b.example.com", key_type=key_type)
    first, second = leaf.combined_pem, leaf.replace(chain_pem=again.certificate_pem).combined_pem
    item = {"src": haproxy.write_certificate("b.pem", first)}
    time.sleep(0.2)  # when a process began is known within a few hundredths of a second
    assert haproxy.reload(), haproxy.log
    worker = haproxy.worker_pid()
    assert actions(deploy(haproxy, item)) == ["unchanged"]  # as it was read
    for pem, chain in ((second, again), (first, intermediate)):
        haproxy.write_certificate("b.pem", pem)
        before = memory(haproxy)
        assert actions(deploy(haproxy, item, check=True)) == ["updated"]
        assert memory(haproxy) == before
        assert actions(deploy(haproxy, item)) == ["updated"]
        assert sent_chain(haproxy, "b.example.com") == chain.certificate_pem
        assert [actions(deploy(haproxy, item, check=check)) for check in (True, False)] == [["unchanged"]] * 2
    # By a file that is only touched nothing is loaded again.
    haproxy.write_certificate("b.pem", first)
    assert actions(deploy(haproxy, item)) == ["unchanged"]
    assert haproxy.worker_pid() == worker


@pytest.mark.parametrize("key_type", ["ed25519", "rsa2048", "ec384"])
def test_key_types(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority, key_type: pki.KeyType) -> None:
    # HAProxy tells less about Ed25519 certificates: neither fingerprint nor chain.
    for number in range(2):
        item = {
            "name": haproxy.certificate_name("a.pem"),
            "content": intermediate.issue(f"a{number}", key_type=key_type).combined_pem,
        }
        assert actions(deploy(haproxy, item)) == ["updated"]
        assert actions(deploy(haproxy, item)) == ["unchanged"]


def test_payload_fits_a_larger_buffer(intermediate: pki.CertificateAuthority) -> None:
    first, large = intermediate.issue("a.example.com"), intermediate.issue("a.example.com")
    body = large.certificate_pem + large.chain_pem * 40 + large.private_key_pem
    with HaproxyInstance({"a.pem": first.combined_pem}, extra_global=["tune.bufsize 65536"]) as instance:
        run = deploy(instance, {"name": instance.certificate_name("a.pem"), "content": body})
        assert actions(run) == ["updated"], run.output
        assert served(instance, "a.example.com") == large.fingerprint_sha256


def test_tcp_socket(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    for address in (haproxy.tcp_socket, f"ipv4@{haproxy.tcp_socket}"):
        renewed = intermediate.issue("b.example.com")
        run = deploy(
            haproxy, {"name": haproxy.certificate_name("b.pem"), "content": renewed.combined_pem}, socket=address
        )
        assert actions(run) == ["updated"], run.output
        assert served(haproxy, "b.example.com") == renewed.fingerprint_sha256
    large = renewed.certificate_pem + renewed.chain_pem * 60 + renewed.private_key_pem
    run = deploy(haproxy, {"name": haproxy.certificate_name("b.pem"), "content": large}, socket=haproxy.tcp_socket)
    assert run.result["certificates"][0]["error_code"] == "payload_too_large", run.output


def test_many_in_one_call(intermediate: pki.CertificateAuthority) -> None:
    key = pki.new_key()
    issued = {f"n{number}.pem": intermediate.issue(f"n{number}.example.com", key=key) for number in range(200)}
    with HaproxyInstance({"first.pem": intermediate.issue("first.example.com").combined_pem}) as instance:
        items = [{"src": instance.write_certificate(name, one.combined_pem)} for name, one in issued.items()]
        assert set(actions(deploy(instance, *items))) == {"added"}
        assert set(actions(deploy(instance, *items))) == {"unchanged"}
        assert served(instance, "n199.example.com") == issued["n199.pem"].fingerprint_sha256
        assert set(actions(deploy(instance, *items, state="absent"))) == {"removed"}
        assert instance.execute("show ssl cert").count(".pem") == 1


def test_info(haproxy: HaproxyInstance) -> None:
    result = info(haproxy)
    first, second = (haproxy.certificate_name(name) for name in ("a.pem", "b.pem"))
    assert [item["name"] for item in result["certificates"]] == [first, second]
    described = result["certificates"][0]
    assert described["status"] == "Used"
    assert described["subject_alternative_names"] == ["a.example.com"]
    assert described["chain"][0]["subject"] == described["issuer"]
    assert {item["name"]: [entry["name"] for entry in item["entries"]] for item in result["crt_lists"]} == {
        str(haproxy.certs_dir): [first, second],
        str(haproxy.crt_list_path): [first],
    }
    assert result["open_transaction"] is None
    assert result["haproxy"]["worker_pid"] == haproxy.worker_pid()
    assert [item["name"] for item in info(haproxy, names=[second, "/unknown.pem"])["certificates"]] == [second]
    assert run_module("haproxy_certificate_info", {"socket": haproxy.operator_socket}).failed
