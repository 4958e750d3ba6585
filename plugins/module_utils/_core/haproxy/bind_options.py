# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words after the address of a bind line (configuration manual, 5.1), as options."""

from __future__ import annotations

import typing as t

# Bind options that are followed by one value, which may itself look like an option.
_WITH_VALUE = frozenset(
    [
        "accept-netscaler-cip",
        "alpn",
        "backlog",
        "ca-file",
        "ca-ignore-err",
        "ca-sign-file",
        "ca-sign-pass",
        "ca-verify-file",
        "cc",
        "ciphers",
        "ciphersuites",
        "client-sigalgs",
        "crl-file",
        "crt",
        "crt-ignore-err",
        "crt-list",
        "curves",
        "default-crt",
        "ecdhe",
        "expose-fd",
        "gid",
        "group",
        "guid-prefix",
        "id",
        "idle-ping",
        "interface",
        "label",
        "level",
        "maxconn",
        "mode",
        "mss",
        "name",
        "namespace",
        "nbconn",
        "nice",
        "npn",
        "proto",
        "process",
        "quic-cc-algo",
        "quic-socket",
        "severity-output",
        "shards",
        "sigalgs",
        "ssl-max-ver",
        "ssl-min-ver",
        "tcp-ut",
        "thread",
        "tls-ticket-keys",
        "uid",
        "user",
        "verify",
    ]
)


def bind_options(words: t.Sequence[str]) -> list[tuple[str, str]]:
    """Name and value of each option of a bind line; "" for a value that an option has not."""
    options = []
    position = 0
    while position < len(words):
        has_value = words[position] in _WITH_VALUE and position + 1 < len(words)
        options.append((words[position], words[position + 1] if has_value else ""))
        position += 2 if has_value else 1
    return options
