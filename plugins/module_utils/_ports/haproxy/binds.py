# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates does HAProxy serve where? Its TLS listeners, read from its configuration files.

Follows the configuration manual, 2.1 to 2.4 (format), 4.2 "bind" and 5.1 (bind options). HAProxy itself is not asked.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ..._core.haproxy.addresses import endpoint_label, listening_address, stands_for_all, unix_path
from ..._core.haproxy.bind_options import bind_options
from ..._core.haproxy.config_words import SECTIONS, UnknownVariable, expand_address, split_words
from ..._core.haproxy.listeners import CertificateReference, TlsBind
from .config_files import config_files, config_lines, directory_names
from .loaded import Loaded

_PATH_KEYWORDS = frozenset(("crt-base", "default-path", "load", "unix-bind"))
_ENVIRONMENT_KEYWORDS = frozenset(("setenv", "presetenv", "unsetenv"))
_CONDITIONS = frozenset((".if", ".elif", ".else", ".endif"))
_SERVERS = frozenset(("server", "default-server", "server-template"))
_KEYWORDS = (
    SECTIONS
    | _PATH_KEYWORDS
    | _ENVIRONMENT_KEYWORDS
    | _CONDITIONS
    | _SERVERS
    | {"bind", "disabled", "enabled", "ssl-default-bind-options", "tcp-request"}
)

_IGNORED_SUFFIXES = (".key", ".issuer", ".ocsp", ".sctl")
_BUNDLE_SUFFIXES = (".dsa", ".ecdsa", ".rsa")  # as HAProxy loads them
_UNPROBEABLE_OPTIONS = {
    "accept-netscaler-cip": "expects the NetScaler client IP protocol",
    "interface": "is bound to one network interface",
    "namespace": "is in a network namespace of its own",
}


def tls_binds(config_paths: t.Sequence[str], environment: t.Mapping[str, str]) -> list[TlsBind]:
    """All listeners with "ssl", in the configuration's order; those that cannot be probed say why (not_probeable).

    config_paths: as HAProxy's -f takes them: files, or directories of which all *.cfg are read in lexical order.
    environment: the variables of HAProxy's process. Raises HaproxyError when a file cannot be read.
    """
    return _read(config_paths, _BindReader(environment)).binds


def tls_uses(
    config_paths: t.Sequence[str], environment: t.Mapping[str, str], loaded: Loaded | None = None
) -> list[TlsBind]:
    """As tls_binds, and after them the server lines that use a certificate, which nobody can ask.

    loaded: what HAProxy's process holds; then a listener has what is loaded, in that order, whatever is on disk.
    """
    reader = _read(config_paths, _BindReader(environment, loaded))
    return reader.binds + reader.servers


def _read(config_paths: t.Sequence[str], reader: _BindReader) -> _BindReader:
    for path in config_paths:
        for file in config_files(path):
            reader.read(file)
    return reader


