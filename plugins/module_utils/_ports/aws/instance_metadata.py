# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an EC2 instance is told about itself: the instance metadata service, version 2 (IMDSv2), with its tokens.

The environment variables are those of botocore: AWS_EC2_METADATA_DISABLED, AWS_EC2_METADATA_SERVICE_ENDPOINT and
AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import typing as t
import urllib.parse

from ..deadline import Deadline
from ..exchange import exchange, over_tcp

_ENDPOINTS = {"ipv4": "http://169.254.169.254", "ipv6": "http://[fd00:ec2::254]"}
_INSTANCE_ID = re.compile(r"i-[0-9a-f]+")
_NAMES = ("local-ipv4", "public-ipv4", "ipv6", "local-hostname", "public-hostname")
_LIFETIME_SECONDS = "21600"
_LARGEST_REPLY = 4096


class Instance(t.NamedTuple):
    """names: host names and IP addresses, private and public, as far as it has them."""

    instance_id: str
    region: str
    names: tuple[str, ...]


def look_up_instance(environ: t.Mapping[str, str], timeout: float = 2.0) -> Instance | None:
    """None where nothing answers within timeout seconds, or what answers is not EC2: this host is none of EC2's.
    All that is asked after the first answer takes no longer than twice that.

    Unless the environment says where, a host without a way to the IPv4 address is asked at the IPv6 address.
    Raises nothing. There are no retries: elsewhere nobody answers, and everybody would wait.
    """
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    mode = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "").lower()
    given = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _ENDPOINTS.get(mode)
    first = Deadline(timeout)
    for endpoint in [given] if given else _ENDPOINTS.values():
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            return _ask(endpoint, timeout, first)
    return None


def _ask(endpoint: str, timeout: float, first: Deadline) -> Instance | None:
    """first: for the first answer. Raises OSError, HTTPException, ValueError."""
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": _LIFETIME_SECONDS}
    token = _request(endpoint, "PUT", "api/token", lifetime, first)
    if not token:
        return None

    deadline = Deadline(2 * timeout)

    def get(path: str) -> str:
        return _request(endpoint, "GET", f"meta-data/{path}", {"X-aws-ec2-metadata-token": token}, deadline)

    instance_id, region = get("instance-id"), get("placement/region")
    if not _INSTANCE_ID.fullmatch(instance_id) or not region:
        return None
    return Instance(instance_id, region, tuple(filter(None, map(get, _NAMES))))


def _request(endpoint: str, method: str, path: str, headers: t.Mapping[str, str], deadline: Deadline) -> str:
    """The reply's text, "" for any other status than 200. Proxies of the environment are not for it."""
    address = urllib.parse.urlsplit(endpoint)
    connect = over_tcp(address.hostname or "", address.port or 80)
    request = f"{method} {address.path.rstrip('/')}/latest/{path}"
    reply = exchange(connect, request, {"Host": address.netloc, **headers}, deadline=deadline, most=_LARGEST_REPLY)
    return reply.body.decode("ascii").strip() if reply.status == http.client.OK else ""
