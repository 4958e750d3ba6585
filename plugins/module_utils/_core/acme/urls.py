# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a CA may send us: the account's signatures go only to places that its directory names. Pure.

RFC 8555 lets orders, authorizations and certificates be on any host. No known CA uses one that its directory does not
name, and a CA that lies, or whoever has broken into it, could otherwise make the controller ask services inside the
network. So: https only; hosts and ports of the directory itself or of the addresses in it; and in it no bare IP address
but that of the directory itself. A signature cannot be used elsewhere either: it has the URL in it (section 6.4).
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..._errors import InvalidOption
from ..text import shown

_LONGEST: t.Final = 2048
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


class UnsafeUrl(ValueError):
    """Its text says what is wrong with it, as the end of "has for its certificate ..."."""


@dataclass(frozen=True)
class TrustedPlaces:
    """origins: (host, port) pairs that may be asked; the first is the directory's."""

    origins: tuple[tuple[str, int], ...]

    @classmethod
    def of_directory(cls, url: str) -> TrustedPlaces:
        """Raises InvalidOption."""
        try:
            return cls((_origin(url),))
        except UnsafeUrl as error:
            raise InvalidOption(f"The directory of an issuer has to be an https:// URL: it is {error}.") from None

    def endpoint(self, url: str) -> str:
        """An address that the directory names. Raises UnsafeUrl."""
        host, _port = origin = _origin(url)
        if origin != self.origins[0] and host != self.origins[0][0] and _is_address(host):
            raise UnsafeUrl(f"the bare address {_quoted(url)}, which is not that of the directory")
        return url

    def with_endpoints(self, urls: t.Iterable[str]) -> TrustedPlaces:
        return TrustedPlaces(tuple(dict.fromkeys((*self.origins, *map(_origin, urls)))))

    def checked(self, url: t.Any) -> str:
        """Raises UnsafeUrl for what is not to be asked."""
        if not isinstance(url, str):
            raise UnsafeUrl("no URL")
        if _origin(url) not in self.origins:
            raise UnsafeUrl(f"{_quoted(url)}, which is on a host that the CA's directory does not name")
        return url


def _origin(url: str) -> tuple[str, int]:
    if len(url) > _LONGEST or not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise UnsafeUrl(f"{_quoted(url)}, which is no URL")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UnsafeUrl(f"{_quoted(url)}, which is no URL") from None
    if not host or "@" in url:  # not quoted: there may be a password in it
        raise UnsafeUrl("a URL without a host, or with a user's name in it")
    if parts.scheme != "https":
        raise UnsafeUrl(f"{_quoted(url)}, which is not https")
    return host.rstrip("."), 443 if port is None else port


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # Resolvers take 127.1, 2130706433 and 0x7f000001 for addresses, too; no public name ends in a number.
        return re.fullmatch(r"(?:0x[0-9a-f]*|[0-9]+)", host.rpartition(".")[2]) is not None
    return True


def _quoted(url: str) -> str:
    text = shown(" ".join(url[:200].split()))  # on one line
    return text if len(url) <= 200 else text + "..."
