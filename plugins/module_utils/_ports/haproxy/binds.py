# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates does HAProxy serve where? Its TLS listeners, read from its configuration files.

Follows the configuration manual, 3 (peers, ring, log-forward, crt-store), 4.2 "bind", "server" and "ssl-f-use", and 5
(options of binds and servers). HAProxy itself is not asked.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ..._core.haproxy.addresses import endpoint_label, is_quic, listening_address, stands_for_all, unix_path
from ..._core.haproxy.bind_options import bind_options
from ..._core.haproxy.certificate_paths import KEYWORDS as PATH_KEYWORDS
from ..._core.haproxy.certificate_paths import CertificatePaths, NamedFile
from ..._core.haproxy.conditions import KnownHaproxy
from ..._core.haproxy.config_words import expand_address
from ..._core.haproxy.configuration import ConfigLine, ConfigReader
from ..._core.haproxy.listeners import CertificateReference, TlsBind
from ..._core.haproxy.sections import Section, Sections
from ..._core.haproxy.variables import Environment, UnknownVariable, environment_before, unknown_variable
from ..._errors import HaproxyError
from ..host.own_address import host_name
from .config_files import all_lines, read_configuration
from .loaded import Loaded
from .program import known_haproxy
from .served_files import FileFinder, ServedFiles
from .surroundings import Surroundings

_SERVERS = frozenset(("server", "default-server", "server-template"))
_STRICT = "ssl-default-bind-options"
_KEYWORDS = PATH_KEYWORDS | _SERVERS
_KEYWORDS |= {"bind", "default-bind", "disabled", "enabled", "localpeer", "peer", "ssl-f-use", "stats", "tcp-request"}
_KEYWORDS |= {"unix-bind", _STRICT}
_UNPROBEABLE_OPTIONS = {
    "accept-netscaler-cip": "expects the NetScaler client IP protocol",
    "interface": "is bound to one network interface",
    "namespace": "is in a network namespace of its own",
}
_TO_SERVERS = "is no listener: HAProxy shows the certificate to a server"
_SIGNING = "is no certificate that is served: HAProxy signs others with it"
_OWN_SOCKET = "is HAProxy's own socket, where it loads a certificate and speaks no TLS"


def tls_binds(config_paths: t.Sequence[str], surroundings: Surroundings) -> list[TlsBind]:
    """All listeners with "ssl", in the configuration's order; those that cannot be probed say why (not_probeable).

    config_paths: as HAProxy's -f takes them: files, or directories of which all *.cfg are read in lexical order.
    surroundings: of HAProxy's process. Raises HaproxyError when a file cannot be read.
    """
    return _read(config_paths, surroundings, None).binds


def tls_uses(config_paths: t.Sequence[str], surroundings: Surroundings, loaded: Loaded | None = None) -> list[TlsBind]:
    """As tls_binds, and after them the other places that use a certificate, which nobody can ask.

    loaded: what HAProxy's process holds; then a listener has what is loaded, in that order, whatever is on disk, and
    the process tells its variables, and what conditions in its configuration ask for.
    """
    reader = _read(config_paths, surroundings, loaded)
    return reader.binds + reader.others


def _read(config_paths: t.Sequence[str], surroundings: Surroundings, loaded: Loaded | None) -> _BindReader:
    environment = _variables(config_paths, surroundings, loaded)
    haproxy = known_haproxy(loaded.program_version, loaded.pid) if loaded else KnownHaproxy()
    reader = _BindReader(environment, CertificatePaths(surroundings.directory), loaded)
    for line in read_configuration(config_paths, ConfigReader(_KEYWORDS, environment, haproxy)):
        reader.take(line)
    reader.finish()
    return reader


