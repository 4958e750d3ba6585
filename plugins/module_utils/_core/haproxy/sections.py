# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a section of HAProxy's configuration says of all its listeners, and what it has from defaults. Pure.

Follows the configuration manual, 3.5 (peers), 4 (defaults and "from") and 4.2 "disabled", "enabled" and "tcp-request
connection expect-proxy".
"""

from __future__ import annotations

import dataclasses
import typing as t

from .configuration import ConfigLine

_PROXIES = frozenset(("frontend", "listen", "backend", "defaults"))
_DISABLED = "is in a disabled section"

Proxy = t.Literal["never", "sometimes", "always"]


@dataclasses.dataclass
class Section:
    """name: such as "frontend www". disabled: None where that is not known, and then doubt says why. proxy: whether its
    clients send the header of the PROXY protocol. default_bind: options of all listeners of a peers section.
    local_peer: of a peers section, by which HAProxy knows itself; local_peer_found: whether it is one of the peers."""

    name: str
    disabled: bool | None = False
    doubt: str | None = None
    proxy: Proxy = "never"
    default_bind: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    local_peer: str = ""
    local_peer_found: bool = False

    @property
    def kind(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def own_name(self) -> str:
        return self.name.partition(" ")[2]

    @property
    def silent(self) -> str | None:
        """Why its listeners do not listen."""
        if self.disabled:
            return _DISABLED
        if self.kind == "peers" and not self.local_peer_found:
            return f"is in a section without the peer {self.local_peer}, as HAProxy seems to be called here"
        return None

    def is_local_peer(self, line: ConfigLine) -> bool:
        """Whether this line, "peer" or "server", is about HAProxy itself."""
        return self.kind == "peers" and line.words[1:2] == (self.local_peer,)


class Sections:
    """Takes the lines in their order. local_peer: asks for HAProxy's own name where the configuration has none."""

    def __init__(self, local_peer: t.Callable[[], str]) -> None:
        self._ask_local_peer = local_peer
        self._local_peer: str | None = None
        self._named: dict[str, Section] = {}
        self._last_defaults = Section("defaults")
        self._section = Section("")

    def begin(self, line: ConfigLine) -> Section:
        """A section; from now on lines are about it. Without "from" a proxy has the last defaults."""
        kind, *rest = line.words
        inherited = Section("")
        if kind in _PROXIES:
            source = rest[rest.index("from") + 1 :][:1] if "from" in rest else []
            if source:
                inherited = self._named.get(source[0], inherited)
            elif kind != "defaults":
                inherited = self._last_defaults
        section = dataclasses.replace(inherited, name=line.section, default_bind=[])
        if kind == "defaults":
            self._last_defaults = section
            if rest and rest[0] != "from":
                self._named[rest[0]] = section
        elif kind == "peers":
            section.local_peer = self._local_peer or self._ask_local_peer()
        self._section = section
        return section

    def take(self, line: ConfigLine) -> None:
        """A line of the section."""
        section = self._section
        if line.keyword in ("disabled", "enabled"):
            if line.doubt:
                section.disabled = None
                section.doubt = f"is in a section that may be disabled: the line that says so {line.doubt}"
            else:
                section.disabled, section.doubt = line.keyword == "disabled", None
        elif line.words[:3] == ("tcp-request", "connection", "expect-proxy"):
            is_certain = len(line.words) <= 4 and not line.doubt
            section.proxy = "always" if is_certain else "sometimes"
        elif line.keyword == "localpeer" and not line.doubt:
            self._local_peer = "".join(line.words[1:2])
        elif line.keyword in ("peer", "server") and section.is_local_peer(line):
            section.local_peer_found = True
