# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that make one TLS 1.3 handshake after the other until standard input ends, then print their counts as JSON.

Usage: load.py PORT THREADS NAME...   Each handshake asks for the next name, and a leaf without that name is a failure.
"""

from __future__ import annotations

import collections
import itertools
import json
import socket
import ssl
import sys
import threading


class Client(threading.Thread):
    """made: handshakes that ended well; failures: the others by reason."""

    def __init__(self, port: int, names: list[str], start: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.made = 0
        self.failures: collections.Counter[str] = collections.Counter()
        self._address = ("127.0.0.1", port)
        self._names = itertools.islice(itertools.cycle(names), start, None)
        self._stop_event = stop
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def run(self) -> None:
        while not self._stop_event.is_set():
            name = next(self._names)
            try:
                self._handshake(name)
            except (OSError, ValueError) as error:
                self.failures[f"{type(error).__name__}: {error}"] += 1
            else:
                self.made += 1

    def _handshake(self, name: str) -> None:
        raw = socket.create_connection(self._address, timeout=10)
        with raw, self._context.wrap_socket(raw, server_hostname=name) as connection:
            leaf = connection.getpeercert(binary_form=True) or b""
        if name.encode() not in leaf:
            raise ValueError("a certificate for another name")


def main(port: int, threads: int, names: list[str]) -> None:
    stop = threading.Event()
    clients = [Client(port, names, number * len(names) // threads, stop) for number in range(threads)]
    for client in clients:
        client.start()
    sys.stdin.read()
    stop.set()
    for client in clients:
        client.join(30)
    failures = sum((client.failures for client in clients), collections.Counter())
    print(json.dumps({"made": sum(client.made for client in clients), "failures": failures}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
