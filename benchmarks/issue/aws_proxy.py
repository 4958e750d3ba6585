# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to an emulated AWS for programs that cannot be told its address: an HTTPS proxy that is Route 53."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import socketserver
import ssl
import threading
import typing as t

import trustme

HOST = "route53.amazonaws.com"


class AwsProxy:
    """env: what a program needs to come here. The emulator listens on loopback."""

    def __init__(self, aws_port: int, directory: pathlib.Path) -> None:
        authority = trustme.CA()
        anchors = directory / "aws-ca.pem"
        authority.cert_pem.write_to_path(str(anchors))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(tls)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                received = b""
                while b"\r\n\r\n" not in received:
                    received += self.request.recv(4096)
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                client = tls.wrap_socket(self.request, server_side=True)
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", aws_port)) as emulator:
                    threading.Thread(target=_copy, args=(client, emulator), daemon=True).start()
                    _copy(emulator, client)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.env = {"HTTPS_PROXY": address, "AWS_CA_BUNDLE": str(anchors)}

    def __enter__(self) -> t.Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
