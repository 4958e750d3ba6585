# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The method http of haproxy_reload: a real HTTP server that reloads a real HAProxy."""

from __future__ import annotations

import base64
import hashlib
import http.server
import pathlib
import socket
import ssl
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.module import ModuleRun, run_module
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook

pytestmark = pytest.mark.usefixtures("haproxy_version")


class Endpoint:
    """/reload reloads HAProxy, /claim only says so, /moved redirects to /reload; /NUMBER answers with that status."""

    def __init__(self, haproxy: HaproxyInstance, context: ssl.SSLContext | None = None) -> None:
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                assert not self.rfile.read(length)
                endpoint.seen.append((self.command, self.path, dict(self.headers)))
                name = self.path.partition("?")[0].strip("/")
                status, text = 200, "done"
                if name == "reload":
                    status, text = (200, "reloaded") if haproxy.reload() else (500, "HAProxy refused")
                elif name == "moved":
                    status = 307
                elif name != "claim":
                    status = int(name)
                self.send_response(status)
                if status == 307:
                    self.send_header("Location", "/reload")
                content = text.encode() if status != 204 else b""
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET = _answer  # noqa: N815  # the names of http.server

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"{'https' if context else 'http'}://localhost:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def haproxy() -> t.Iterator[HaproxyInstance]:
    with HaproxyInstance({"a.pem": pki.self_signed("a.example.com").combined_pem}) as instance:
        yield instance


@pytest.fixture
def endpoint(haproxy: HaproxyInstance) -> t.Iterator[Endpoint]:
    with Endpoint(haproxy) as started:
        yield started


def served(instance: HaproxyInstance) -> str:
    return hashlib.sha256(instance.served_leaf("a.example.com")).hexdigest()


def renew(instance: HaproxyInstance) -> str:
    """Put a new certificate on disk; its fingerprint."""
    renewed = pki.self_signed("a.example.com")
    instance.write_certificate("a.pem", renewed.combined_pem)
    return renewed.fingerprint_sha256


def reload(url: str, *, check: bool = False, **options: t.Any) -> ModuleRun:
    args = {"method": "http", "url": url, "check_config": False, "timeout": 20, **options}
    return run_module("haproxy_reload", args, check=check)


@pytest.mark.parametrize("with_socket", [False, True], ids=["status", "master"])
def test_check_run_check_run(haproxy: HaproxyInstance, endpoint: Endpoint, with_socket: bool) -> None:
    options = {"socket": haproxy.master_socket} if with_socket else {}
    worker, old, new = haproxy.worker_pid(), served(haproxy), renew(haproxy)
    for _number in range(2):
        check = reload(f"{endpoint.address}/reload", check=True, **options)
        assert (check.failed, check.result["changed"], check.result["reloaded"]) == (False, True, False), check.output
        assert check.result["worker_pid_after"] == (worker if with_socket else None)
        assert served(haproxy) == old

        requests = len(endpoint.seen)
        run = reload(f"{endpoint.address}/reload", **options)
        assert (run.failed, run.result["changed"], run.result["reloaded"]) == (False, True, True), run.output
        assert [(method, path) for method, path, _headers in endpoint.seen[requests:]] == [("POST", "/reload")]
        assert run.result["log"] == "reloaded"
        now = haproxy.worker_pid()
        assert now != worker
        workers = (run.result["worker_pid_before"], run.result["worker_pid_after"])
        assert workers == ((worker, now) if with_socket else (None, None))
        assert served(haproxy) == new
        worker, old = now, new


def test_invalid_configuration(haproxy: HaproxyInstance, endpoint: Endpoint) -> None:
    worker, old = haproxy.worker_pid(), served(haproxy)
    renew(haproxy)
    haproxy.write_config("garbage here")
    run = reload(f"{endpoint.address}/reload")
    assert (run.failed, run.result["reloaded"], run.result["log"]) == (True, False, "")
    assert "answered with status 500 instead of 200: HAProxy refused" in run.result["msg"]
    checked = reload(
        f"{endpoint.address}/200", check_config=True, config=[str(haproxy.config_path)], executable=haproxy.binary
    )
    assert checked.failed
    assert "garbage" in checked.result["log"]
    assert len(endpoint.seen) == 1
    assert (haproxy.worker_pid(), served(haproxy)) == (worker, old)


def test_a_claim_that_the_master_does_not_confirm(haproxy: HaproxyInstance, endpoint: Endpoint) -> None:
    assert reload(f"{endpoint.address}/claim").result["reloaded"]
    run = reload(f"{endpoint.address}/claim", socket=haproxy.master_socket, timeout=2)
    assert (run.failed, run.result["reloaded"]) == (True, False)
    assert "No new worker" in run.result["msg"]


@pytest.mark.installed_haproxy
@pytest.mark.parametrize(
    ("path", "status_code", "is_good"),
    [
        ("201", None, False),
        ("204", [200, 204], True),
        ("200", [202], False),
        ("moved", None, False),
        ("401", None, False),
        ("404", None, False),
        ("503", None, False),
        ("503", [503], True),
    ],
)
def test_statuses(endpoint: Endpoint, path: str, status_code: list[int] | None, is_good: bool) -> None:
    """Only what is expected counts, and a redirection is not followed."""
    run = reload(
        f"{endpoint.address}/{path}?token=confidential", **({"status_code": status_code} if status_code else {})
    )
    assert (not run.failed, run.result["reloaded"]) == (is_good, is_good), run.output
    assert [seen[1] for seen in endpoint.seen] == [f"/{path}?token=confidential"]
    if not is_good:
        assert f"status {307 if path == 'moved' else path}" in run.result["msg"]
        assert "confidential" not in run.result["msg"]


