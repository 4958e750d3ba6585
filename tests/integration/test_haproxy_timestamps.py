# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates whose timestamps HAProxy has loaded from a file, NAME.sctl: it crashes when they change at run time."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.haproxy_memory import deploy, served
from ansible_collections.certops.rotation.tests.support.module import ModuleRun, run_module
from ansible_collections.certops.rotation.tests.support.revocation import ocsp_response

pytestmark = pytest.mark.usefixtures("haproxy_version")


def timestamp_list() -> bytes:
    """One timestamp of a log that nobody knows (RFC 6962, 3.2 and 3.3)."""
    signature = b"\4\3" + (70).to_bytes(2, "big") + os.urandom(70)
    timestamp = b"\0" + os.urandom(32) + (1_700_000_000_000).to_bytes(8, "big") + b"\0\0" + signature
    inner = len(timestamp).to_bytes(2, "big") + timestamp
    return len(inner).to_bytes(2, "big") + inner


@pytest.fixture
def haproxy(intermediate: pki.CertificateAuthority) -> t.Iterator[HaproxyInstance]:
    """A crt-list with two certificates, of which the second one has timestamps; clients may show certificates."""
    files = {f"{name}.pem": intermediate.issue(f"{name}.example.com").combined_pem for name in "za"}
    instance = HaproxyInstance(
        {**files, "a.pem.sctl": timestamp_list()},
        tls=["crt-list {crt_list} ca-file {dir}/ca.pem verify optional strict-sni"],
        crt_list=["{certs}/z.pem", "{certs}/a.pem"],
    )
    (instance.directory / "ca.pem").write_text(intermediate.certificate_pem)
    with instance:
        yield instance


def needs_reload(haproxy: HaproxyInstance, item: dict[str, t.Any], *, has_lines: bool, **options: t.Any) -> ModuleRun:
    """In check mode, too. has_lines: whether the crt-list file changes all the same, so that a reload brings it."""
    runs = [deploy(haproxy, item, check=check, **options) for check in (True, False, False)]
    for run in runs:
        assert run.result["certificates"][0]["error_code"] == "reload_required", run.output
        assert "a.pem.sctl" in run.result["msg"]
        assert run.result["needs_reload"]
    assert [run.result["changed"] for run in runs] == [has_lines, has_lines, False]
    return runs[1]


def test_nothing_of_it_changes_without_a_reload(
    haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority
) -> None:
    worker, name, crt_list = haproxy.worker_pid(), haproxy.certificate_name("a.pem"), str(haproxy.crt_list_path)
    first, renewed = served(haproxy, "a.example.com"), intermediate.issue("a.example.com")
    haproxy.write_certificate("a.pem", renewed.combined_pem)
    needs_reload(haproxy, {"src": name}, has_lines=False)
    needs_reload(haproxy, {"src": name, "force": True}, has_lines=False)
    more = {"name": name, "crt_list": crt_list, "entries": [{"filters": ["b.example.com"]}]}
    needs_reload(haproxy, more, has_lines=True)
    assert served(haproxy, "a.example.com") == first
    assert haproxy.worker_pid() == worker
    assert haproxy.reload()
    assert {served(haproxy, f"{one}.example.com") for one in "ab"} == {renewed.fingerprint_sha256}
    for item in ({"src": name}, more):
        assert not deploy(haproxy, item).result["changed"]
    response = haproxy.directory / "response.der"
    response.write_bytes(ocsp_response(intermediate, renewed))
    needs_reload(haproxy, {"src": name, "ocsp_src": str(response)}, has_lines=False)
    needs_reload(haproxy, {"name": name, "state": "absent"}, has_lines=True, crt_list=crt_list)
    assert haproxy.reload()
    assert name not in haproxy.execute("show ssl cert")
    assert not deploy(haproxy, {"name": name, "state": "absent"}, crt_list=crt_list).failed


def test_the_others_change_at_run_time(haproxy: HaproxyInstance, intermediate: pki.CertificateAuthority) -> None:
    """So does a new one, whose timestamps HAProxy has not loaded."""
    worker, crt_list = haproxy.worker_pid(), str(haproxy.crt_list_path)
    renewed, new = intermediate.issue("z.example.com"), intermediate.issue("n.example.com")
    items = [{"src": haproxy.write_certificate("z.pem", renewed.combined_pem)}]
    items.append({"src": haproxy.write_certificate("n.pem", new.combined_pem), "crt_list": crt_list})
    haproxy.write_certificate("n.pem.sctl", timestamp_list())
    run = deploy(haproxy, *items)
    assert not run.failed, run.output
    assert "from the next reload on" in run.result["certificates"][1]["message"]
    assert served(haproxy, "z.example.com") == renewed.fingerprint_sha256
    assert served(haproxy, "n.example.com") == new.fingerprint_sha256
    assert haproxy.worker_pid() == worker


def test_trust_of_a_listener_changes_by_a_reload(haproxy: HaproxyInstance) -> None:
    """All certificates that are used with the file are loaded anew. One that nothing uses is safe."""
    worker, another = haproxy.worker_pid(), pki.CertificateAuthority("Another").certificate_pem
    (haproxy.directory / "ca.pem").write_text(another)
    used = {"src": str(haproxy.directory / "ca.pem")}
    for check in (True, False):
        run = run_module("haproxy_ca_file", {"socket": haproxy.socket, "files": [used]}, check=check)
        assert run.result["files"][0]["error_code"] == "reload_required", run.output
        assert run.result["needs_reload"]
    unused = {"name": "new.pem", "content": another, "state": "present"}
    assert run_module("haproxy_ca_file", {"socket": haproxy.socket, "files": [unused]}).result["changed"]
    assert haproxy.worker_pid() == worker
    assert haproxy.reload()
    assert not run_module("haproxy_ca_file", {"socket": haproxy.socket, "files": [used]}).result["changed"]
