# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_certificate when something is wrong: each failure is named, and memory stays as it was."""

from __future__ import annotations

import os
import pathlib
import socket
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.content import parse_content
from ansible_collections.certops.rotation.plugins.module_utils._errors import HaproxyPermissionDenied
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.certificates import CertificateMemory
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.errors import CertificateRefused
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.runtime import RuntimeApi
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.haproxy_memory import (
    actions,
    deploy,
    info,
    memory,
    served,
)
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.ports import free_port

pytestmark = pytest.mark.usefixtures("haproxy_version")


def test_crt_list_must_be_known(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    path = haproxy.directory / "elsewhere.pem"
    path.write_text(intermediate.issue("new.example.com").combined_pem)
    for options in ({}, {"crt_list": "/nowhere/list.txt"}):
        for check in (True, False):
            run = deploy(haproxy, {"src": str(path)}, check=check, **options)
            assert run.failed
            assert run.result["certificates"][0]["error_code"] == "crt_list_required"
            assert str(haproxy.crt_list_path) in run.result["msg"]
    assert "elsewhere" not in haproxy.execute("show ssl cert")


@pytest.mark.installed_haproxy
def test_mismatched_key_never_reaches_haproxy(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    wrong = intermediate.issue("a.example.com").replace(
        private_key_pem=intermediate.issue("x.example.com").private_key_pem
    )
    before = memory(haproxy)
    good = intermediate.issue("b.example.com")
    run = deploy(
        haproxy,
        {"name": haproxy.certificate_name("a.pem"), "content": wrong.combined_pem},
        {"name": haproxy.certificate_name("new.pem"), "content": wrong.combined_pem},
        check=True,
    )
    assert [item["error_code"] for item in run.result["certificates"]] == ["private_key_mismatch"] * 2
    run = deploy(haproxy, {"name": haproxy.certificate_name("a.pem"), "content": wrong.combined_pem})
    assert run.failed
    assert memory(haproxy) == before
    # The others go on, and the failure names the bad one only.
    run = deploy(
        haproxy,
        {"name": haproxy.certificate_name("a.pem"), "content": wrong.combined_pem},
        {"name": haproxy.certificate_name("b.pem"), "content": good.combined_pem},
    )
    assert (run.failed, run.result["changed"], actions(run)) == (True, True, ["failed", "updated"])
    assert "a.pem" in run.result["msg"]
    assert "b.pem" not in run.result["msg"]
    assert not run.result["needs_reload"]
    assert served(haproxy, "b.example.com") == good.fingerprint_sha256


@pytest.mark.installed_haproxy
def test_bad_content_is_named(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    good = intermediate.issue("a.example.com")
    encrypted = intermediate.issue("a.example.com", passphrase=b"secret")
    name = haproxy.certificate_name("a.pem")
    for content, code in (
        ("nothing", "certificate_missing"),
        (good.certificate_pem, "private_key_missing"),
        (good.combined_pem + good.private_key_pem, "multiple_private_keys"),
        (encrypted.combined_pem, "private_key_encrypted"),
        (good.combined_pem[:-30], "pem_invalid"),
    ):
        run = deploy(haproxy, {"name": name, "content": content})
        assert run.result["certificates"][0]["error_code"] == code, run.output
        assert "# transaction" not in haproxy.execute("show ssl cert")
    assert deploy(haproxy, {"src": "/nowhere.pem"}).result["certificates"][0]["error_code"] == "invalid_option"


def test_refused_by_haproxy_leaves_no_transaction(
    haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority
) -> None:
    """HAProxy's own refusal at the commit, which the module's local check never lets happen for a key."""
    wrong = intermediate.issue("a.example.com").replace(
        private_key_pem=intermediate.issue("x.example.com").private_key_pem
    )
    content = parse_content(wrong.combined_pem)
    port = CertificateMemory(RuntimeApi(haproxy.socket))
    before = memory(haproxy)
    for name in ("a.pem", "new.pem"):
        path = haproxy.certificate_name(name)
        with pytest.raises(CertificateRefused, match="inconsistencies between private key and certificate"):
            port.update(path, content) if name == "a.pem" else port.add(path, content, str(haproxy.certs_dir))
        assert memory(haproxy) == before
    with pytest.raises(CertificateRefused, match="not referenced"):
        port.update("/unknown.pem", content)


def test_removal_of_a_certificate_that_the_configuration_names(intermediate: pki.CertificateAuthority) -> None:
    first, second = intermediate.issue("a.example.com"), intermediate.issue("b.example.com")
    with HaproxyInstance(
        {"a.pem": first.combined_pem, "b.pem": second.combined_pem},
        tls=["crt {certs}/b.pem", "crt-list {crt_list}", "crt {certs}"],
        crt_list=["{certs}/a.pem", "{certs}/b.pem [alpn h2,http/1.1] x.example.com", "{certs}/b.pem y.example.com"],
    ) as instance:
        before = memory(instance), instance.crt_list_path.read_text()
        for name in ("a.pem", "b.pem"):
            config = [str(instance.config_path)]
            run = deploy(instance, {"name": instance.certificate_name(name)}, state="absent", config=config)
            assert run.result["certificates"][0]["error_code"] == "in_use", run.output
            assert (memory(instance), instance.crt_list_path.read_text()) == before
            # Whatever was taken out on the way is back.
            for sni in ("x.example.com", "y.example.com"):
                assert served(instance, sni, instance.ports[1]) == second.fingerprint_sha256
            assert served(instance, "b.example.com", instance.ports[2]) == second.fingerprint_sha256


def test_open_transaction_of_another(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    theirs, ours = intermediate.issue("a.example.com"), intermediate.issue("b.example.com")
    name = haproxy.certificate_name("a.pem")
    haproxy.execute(f"set ssl cert {name} <<\n{theirs.combined_pem}")
    assert info(haproxy)["open_transaction"] == name
    started = time.monotonic()
    run = deploy(haproxy, {"name": haproxy.certificate_name("b.pem"), "content": ours.combined_pem})
    assert time.monotonic() - started < 30
    assert run.result["certificates"][0]["error_code"] == "transaction_open"
    assert name in run.result["msg"]
    # It was neither aborted nor did our content get into it.
    assert "Success!" in haproxy.execute(f"commit ssl cert {name}").splitlines()
    assert served(haproxy, "a.example.com") == theirs.fingerprint_sha256


def test_another_transaction_that_ends_soon(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    ours = intermediate.issue("b.example.com")
    name = haproxy.certificate_name("a.pem")
    haproxy.execute(f"set ssl cert {name} <<\n{intermediate.issue('a.example.com').combined_pem}")
    timer = threading.Timer(1.5, haproxy.execute, [f"abort ssl cert {name}"])
    timer.start()
    run = deploy(haproxy, {"name": haproxy.certificate_name("b.pem"), "content": ours.combined_pem})
    timer.join()
    assert actions(run) == ["updated"], run.output


@pytest.mark.parametrize("address", ["socket", "tcp_socket"])
def test_several_at_the_same_time(intermediate: pki.CertificateAuthority, address: str) -> None:
    """Runs that overlap take turns: HAProxy has one transaction and one lock, and even its lists need the lock."""
    key = pki.new_key()
    names = [f"n{number}" for number in range(60)]

    def issue() -> dict[str, pki.IssuedCertificate]:
        return {f"{name}.pem": intermediate.issue(f"{name}.example.com", key=key) for name in names}

    with HaproxyInstance({file: one.combined_pem for file, one in issue().items()}) as instance:
        renewed = issue()
        items = [{"src": instance.write_certificate(file, one.combined_pem)} for file, one in renewed.items()]
        runs: list[ModuleRun] = []
        threads = [
            threading.Thread(
                target=lambda part=part: runs.append(deploy(instance, *part, socket=getattr(instance, address)))
            )
            for part in (items[::2], items[1::2], items[::3])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {action for run in runs for action in actions(run)} <= {"updated", "unchanged"}, [
            run.result.get("msg") for run in runs
        ]
        for name in names:
            assert served(instance, f"{name}.example.com") == renewed[f"{name}.pem"].fingerprint_sha256
        assert "# transaction" not in instance.execute("show ssl cert")


def test_payload_too_large(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    large = intermediate.issue("a.example.com")
    body = large.certificate_pem + large.chain_pem * 40 + large.private_key_pem
    assert len(body) > 16384
    small = intermediate.issue("b.example.com")
    before = memory(haproxy).splitlines()
    run = deploy(
        haproxy,
        {"name": haproxy.certificate_name("new.pem"), "content": body},
        {"name": haproxy.certificate_name("a.pem"), "content": body},
    )
    assert [item["error_code"] for item in run.result["certificates"]] == ["payload_too_large"] * 2, run.output
    assert run.result["needs_reload"]
    assert "tune.bufsize" in run.result["msg"]
    assert memory(haproxy).splitlines() == before
    run = deploy(
        haproxy,
        {"name": haproxy.certificate_name("a.pem"), "content": body},
        {"name": haproxy.certificate_name("b.pem"), "content": small.combined_pem},
    )
    assert (actions(run), run.result["needs_reload"]) == (["failed", "updated"], True)


def test_payload_too_large_for_a_new_certificate(
    haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority
) -> None:
    """The crt-list file gets its entry, so that the reload brings it; a certificate that is taken back loses it."""
    large = intermediate.issue("new.example.com")
    path = haproxy.directory / "new.pem"
    path.write_text(large.certificate_pem + large.chain_pem * 40 + large.private_key_pem)
    item = {"src": str(path), "crt_list": str(haproxy.crt_list_path)}
    before = memory(haproxy), haproxy.crt_list_path.read_text()
    for changed in (True, False):
        run = deploy(haproxy, item)
        assert (run.failed, run.result["needs_reload"], run.result["changed"]) == (True, True, changed), run.output
        assert run.result["certificates"][0]["error_code"] == "payload_too_large"
        assert haproxy.crt_list_path.read_text() == f"{before[1]}{path}\n"
    assert deploy(haproxy, item, state="absent").result["changed"]
    assert (memory(haproxy), haproxy.crt_list_path.read_text()) == before

    deploy(haproxy, item)
    assert haproxy.reload()
    assert served(haproxy, "new.example.com", haproxy.ports[1]) == large.fingerprint_sha256
    assert actions(deploy(haproxy, item)) == ["unchanged"]


def test_operator_socket(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    before = memory(haproxy)
    items = [
        {"name": haproxy.certificate_name(name), "content": intermediate.issue("a.example.com").combined_pem}
        for name in ("a.pem", "b.pem", "new.pem")
    ]
    run = deploy(haproxy, *items, socket=haproxy.operator_socket)
    assert [item["error_code"] for item in run.result["certificates"]] == ["permission_denied"] * 3
    assert "level admin" in run.result["msg"]
    assert memory(haproxy) == before


@pytest.mark.installed_haproxy
def test_sockets_that_do_not_answer(haproxy: HaproxyInstance, tmp_path: pathlib.Path) -> None:
    item = {"src": haproxy.certificate_name("a.pem")}
    started = time.monotonic()
    absent = deploy(haproxy, item, socket=f"{haproxy.directory}/nothing.sock")
    assert "no such file" in absent.result["msg"]
    refused = deploy(haproxy, item, socket=f"127.0.0.1:{free_port()}")
    assert "nobody listens" in refused.result["msg"]
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{haproxy.directory}/silent.sock")
        silent.listen()
        mute = deploy(haproxy, item, socket=f"{haproxy.directory}/silent.sock", timeout=1)
    assert "more than 1 seconds" in mute.result["msg"]
    wrong = deploy(haproxy, item, socket=haproxy.master_socket)
    assert "master's socket" in wrong.result["msg"]
    nonsense = deploy(haproxy, item, socket="admin")
    assert "no socket address" in nonsense.result["msg"]
    haproxy.stop()
    assert pathlib.Path(haproxy.socket).exists()
    stale = deploy(haproxy, item)
    assert "stale" in stale.result["msg"]
    assert all(run.failed for run in (absent, refused, mute, wrong, nonsense, stale))
    assert time.monotonic() - started < 60


@pytest.mark.installed_haproxy
def test_user_who_may_not_open_the_socket(haproxy: HaproxyInstance) -> None:
    """The port in a child process without rights: root itself may open everything."""
    haproxy.directory.chmod(0o755)
    pathlib.Path(haproxy.socket).chmod(0)

    def ask() -> str:
        try:
            return RuntimeApi(haproxy.socket).execute("show info")
        except HaproxyPermissionDenied as error:
            return error.message

    assert "may not open" in as_nobody(ask)


def as_nobody(question: t.Callable[[], str]) -> str:
    """The answer of a forked child that has given up root, if it ever was that."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            os.write(writer, question().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def test_haproxy_restarting(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    renewed = intermediate.issue("b.example.com")
    haproxy.stop()
    timer = threading.Timer(1.2, haproxy.start)
    timer.start()
    run = deploy(haproxy, {"name": haproxy.certificate_name("b.pem"), "content": renewed.combined_pem})
    timer.join()
    assert actions(run) == ["updated"], run.output
    assert served(haproxy, "b.example.com") == renewed.fingerprint_sha256


@pytest.mark.installed_haproxy
def test_options_that_contradict(haproxy: HaproxyInstance) -> None:
    item = {"src": haproxy.certificate_name("a.pem")}
    assert "more than once" in deploy(haproxy, item, item).result["msg"]
    assert deploy(haproxy, {**item, "content": "x"}).failed
    assert "either src or content" in deploy(haproxy, {"name": "/x.pem"}).result["msg"]
    assert deploy(haproxy, {"crt_list": "/x"}).failed
