# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificate does HAProxy choose for a client? Its rules, as 2.6 to 3.2 were seen to follow them. Pure.

Sources: the configuration manual, 5.1 ("crt", "crt-list", "default-crt", "strict-sni"), and HAProxy's answers to the
scenes of tests/integration/test_haproxy_selection.py.

- A certificate has all DNS names of its SAN and all common names of its subject; or, in a crt-list, the filters of its
  line instead. "*.example.com" covers one label; "!www.example.com" takes a name out of the wildcards of its own line.
- Exact names and wildcards are searched together. Of what is found a client that can do ECDSA gets the first ECDSA
  certificate, another one the first RSA certificate: an ECDSA wildcard wins over an RSA certificate of the exact name.
- Of several with one name and one type of key the one that was loaded first answers, until it is updated while HAProxy
  runs: that puts it behind the others. So who of them answers is only known after a start.
- Who names nothing, or a name that nobody has, gets the default certificate, or none with "strict-sni". Up to 2.9 the
  first one that was loaded is the default; since 3.0 also those of "default-crt" and of the filter "*" are, and those
  that have the name "*" themselves, and the client's types of key decide.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .listeners import CertificateReference

#: What a client can do: whatever HAProxy can, RSA alone, or ECDSA alone.
ClientKeys = t.Literal["any", "rsa", "ecdsa"]
Version = tuple[int, int]

_SEVERAL_DEFAULTS: Version = (3, 0)
_PREFERENCE: dict[ClientKeys, tuple[str, ...]] = {
    "any": ("ecdsa", "rsa", "other"),
    "ecdsa": ("ecdsa", "rsa", "other"),
    "rsa": ("rsa", "other", "ecdsa"),
}


@dataclasses.dataclass(frozen=True)
class LoadedFile:
    """What HAProxy reads from a file: names of the SAN and of the subject; key_type: "rsa", "ecdsa" or "other", which
    a key for RSASSA-PSS alone is, too.

    not_after: ISO 8601, UTC. fingerprint_sha256: "" when it is not known which certificate of these names it is.
    """

    path: str
    fingerprint_sha256: str
    names: tuple[str, ...]
    key_type: str
    not_after: str = ""


@dataclasses.dataclass(frozen=True)
class _Candidate:
    file: LoadedFile
    excluded: frozenset[str]


class Selector:
    """The choice of one listener. references: in the order in which it loads them; files: what is in them, by path.

    version: of HAProxy, None when it is not known: then the default certificate of every version may be the one.
    unknown: paths of which nobody knows what is in them, so that each may be the answer.
    """

    def __init__(
        self,
        references: t.Sequence[CertificateReference],
        files: t.Mapping[str, LoadedFile],
        *,
        strict_sni: bool = False,
        version: Version | None = None,
    ) -> None:
        self.unknown = tuple(dict.fromkeys(item.path for item in references if item.path not in files))
        self._strict_sni = strict_sni
        self._version = version
        self._exact: dict[str, list[_Candidate]] = {}
        self._wildcards: dict[str, list[_Candidate]] = {}
        self._excluded: set[str] = set()
        self._first: list[_Candidate] = []
        self._defaults: list[_Candidate] = []
        for position, reference in enumerate(references):
            if reference.path in files:
                self._add(reference, files[reference.path], first=position == 0)

    def _add(self, reference: CertificateReference, file: LoadedFile, *, first: bool) -> None:
        written = [name.lower() for name in (reference.filters if reference.filtered else file.names)]
        excluded = frozenset(name[1:] for name in written if name.startswith("!") and not name.startswith("!*"))
        entry = _Candidate(file, excluded)
        self._excluded |= excluded
        for name in dict.fromkeys(written):
            if name.startswith("!"):
                continue
            if name.startswith("*"):
                self._wildcards.setdefault(name[1:], []).append(entry)
            elif name:
                self._exact.setdefault(name, []).append(entry)
        if first:
            self._first.append(entry)
        if first or reference.fallback or "*" in written:
            self._defaults.append(entry)

    def answering(self, server_name: str | None, client: ClientKeys = "any") -> tuple[LoadedFile, ...]:
        """Who may answer, in the order of loading; () when the handshake is refused. server_name: None for no SNI."""
        name = (server_name or "").lower()
        found = self._with_name(name) if name else []
        if found:
            return _preferred(found, client)
        return () if self._strict_sni else self.default(client)

    def found_by(self, server_name: str | None) -> str:
        """The same for names that are answered alike: the name, or the wildcard that covers it, or "" for neither."""
        name = (server_name or "").lower()
        if name in self._exact or name in self._excluded:
            return name
        _label, dot, rest = name.partition(".")
        return f"*.{rest}" if dot and f".{rest}" in self._wildcards else ""

    def default(self, client: ClientKeys = "any") -> tuple[LoadedFile, ...]:
        """Who may answer a client that names nothing, as long as there is no strict-sni."""
        return tuple(dict.fromkeys(file for files in self._defaults_by_rule(client) for file in files))

    def is_default(self, path: str) -> bool:
        """Whether clients that name nothing may get this file, in all versions that this one may be."""
        rules = zip(self._defaults_by_rule("any"), self._defaults_by_rule("rsa"))
        return not self._strict_sni and all(
            any(file.path == path for files in clients for file in files) for clients in rules
        )

    def _defaults_by_rule(self, client: ClientKeys) -> list[tuple[LoadedFile, ...]]:
        before = tuple(entry.file for entry in self._first)
        since = _preferred(self._defaults, client)
        if self._version is None:
            return [before, since]
        return [since if self._version >= _SEVERAL_DEFAULTS else before]

    def _with_name(self, name: str) -> list[_Candidate]:
        _label, dot, rest = name.partition(".")
        covering = self._wildcards.get(f".{rest}", ()) if dot else ()
        return [*self._exact.get(name, ()), *(entry for entry in covering if name not in entry.excluded)]


def _preferred(entries: t.Sequence[_Candidate], client: ClientKeys) -> tuple[LoadedFile, ...]:
    """Those of the type of key that comes first for this client."""
    for key_type in _PREFERENCE[client]:
        files = dict.fromkeys(entry.file for entry in entries if entry.file.key_type == key_type)
        if files:
            return tuple(files)
    return ()
