# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates does HAProxy serve where? Its TLS listeners, read from its configuration files.

Follows the configuration manual, 2.1 to 2.4 (format), 4.2 "bind" and 5.1 (bind options). HAProxy itself is not asked.
"""

from __future__ import annotations

import os
import typing as t

from .._errors import HaproxyError
from .._proof import CertificateReference, TlsBind
from .._store.atomic import read_regular_file
from .config_words import UnknownVariable, expand_address, split_words

_SECTIONS = frozenset(
    [
        "acme",
        "backend",
        "cache",
        "crt-store",
        "defaults",
        "fcgi-app",
        "frontend",
        "global",
        "healthcheck",
        "http-errors",
        "listen",
        "log-forward",
        "log-profile",
        "mailers",
        "peers",
        "program",
        "resolvers",
        "ring",
        "traces",
        "userlist",
    ]
)
_PATH_KEYWORDS = frozenset(("crt-base", "default-path", "load"))
_ENVIRONMENT_KEYWORDS = frozenset(("setenv", "presetenv", "unsetenv"))
_CONDITIONS = frozenset((".if", ".elif", ".else", ".endif"))
_KEYWORDS = _SECTIONS | _PATH_KEYWORDS | _ENVIRONMENT_KEYWORDS | _CONDITIONS | {"bind", "disabled", "enabled"}

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
_IGNORED_SUFFIXES = (".key", ".issuer", ".ocsp", ".sctl")
_BUNDLE_SUFFIXES = (".rsa", ".ecdsa", ".dsa")
_UNPROBEABLE_OPTIONS = {
    "accept-netscaler-cip": "expects the NetScaler client IP protocol",
    "interface": "is bound to one network interface",
    "namespace": "is in a network namespace of its own",
}
_UNPROBEABLE_PREFIXES = {
    "/": "is a unix socket",
    "unix@": "is a unix socket",
    "uxst@": "is a unix socket",
    "uxdg@": "is a unix socket",
    "abns@": "is an abstract unix socket",
    "abnsz@": "is an abstract unix socket",
    "fd@": "is an inherited file descriptor",
    "sockpair@": "is an inherited socket pair",
    "quic4@": "speaks QUIC",
    "quic6@": "speaks QUIC",
    "udp@": "speaks UDP",
    "udp4@": "speaks UDP",
    "udp6@": "speaks UDP",
    "rhttp@": "is a reversed HTTP connection",
}
_TCP_PREFIXES = (
    "ipv4@",
    "ipv6@",
    "tcp@",
    "tcp4@",
    "tcp6@",
    "mptcp@",
    "mptcp4@",
    "mptcp6@",
    "stream+ipv4@",
    "stream+ipv6@",
)


def tls_binds(config_paths: t.Sequence[str], environment: t.Mapping[str, str]) -> list[TlsBind]:
    """All listeners with "ssl", in the configuration's order; those that cannot be probed say why (not_probeable).

    config_paths: as HAProxy's -f takes them: files, or directories of which all *.cfg are read in lexical order.
    environment: the variables of HAProxy's process. Raises HaproxyError when a file cannot be read.
    """
    reader = _Reader(environment)
    for path in config_paths:
        for file in _config_files(path):
            reader.read(file)
    return reader.binds


def _config_files(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    return [os.path.join(path, name) for name in _names(path) if name.endswith(".cfg") and not name.startswith(".")]


class _Reader:
    def __init__(self, environment: t.Mapping[str, str]) -> None:
        self.binds: list[TlsBind] = []
        self._environment = dict(environment)
        self._section = ""
        self._crt_base = ""
        self._working_directory: str | None = None
        self._stores: dict[str, str] = {}
        self._store_name = ""
        self._store_base = ""
        self._conditions = 0
        self._disabled = self._disabled_by_default = False

    def read(self, path: str) -> None:
        for number, line in enumerate(_lines(path), 1):
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
        if keyword in _SECTIONS:
            self._enter(words)
        elif keyword == "bind":
            self._bind(words, line, place)
        elif keyword in ("disabled", "enabled"):
            self._disabled = keyword == "disabled"
            if self._section.startswith("defaults"):
                self._disabled_by_default = self._disabled
        elif keyword in _PATH_KEYWORDS:
            self._set_paths(keyword, words, path)
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

    def _load(self, words: t.Sequence[str]) -> None:
        """A certificate of a crt-store, which binds name by its alias or its file (HAProxy 3.0)."""
        options = dict(zip(words[1::2], words[2::2]))
        if "crt" in options:
            path = self._path(options["crt"], self._store_base)
            self._stores[f"@{self._store_name}/{options.get('alias', options['crt'])}"] = path

    # Binds

    def _bind(self, words: t.Sequence[str], line: str, place: str) -> None:
        options = _options(words[2:])
        if len(words) < 2 or not any(name == "ssl" for name, _value in options):
            return
        references = self._references(options)
        flags = {name for name, _value in options}
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
        flags: t.Collection[str] = (),
    ) -> None:
        if self._conditions > 0:
            reason = "is in a conditional block, whose condition is not evaluated here"
        if self._disabled:
            reason = "is in a disabled section"
        host, ports, why = ("", [0], None) if reason else listening_address(address)
        for port in ports:
            self.binds.append(
                TlsBind(
                    label=f"{address} ({place})" if reason or why else endpoint_label(host, port),
                    host=host,
                    port=port,
                    references=references,
                    strict_sni="strict-sni" in flags,
                    proxy_protocol="accept-proxy" in flags,
                    section=self._section,
                    line=line.strip(),
                    not_probeable=reason or why,
                )
            )

    def _references(self, options: t.Sequence[tuple[str, str]]) -> tuple[CertificateReference, ...]:
        """The certificates in the order HAProxy loads them, the default one first."""
        # default-crt (HAProxy 3.0) goes before crt, wherever it stands.
        ordered = sorted(options, key=lambda option: option[0] != "default-crt")
        references: list[CertificateReference] = []
        for name, value in ordered:
            if name in ("crt", "default-crt"):
                references += [CertificateReference(path) for path in self._files(value)]
            elif name == "crt-list":
                references += self._crt_list(self._path(value, ""))
        return tuple(references)

    def _files(self, value: str) -> list[str]:
        path = self._path(value, self._crt_base)
        if os.path.isdir(path):
            names = [name for name in _names(path) if not name.startswith(".") and not name.endswith(_IGNORED_SUFFIXES)]
            return [os.path.realpath(os.path.join(path, name)) for name in names]
        if not os.path.exists(path):
            bundle = [path + suffix for suffix in _BUNDLE_SUFFIXES if os.path.exists(path + suffix)]
            return [os.path.realpath(file) for file in bundle] or [path]
        return [os.path.realpath(path)]

    def _crt_list(self, path: str) -> list[CertificateReference]:
        references: list[CertificateReference] = []
        for line in _lines(path):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            certificate, filters = _crt_list_entry(line)
            names = tuple(name.lower() for name in filters)
            references += [CertificateReference(file, names, bool(names)) for file in self._files(certificate)]
        return references

    def _path(self, value: str, base: str) -> str:
        if value.startswith("@"):
            return self._stores.get(value, value)
        # Without default-path HAProxy takes its working directory, which is / under service managers.
        return os.path.normpath(os.path.join(self._working_directory or "/", base, value))


def _unknown(variable: UnknownVariable) -> str:
    return f"needs the environment variable {variable}, which is not known here"


def _options(words: t.Sequence[str]) -> list[tuple[str, str]]:
    options = []
    position = 0
    while position < len(words):
        has_value = words[position] in _WITH_VALUE and position + 1 < len(words)
        options.append((words[position], words[position + 1] if has_value else ""))
        position += 2 if has_value else 1
    return options


def _crt_list_entry(line: str) -> tuple[str, list[str]]:
    """Path and SNI filters of "path [options] [!]filter ..."."""
    before, bracket, rest = line.partition("[")
    _options_text, _bracket, after = rest.partition("]")
    words = (f"{before} {after}" if bracket else line).split()
    filters = words[1:]
    comment = next((index for index, word in enumerate(filters) if word.startswith("#")), len(filters))
    return words[0], filters[:comment]


def listening_address(text: str) -> tuple[str, list[int], str | None]:
    """Where to connect for an address as a bind line has it: host, ports, and why not if it cannot be probed.

    Addresses that mean all interfaces become loopback.
    """
    for prefix, reason in _UNPROBEABLE_PREFIXES.items():
        if text.startswith(prefix):
            return "", [0], reason
    is_ipv6 = False
    for prefix in _TCP_PREFIXES:
        if text.startswith(prefix):
            text = text[len(prefix) :]
            is_ipv6 = prefix.endswith("6@")
            break
    host, _colon, ports = text.rpartition(":")
    first, _dash, last = ports.partition("-")
    if not first.isdigit() or not (last or first).isdigit():
        return "", [0], "has no port that can be understood"
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if host in ("", "*"):
        host = "::1" if is_ipv6 else "127.0.0.1"
    elif host == "0.0.0.0":  # noqa: S104  # nothing is bound here
        host = "127.0.0.1"
    elif ":" in host and set(host) <= {":", "0"}:
        host = "::1"
    if "@" in host:
        return "", [0], "is of an address family that is not known here"
    return host, list(range(int(first), int(last or first) + 1)), None


def endpoint_label(host: str, port: int) -> str:
    """ "host:port", with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError as error:
        raise HaproxyError(f"Cannot list {directory}, which HAProxy's configuration names: {error.strerror}") from None


def _lines(path: str) -> list[str]:
    try:
        return read_regular_file(path).decode("utf-8", "surrogateescape").splitlines()
    except OSError as error:
        raise HaproxyError(f"Cannot read {path}, a part of HAProxy's configuration: {error.strerror}") from None
