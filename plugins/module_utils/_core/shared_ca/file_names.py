# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of what a host has taken from a shared authority, in one directory."""

from __future__ import annotations

import re
import typing as t

CA: t.Final = "ca.pem"
CRL: t.Final = "crl.pem"
#: Certificate and key in one, as HAProxy reads them; beside it each alone.
SERVER: t.Final = "server.pem"
SERVER_CERT: t.Final = "server-cert.pem"
SERVER_KEY: t.Final = "server-key.pem"
#: A key for which a certificate has been asked for.
WAITING_KEY: t.Final = "server-next-key.pem"
CLIENT_CERT: t.Final = re.compile(r"client-(?P<name>.+)-cert\.pem")
#: Of a client, certificate or key.
CLIENT_FILE: t.Final = re.compile(r"client-(?P<name>.+)-(?:cert|key)\.pem")


def client_cert(name: str) -> str:
    return f"client-{name}-cert.pem"


def client_key(name: str) -> str:
    return f"client-{name}-key.pem"
