# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The baseline: a bare asyncio script, as one writes it: verified handshakes, a semaphore, a time-out, the leaf.

Usage: bare.py PORT SILENT_PORT COUNT ANCHORS_FILE TIMEOUT
Of a certificate that it does not trust it learns nothing.
"""

from __future__ import annotations

import asyncio
import collections
import hashlib
import json
import ssl
import sys

from cryptography import x509

AT_A_TIME = 200
Facts = tuple[str, str, str]


async def look(
    number: int, port: int, context: ssl.SSLContext, timeout: float, turns: asyncio.Semaphore
) -> Facts | None:
    name = f"e{number % 1000:04}.bench.example"
    async with turns:
        try:
            opening = asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
            _reader, writer = await asyncio.wait_for(opening, timeout)
        except (OSError, asyncio.TimeoutError):
            return None
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return hashlib.sha256(der).hexdigest(), certificate.not_valid_after_utc.isoformat(), str(list(names))


async def main(
    port: int, silent_port: int, count: int, anchors: str, timeout: float
) -> list[tuple[str, str, str] | None]:
    context = ssl.create_default_context(cafile=anchors)
    turns = asyncio.Semaphore(AT_A_TIME)
    ports = [silent_port if number % 10 == 3 and silent_port else port for number in range(count)]
    return await asyncio.gather(*(look(number, each, context, timeout, turns) for number, each in enumerate(ports)))


if __name__ == "__main__":
    port, silent_port, count = map(int, sys.argv[1:4])
    seen = asyncio.run(main(port, silent_port, count, sys.argv[4], float(sys.argv[5])))
    found = collections.Counter("silent" if each is None else "served" for each in seen)
    print(json.dumps({**found, "certificates": len({each[0] for each in seen if each})}))