@pytest.mark.installed_haproxy
def test_headers_and_credentials_are_sent_and_never_shown(endpoint: Endpoint) -> None:
    options = {"headers": {"X-Token": "tok-4711-en"}, "username": "operator", "password": "pass-4711-word"}
    for path in ("200", "401"):
        run = reload(f"{endpoint.address}/{path}", **options)
        assert "4711" not in run.output
        headers = endpoint.seen[-1][2]
        assert headers["X-Token"] == "tok-4711-en"
        assert base64.b64decode(headers["Authorization"].split()[1]) == b"operator:pass-4711-word"
    in_url = reload(f"http://operator:pass-4711-word@{endpoint.address[7:]}/200")
    assert "username and password" in in_url.result["msg"]
    assert "4711" not in in_url.result["msg"]
    assert len(endpoint.seen) == 2


@pytest.mark.installed_haproxy
def test_https_validates_both_ends(haproxy: HaproxyInstance, tmp_path: pathlib.Path) -> None:
    authority = pki.CertificateAuthority("Reload CA")
    ca, server, client = tmp_path / "ca.pem", tmp_path / "server.pem", tmp_path / "client.pem"
    ca.write_text(authority.root_pem)
    server.write_text(authority.issue("localhost").combined_pem)
    client.write_text(
        authority.issue("client", usages=(pki.ExtendedKeyUsageOID.CLIENT_AUTH,)).combined_pem, encoding="ascii"
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
    context.load_cert_chain(server)
    with Endpoint(haproxy, context) as endpoint:
        unknown_ca = reload(f"{endpoint.address}/200")
        assert "certificate is not valid" in unknown_ca.result["msg"]
        other_name = reload(f"{endpoint.address.replace('localhost', '127.0.0.1')}/200", ca_path=str(ca))
        assert "certificate is not valid" in other_name.result["msg"]
        good = reload(f"{endpoint.address}/200", ca_path=str(ca))
        assert good.result["reloaded"], good.output
    context.verify_mode = ssl.CERT_REQUIRED
    with Endpoint(haproxy, context) as endpoint:
        without = reload(f"{endpoint.address}/200", ca_path=str(ca))
        assert (without.failed, without.result["reloaded"]) == (True, False)
        good = reload(f"{endpoint.address}/200", ca_path=str(ca), client_cert=str(client))
        assert good.result["reloaded"], good.output
    missing = reload("https://localhost/", ca_path=str(tmp_path / "nothing"))
    assert "No such file" in missing.result["msg"]


@pytest.mark.installed_haproxy
def test_no_answer(tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        silent = reload(f"http://127.0.0.1:{port}/reload", url_timeout=1)
        assert "no answer within 1 seconds" in silent.result["msg"]
    refused = reload(f"http://127.0.0.1:{port}/reload")
    assert "refused" in refused.result["msg"]
    for run in (silent, refused):
        assert (run.failed, run.result["reloaded"], run.result["log"]) == (True, False, "")
    for url in ("ftp://host/reload", "/reload", "http://", "http://host:port/", "file:///etc/passwd"):
        assert "url is an address such as https://host:port/path" in reload(url).result["msg"]


@pytest.mark.installed_haproxy
def test_handlers_of_the_role(aws: MotoServer) -> None:
    """Those of this method and of the method signal."""
    with (
        rotation.scene(aws, extra_global=["pidfile {dir}/haproxy.pid"]) as scene,
        Endpoint(scene.haproxy) as endpoint,
    ):
        variables = {
            **scene.variables,
            "haproxy_certificates_reload_url": f"{endpoint.address}/reload",
            "haproxy_certificates_reload_http": {"headers": {"X-Token": "tok-4711-en"}, "status_code": [200, 202]},
            "haproxy_certificates_pid_file": str(scene.haproxy.directory / "haproxy.pid"),
            "haproxy_certificates_reload_signal": "HUP",
        }
        play = {
            "hosts": "haproxy",
            "gather_facts": False,
            "roles": ["certops.rotation.haproxy_certificates"],
            "tasks": [
                {
                    "ansible.builtin.command": {"argv": ["true"]},
                    "notify": ["certops.rotation haproxy reload http", "certops.rotation haproxy reload signal"],
                }
            ],
        }
        worker = scene.haproxy.worker_pid()
        run = run_playbook(variables, playbook=[play], env=aws.env)
        assert run.returncode == 0, run.output
        assert [task.result["method"] for task in run.of("haproxy_reload")] == ["http", "signal"]
        assert endpoint.seen[0][2]["X-Token"] == "tok-4711-en"
        signalled = run.of("haproxy_reload")[1].result
        assert worker != signalled["worker_pid_before"] != signalled["worker_pid_after"] == scene.haproxy.worker_pid()

        # Certificates that wait for the handlers, by each of these ways.
        for method, requests in (("http", 2), ("signal", 2)):
            issued, worker = scene.store("a"), scene.haproxy.worker_pid()
            waiting = {"activation": "handlers", "reload_methods": [method]}
            more = {f"haproxy_certificates_{name}": value for name, value in waiting.items()}
            run = run_playbook({**variables, **more}, env=aws.env)
            assert run.returncode == 0, run.output
            assert run.modules == ["haproxy_rotation", "haproxy_reload", "haproxy_rotation"]
            assert [task.result["method"] for task in run.of("haproxy_reload")] == [method]
            assert (len(endpoint.seen), scene.haproxy.worker_pid() != worker) == (requests, True)
            assert scene.served("a") == issued.fingerprint_sha256
            assert scene.state()["newly_proven"] == ["web/a"]
