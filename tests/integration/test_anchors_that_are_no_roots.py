# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever is told to trust an authority that is no root trusts it, by real TLS: HTTP endpoints, ACME directories."""

from __future__ import annotations

import http.server
import pathlib
import ssl
import threading
import typing as t
import urllib.request

import pytest
import requests
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.bounded import (
    BoundedAdapter,
    trusted_certificates,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.reload.http import client_context
from ansible_collections.certops.rotation.tests.support import pki

ROOT = pki.CertificateAuthority("Root")
SUBORDINATE = pki.CertificateAuthority("Subordinate", parent=ROOT)
STRANGER = pki.CertificateAuthority("Subordinate", parent=ROOT)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments: t.Any) -> None:
        """Nothing."""


@pytest.fixture(name="url", scope="module")
def _url(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    path = tmp_path_factory.mktemp("server") / "server.pem"
    path.write_text(SUBORDINATE.issue(["localhost", "127.0.0.1"]).combined_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def bundle(directory: pathlib.Path, *authorities: pki.CertificateAuthority) -> str:
    path = directory / "ca.pem"
    path.write_text("".join(authority.certificate_pem for authority in authorities))
    return str(path)


def test_of_http_endpoints(tmp_path: pathlib.Path, url: str) -> None:
    for authority in (SUBORDINATE, ROOT):
        context = client_context(bundle(tmp_path, authority), None, None)
        with urllib.request.urlopen(url, context=context, timeout=30) as answer:
            assert answer.status == 204
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(url, context=client_context(bundle(tmp_path, STRANGER), None, None), timeout=30)


def test_of_acme_directories(tmp_path: pathlib.Path, url: str) -> None:
    with requests.Session() as session:
        session.mount("https://", BoundedAdapter(1))
        for authority in (SUBORDINATE, ROOT):
            trusted = trusted_certificates(bundle(tmp_path, authority))
            assert session.get(url, verify=trusted, timeout=30).status_code == 204
    with requests.Session() as session:
        session.mount("https://", BoundedAdapter(1))
        with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            session.get(url, verify=trusted_certificates(bundle(tmp_path, STRANGER)), timeout=30)