class _BindReader:
    def __init__(self, environment: t.Mapping[str, str], loaded: Loaded | None = None) -> None:
        self.binds: list[TlsBind] = []
        self.servers: list[TlsBind] = []
        self._environment = dict(environment)
        self._loaded = loaded
        self._resolved: dict[tuple[str | None, int], tuple[frozenset[str], dict[str, str]]] = {}
        self._unix_prefix = ""
        self._strict_sni = False
        self._section = ""
        self._crt_base = ""
        self._working_directory: str | None = None
        self._stores: dict[str, str] = {}
        self._store_name = ""
        self._store_base = ""
        self._conditions = 0
        self._disabled = self._disabled_by_default = False
        self._expects_proxy: dict[str, t.Any] = {}
        self._first_bind = 0

    def read(self, path: str) -> None:
        for number, line in enumerate(config_lines(path), 1):
            keyword = line.split("#", 1)[0].split(None, 1)[:1]
            if keyword and keyword[0] in _KEYWORDS:
                self._line(keyword[0], line, path, f"{path}:{number}")

    def _line(self, keyword: str, line: str, path: str, place: str) -> None:
        if keyword in _CONDITIONS:
            self._conditions += {".if": 1, ".endif": -1}.get(keyword, 0)
            return
        try:
            words = split_words(line, self._environment)
        except UnknownVariable as unknown:
            if keyword == "bind" and "ssl" in line.split():
                self._add(place, line, line.split()[1], (), _unknown(unknown))
            return
        if keyword in SECTIONS:
            self._enter(words)
        elif keyword == "bind":
            self._bind(words, line, place)
        elif keyword in ("disabled", "enabled"):
            self._disabled = keyword == "disabled"
            if self._section.startswith("defaults"):
                self._disabled_by_default = self._disabled
        elif keyword in _PATH_KEYWORDS:
            self._set_paths(keyword, words, path)
        elif keyword in _SERVERS:
            self._server(words, place)
        elif keyword == "tcp-request":
            self._expect_proxy(words)
        elif keyword == "ssl-default-bind-options":  # for the lines that follow
            self._strict_sni = _is_strict(words, self._strict_sni)
        else:
            self._set_environment(keyword, words[1:])

    def _set_environment(self, keyword: str, arguments: t.Sequence[str]) -> None:
        if keyword == "unsetenv":
            for name in arguments:
                self._environment.pop(name, None)
        elif len(arguments) == 2 and (keyword == "setenv" or arguments[0] not in self._environment):
            self._environment[arguments[0]] = arguments[1]

    def _set_paths(self, keyword: str, words: t.Sequence[str], path: str) -> None:
        in_store = self._section.startswith("crt-store")
        if len(words) < 2:
            return
        if keyword == "load" and in_store:
            self._load(words)
        elif keyword == "crt-base" and in_store:
            self._store_base = words[1]
        elif keyword == "crt-base":
            self._crt_base = words[1]
        elif keyword == "unix-bind":
            self._unix_prefix = dict(zip(words[1:], words[2:])).get("prefix", self._unix_prefix)
        elif keyword == "default-path":
            here = os.path.dirname(os.path.abspath(path))
            known = {"config": here, "parent": os.path.dirname(here), "origin": words[-1]}
            self._working_directory = known.get(words[1])

    def _enter(self, words: t.Sequence[str]) -> None:
        self._section = " ".join(words[:2])
        if words[0] == "defaults":
            self._disabled_by_default = False
        self._disabled = self._disabled_by_default and words[0] in ("frontend", "listen")
        self._store_name, self._store_base = " ".join(words[1:2]), ""
        self._expects_proxy, self._first_bind = {}, len(self.binds)

    def _load(self, words: t.Sequence[str]) -> None:
        """A certificate of a crt-store, which binds name by its alias or its file (HAProxy 3.0)."""
        options = dict(zip(words[1::2], words[2::2]))
        if "crt" in options:
            path = self._path(options["crt"], self._store_base)
            self._stores[f"@{self._store_name}/{options.get('alias', options['crt'])}"] = path

    # Binds

    def _bind(self, words: t.Sequence[str], line: str, place: str) -> None:
        options = bind_options(words[2:])
        if len(words) < 2 or not any(name == "ssl" for name, _value in options):
            return
        references = self._references(options)
        flags = [name for name, _value in options]
        for written in words[1].split(","):
            reason = next((text for name, text in _UNPROBEABLE_OPTIONS.items() if name in flags), None)
            try:
                address = expand_address(written, self._environment)
            except UnknownVariable as unknown:
                address, reason = written, _unknown(unknown)
            self._add(place, line, address, references, reason, flags)

    def _add(
        self,
        place: str,
        line: str,
        address: str,
        references: tuple[CertificateReference, ...],
        reason: str | None,
        flags: t.Sequence[str] = (),
    ) -> None:
        if self._conditions > 0:
            reason = "is in a conditional block, whose condition is not evaluated here"
        if self._disabled:
            reason = "is in a disabled section"
        path = None if reason else unix_path(address, self._unix_prefix)
        if path and not path.startswith("\0"):
            path = self._path(path, "")
        host, ports, why = ("", [0], None) if reason or path else listening_address(address)
        for port in ports:
            named = f"{address} ({place})" if reason or why or path else endpoint_label(host, port)
            self.binds.append(
                TlsBind(
                    label=named,
                    host=host,
                    port=port,
                    references=references,
                    strict_sni=_is_strict(flags, self._strict_sni),
                    section=self._section,
                    line=line.strip(),
                    not_probeable=reason or why,
                    unix_path=path,
                    everywhere=bool(host) and stands_for_all(address),
                    **{"proxy_protocol": "accept-proxy" in flags, **self._expects_proxy},
                )
            )

    def _expect_proxy(self, words: t.Sequence[str]) -> None:
        """tcp-request connection expect-proxy layer4 [if ...]: accept-proxy for a section's listeners, or for some."""
        if words[1:3] != ["connection", "expect-proxy"]:
            return
        self._expects_proxy = {"proxy_sometimes" if len(words) > 4 else "proxy_protocol": True}
        own = self.binds[self._first_bind :]
        self.binds[self._first_bind :] = [dataclasses.replace(bind, **self._expects_proxy) for bind in own]

    def _server(self, words: t.Sequence[str], place: str) -> None:
        """HAProxy is the client there: it shows this certificate to a server that asks for one."""
        files = [value for name, value in zip(words, words[1:]) if name == "crt"]
        if files:
            references = tuple(CertificateReference(path) for file in files for path in self._files(file))
            label = f"{' '.join(words[:2] if words[0] != 'default-server' else words[:1])} ({place})"
            reason = "is no listener: HAProxy shows the certificate to a server"
            self.servers.append(TlsBind(label, "", 0, references, section=self._section, not_probeable=reason))

    def _references(self, options: t.Sequence[tuple[str, str]]) -> tuple[CertificateReference, ...]:
        """The certificates in the order in which HAProxy loads them: as they are written."""
        references: list[CertificateReference] = []
        for name, value in options:
            if name in ("crt", "default-crt"):
                files = self._files(value)
                is_default = name == "default-crt" or not references
                is_default = is_default and not os.path.isdir(self._path(value, self._crt_base))
                references += [CertificateReference(path, fallback=is_default) for path in files]
            elif name == "crt-list":
                references += self._crt_list(self._path(value, ""))
        return tuple(references)

    def _files(self, value: str) -> list[str]:
        path = self._path(value, self._crt_base)
        listed = self._in_memory(path)
        if listed is not None:
            return [reference.path for reference in listed]
        return [file for file in self._on_disk(path) if self._is_loaded(file)]

    def _on_disk(self, path: str) -> list[str]:
        if os.path.isdir(path):
            names = [
                name
                for name in directory_names(path)
                if not name.startswith(".") and not name.endswith(_IGNORED_SUFFIXES)
            ]
            # What is no file is skipped, directories with all that is in them among it.
            files = [os.path.join(path, name) for name in names if not os.path.isdir(os.path.join(path, name))]
            return list(map(os.path.realpath, files))
        if not os.path.exists(path):
            bundle = [path + suffix for suffix in _BUNDLE_SUFFIXES if os.path.exists(path + suffix)]
            return [os.path.realpath(file) for file in bundle] or [path]
        return [os.path.realpath(path)]

    def _crt_list(self, path: str) -> list[CertificateReference]:
        listed = self._in_memory(path)
        if listed is not None:
            return listed
        references: list[CertificateReference] = []
        for line in config_lines(path):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            certificate, filters = _crt_list_entry(line)
            names = tuple(name.lower() for name in filters)
            references += [CertificateReference(file, names, bool(names)) for file in self._files(certificate)]
        return references

    def _in_memory(self, path: str) -> list[CertificateReference] | None:
        """The entries of a crt-list or directory as loaded; None when it is not known what is."""
        lists = self._loaded_paths()[1]
        name = lists.get(path) or lists.get(os.path.realpath(path))
        if self._loaded is None or name is None:
            return None
        references = []
        for file, rest in self._loaded.lists[name]:
            filters = tuple(word.lower() for word in _crt_list_entry(f"x {rest}")[1])
            references.append(CertificateReference(os.path.realpath(self._path(file, "")), filters, bool(filters)))
        return references

    def _is_loaded(self, path: str) -> bool:
        return self._loaded is None or path in self._loaded_paths()[0]

    def _loaded_paths(self) -> tuple[frozenset[str], dict[str, str]]:
        """Of all loaded files the paths, links resolved; of the loaded lists path -> name, also with links resolved."""
        if self._loaded is None:
            return frozenset(), {}
        key = (self._working_directory, len(self._stores))  # what names are relative to
        if key not in self._resolved:
            written = {self._path(name, ""): name for name in self._loaded.lists}
            lists = {**{os.path.realpath(path): name for path, name in written.items()}, **written}
            files = frozenset(os.path.realpath(self._path(name, "")) for name in self._loaded.names)
            self._resolved[key] = (files, lists)
        return self._resolved[key]

    def _path(self, value: str, base: str) -> str:
        if value.startswith("@"):
            return self._stores.get(value, value)
        # Without default-path HAProxy takes its working directory, which is / under service managers.
        return os.path.normpath(os.path.join(self._working_directory or "/", base, value))


def _is_strict(options: t.Sequence[str], otherwise: bool) -> bool:
    """The last of "strict-sni" and "no-strict-sni" (HAProxy 3.2) counts."""
    said = [option == "strict-sni" for option in options if option in ("strict-sni", "no-strict-sni")]
    return said[-1] if said else otherwise


def _unknown(variable: UnknownVariable) -> str:
    return f"needs the environment variable {variable}, which is not known here"


def _crt_list_entry(line: str) -> tuple[str, list[str]]:
    """Path and SNI filters of "path [options] [!]filter ..."."""
    before, bracket, rest = line.partition("[")
    _options_text, _bracket, after = rest.partition("]")
    words = (f"{before} {after}" if bracket else line).split()
    filters = words[1:]
    comment = next((index for index, word in enumerate(filters) if word.startswith("#")), len(filters))
    return words[0], filters[:comment]