def _variables(config_paths: t.Sequence[str], surroundings: Surroundings, loaded: Loaded | None) -> Environment:
    """As they were when HAProxy began to read. Those of its start are that; what it shows is what became of them."""
    known = surroundings.environment
    shown = loaded.environment if loaded else None
    if shown is None:
        return Environment(known, whole=surroundings.is_known)
    if surroundings.at_start is not None:
        own = {name: value for name, value in shown.items() if name.startswith("HAPROXY_")}
        return Environment({**own, **surroundings.at_start}, whole=True)
    # Of what is known besides, that is not what this process of ours has.
    given = {name: value for name, value in known.items() if os.environ.get(name) != value}
    return environment_before(shown, all_lines(config_paths), given)


@dataclasses.dataclass(frozen=True)
class _Draft:
    """A listener, before all of its section is known."""

    line: ConfigLine
    address: str
    options: t.Sequence[tuple[str, str]]
    served: ServedFiles
    unix_prefix: str
    directory: str
    strict_sni: bool
    reason: str | None = None


class _BindReader:
    def __init__(self, environment: Environment, paths: CertificatePaths, loaded: Loaded | None) -> None:
        self.binds: list[TlsBind] = []
        self.others: list[TlsBind] = []
        self._environment = environment
        self._paths = paths
        self._files = FileFinder(paths, loaded)
        self._sections = Sections(self._local_peer)
        self._section = Section("")
        self._drafts: list[_Draft] = []
        self._shared = ServedFiles()  # of "default-bind" or "ssl-f-use", for all listeners of the section
        self._unix_prefix = ""
        self._strict_sni = False

    def take(self, line: ConfigLine) -> None:
        if line.begins_section:
            self.finish()
            self._section = self._sections.begin(line)
        self._paths.take(line)
        self._sections.take(line)
        keyword, words = line.keyword, line.words
        if keyword == "bind" and len(words) > 1:
            self._bind(line, words[1], bind_options(words[2:]))
        elif keyword == "default-bind":
            self._section.default_bind = bind_options(words[1:])
            self._share(self._served(line, self._section.default_bind), line)
        elif keyword == "ssl-f-use" and "crt" in words[1:-1]:
            served = self._files.of_certificate(self._paths.certificate(words[words.index("crt") + 1]))
            # The last of these lines comes first (HAProxy 3.2).
            self._share(ServedFiles([*served.references, *self._shared.references], served.doubt), line)
        elif keyword == "peer" and self._section.is_local_peer(line):
            if len(words) > 2:
                self._bind(line, words[2], [])
        elif keyword in _SERVERS:
            self._server(line)
        elif words[:2] == ("stats", "socket"):
            self._own_socket(line)
        elif keyword == "unix-bind":
            self._unix_prefix = dict(zip(words[1:], words[2:])).get("prefix", self._unix_prefix)
        elif keyword == _STRICT:  # for the lines that follow
            self._strict_sni = _is_strict(words, self._strict_sni)

    def finish(self) -> None:
        """The section has ended: now it is known what all of its lines say of its listeners."""
        for draft in self._drafts:
            self._finish_bind(draft)
        self._drafts, self._shared = [], ServedFiles()

    def _local_peer(self) -> str:
        """HAProxy's option -L tells it this name, or its host's is taken."""
        try:
            return self._environment.value("HAPROXY_LOCALPEER") or host_name()
        except UnknownVariable:
            return host_name()

    def _share(self, served: ServedFiles, line: ConfigLine) -> None:
        self._shared = ServedFiles(served.references, self._shared.doubt or line.doubt or served.doubt)

    def _served(self, line: ConfigLine, options: t.Sequence[tuple[str, str]]) -> ServedFiles:
        """A line that may not count may name what is not there."""
        if not line.legible:
            return ServedFiles(doubt=line.doubt)
        try:
            return self._files.of_options(options)
        except HaproxyError:
            if line.doubt is None:
                raise
            return ServedFiles(doubt=line.doubt)

    def _bind(self, line: ConfigLine, addresses: str, options: t.Sequence[tuple[str, str]]) -> None:
        served = self._served(line, options)
        for written in addresses.split(","):
            address, reason = written, None
            try:
                address = expand_address(written, self._environment)
            except UnknownVariable as unknown:
                reason = unknown_variable(unknown)
            here = (self._unix_prefix, self._paths.directory, self._strict_sni)
            self._drafts.append(_Draft(line, address, options, served, *here, reason))
        for name, value in options:
            if name == "ca-sign-file":
                self._use(line, f"ca-sign-file of {addresses}", [self._paths.authority(value)], _SIGNING)

    def _finish_bind(self, draft: _Draft) -> None:
        options = [*self._section.default_bind, *draft.options]
        flags = [name for name, _value in options]
        if "ssl" not in flags and not is_quic(draft.address):
            return
        served = self._complete(draft)
        reason = (
            self._section.silent
            or draft.line.doubt
            or self._section.doubt
            or served.doubt
            or next((text for name, text in _UNPROBEABLE_OPTIONS.items() if name in flags), None)
            or draft.reason
        )
        path = None if reason else unix_path(draft.address, draft.unix_prefix)
        if path and not path.startswith("\0"):
            path = os.path.normpath(os.path.join(draft.directory, path))
        host, ports, why = ("", [0], None) if reason or path else listening_address(draft.address)
        for port in ports:
            is_named = reason or why or path
            self.binds.append(
                TlsBind(
                    label=f"{draft.address} ({draft.line.place})" if is_named else endpoint_label(host, port),
                    host=host,
                    port=port,
                    references=tuple(served.references),
                    strict_sni=_is_strict(flags, draft.strict_sni),
                    section=self._section.name,
                    line=draft.line.text,
                    not_probeable=reason or why,
                    unix_path=path,
                    everywhere=bool(host) and stands_for_all(draft.address),
                    incomplete=served.doubt is not None,
                    proxy_protocol="accept-proxy" in flags or self._section.proxy == "always",
                    proxy_sometimes=self._section.proxy == "sometimes",
                )
            )

    def _complete(self, draft: _Draft) -> ServedFiles:
        """With what is loaded for all listeners of the section: before a peer's own, after a frontend's."""
        shared = self._shared
        if not (shared.references or shared.doubt):
            return draft.served
        if self._section.kind == "peers":
            first, then = shared, draft.served
        else:
            listed = self._files.in_memory(NamedFile(f"@{self._section.own_name}"))
            first, then = draft.served, listed or shared
        references = [
            dataclasses.replace(reference, fallback=False) if number and first.references else reference
            for number, reference in enumerate(then.references, 1)
        ]
        return ServedFiles([*first.references, *references], first.doubt or then.doubt or shared.doubt)

    def _server(self, line: ConfigLine) -> None:
        """HAProxy is the client there: it shows this certificate to a server that asks for one."""
        named = 1 if line.keyword == "default-server" else 2
        options = line.words[named:]
        files = [self._paths.certificate(value) for name, value in zip(options, options[1:]) if name == "crt"]
        self._use(line, " ".join(line.words[:named]), files, _TO_SERVERS)

    def _own_socket(self, line: ConfigLine) -> None:
        served = self._served(line, bind_options(line.words[3:]))
        if served.references:
            self._other(line, " ".join(line.words[:3]), tuple(served.references), _OWN_SOCKET)

    def _use(self, line: ConfigLine, what: str, files: t.Iterable[NamedFile], reason: str) -> None:
        references = [one for file in files for one in self._files.of_certificate(file).references]
        if references:
            self._other(line, what, tuple(references), reason)

    def _other(self, line: ConfigLine, what: str, references: tuple[CertificateReference, ...], reason: str) -> None:
        label = f"{what} ({line.place})"
        self.others.append(
            TlsBind(label, "", 0, references, section=self._section.name, not_probeable=reason, listens=False)
        )


def _is_strict(options: t.Sequence[str], otherwise: bool) -> bool:
    """The last of "strict-sni" and "no-strict-sni" (HAProxy 3.2) counts."""
    said = [option == "strict-sni" for option in options if option in ("strict-sni", "no-strict-sni")]
    return said[-1] if said else otherwise
