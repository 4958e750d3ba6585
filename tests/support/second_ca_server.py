# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process behind second_ca.SecondCa: acme2certifier's WSGI application over HTTPS.

Runs in acme2certifier's own virtual environment, and so imports nothing of this collection.
Usage: second_ca_server.py PORT CERTIFICATE KEY DNS_PORT
"""

from __future__ import annotations

import sys
import threading
import typing as t

import dns.resolver
import werkzeug.serving


def main(port: int, certificate: str, key: str, dns_port: int) -> None:
    class Resolver(dns.resolver.Resolver):
        """Its configuration has no place for the port of its DNS servers."""

        def reset(self) -> None:
            super().reset()
            self.port = dns_port

    dns.resolver.Resolver = Resolver  # type: ignore[misc]
    from acme2certifier.share.acme2certifier_wsgi import application

    one_at_a_time = threading.Lock()

    def serialised(environ: t.Any, start_response: t.Any) -> list[bytes]:
        """It reads and then adds: two requests at once add one row twice, and the second leaves the database locked."""
        with one_at_a_time:
            return list(application(environ, start_response))

    werkzeug.serving.WSGIRequestHandler.protocol_version = "HTTP/1.1"
    werkzeug.serving.make_server(
        "127.0.0.1", port, serialised, threaded=True, ssl_context=(certificate, key)
    ).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
