# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small real servers on loopback that say what a test wants them to say, then shake hands or do not."""

from __future__ import annotations

import contextlib
import errno
import pathlib
import socket
import ssl
import threading
import time
import typing as t

from . import pki

Talk = t.Callable[[socket.socket], None]


@contextlib.contextmanager
def server(talk: Talk, host: str = "127.0.0.1", port: int = 0) -> t.Iterator[int]:
    """A TCP server whose connections are given to talk, each in its thread; its port."""
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:

        def converse(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                talk(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _peer = listener.accept()
                except OSError as error:
                    if error.errno in (errno.EMFILE, errno.ECONNABORTED):  # of this test itself, and soon over
                        time.sleep(0.02)
                        continue
                    return
                threading.Thread(target=converse, args=(connection,), daemon=True).start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join(5)


def tls(tmp_path: pathlib.Path, issued: pki.IssuedCertificate, before: Talk | None = None, **options: t.Any) -> Talk:
    """A talk that ends with a TLS handshake. options: attributes of the server's SSLContext."""
    path = tmp_path / "server.pem"
    path.write_text(issued.combined_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    for name, value in options.items():
        setattr(context, name, value)

    def talk(connection: socket.socket) -> None:
        if before:
            before(connection)
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)

    return talk


def cut(tmp_path: pathlib.Path, issued: pki.IssuedCertificate, records: int, **options: t.Any) -> Talk:
    """A talk that begins a TLS handshake, and hangs up after so many records of the server. options: as of tls."""
    path = tmp_path / f"{issued.fingerprint_sha256}.pem"
    path.write_text(issued.combined_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    for name, value in options.items():
        setattr(context, name, value)

    def talk(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server_side = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(connection.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            server_side.do_handshake()
        said, end = outgoing.read(), 0
        for _record in range(records):
            end += 5 + int.from_bytes(said[end + 3 : end + 5], "big")  # RFC 8446, 5.1
        connection.sendall(said[:end])

    return talk
