# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that gets lineages: where, how, and which. Read when something is pushed, never kept in the queue."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .lineage import Part

#: How the receiving side takes a lineage, and how it confirms.
#: ``receiver``: the role certificate_receiver: uploaded beside, renamed, confirmed by a receipt.
#: ``directory``: a plain SFTP server or a certdeploy client: files in <path>/<lineage>/, key first, in one connection;
#: the upload is the confirmation, unless endpoints are named.
Protocol = t.Literal["receiver", "directory"]


@dataclass(frozen=True)
class PushTarget:
    """One host.

    name: the host in the queue and in reports; address: DNS name or IP address; domains: exact names (lower case,
    A-labels) of which one has to be in a lineage for the host to get it, ``*`` for all lineages; wildcards: whether a
    name here is also matched by a wildcard of the lineage, and ``*.example.com`` here by any name one label below;
    host_keys: lines of a known_hosts file without the host (``ssh-ed25519 AAAA...``), any of which the host may show;
    private_key_file: None for ssh-agent and ssh's own defaults;
    path: upload directory as SFTP shows it, "" for where the login ends up; receipts: directory of the receipts,
    likewise;
    files: parts it gets; retries: further attempts in one run after the first; retry_interval: seconds between them;
    timeout: seconds for one attempt, to connect and to upload; receipt_timeout: seconds to wait for the receipt;
    endpoints: of tls_endpoint_info, whose handshake has to get the new leaf before the push is confirmed; canary:
    whether it comes before the others.
    """

    name: str
    address: str
    domains: tuple[str, ...]
    host_keys: tuple[str, ...]
    port: int = 22
    user: str = "certdeploy"
    private_key_file: str | None = None
    protocol: Protocol = "receiver"
    path: str = "/staging"
    receipts: str = "/receipts"
    files: tuple[Part, ...] = ("fullchain", "privkey")
    wildcards: bool = False
    retries: int = 1
    retry_interval: float = 30
    timeout: float = 60
    receipt_timeout: float = 60
    endpoints: tuple[t.Mapping[str, t.Any], ...] = field(default=())
    canary: bool = False
