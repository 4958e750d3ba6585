# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts that get lineages, read from what users write. Pure."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t
from dataclasses import dataclass

from ..._errors import InvalidOption
from ..text import lines_of
from ..x509.names import a_labels
from .targets import Protocol, PushTarget

#: Where each protocol's receiving side has its uploads, as SFTP shows it.
DEFAULT_PATHS: t.Final[t.Mapping[str, str]] = {"receiver": "/staging", "directory": "/var/cache/certdeploy"}
_LONGEST_NAME: t.Final = 253
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
#: An address goes on ssh's command line: nothing that begins like an option, or holds more than one word.
_ADDRESS = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,252}\Z")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.@+\\-]{0,63}\Z")
_KEY_TYPE = re.compile(r"[a-z0-9@.-]{1,64}\Z")
_LONGEST_TIME: t.Final = 86400.0
_MOST_RETRIES: t.Final = 100

_Given = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class TargetDefaults:
    """What a target has that does not say otherwise; see PushTarget."""

    private_key_file: str | None = None
    retries: int = 1
    retry_interval: float = 30


def push_targets(given: t.Sequence[_Given], defaults: TargetDefaults) -> list[PushTarget]:
    """In the order given. Raises InvalidOption that names the host and the option."""
    targets: dict[str, PushTarget] = {}
    for position, each in enumerate(given):
        name = _text(each, "name") or ""
        if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
            raise InvalidOption(
                f"targets[{position}]: name must be what the host is called here, such as its name in the inventory,"
                f" not {name[:60]!r}."
            )
        if name in targets:
            raise InvalidOption(f"targets: there are two of the name {name}. Give each host a name of its own.")
        try:
            targets[name] = _target(name, each, defaults)
        except InvalidOption as error:
            raise InvalidOption(f"targets: {name}: {error.message}") from None
    return list(targets.values())


def checked_number(option: str, value: t.Any, most: float, least: float = 0) -> t.Any:
    """Raises InvalidOption. A truth value is a number for Python and Ansible, and none for whoever wrote it."""
    if isinstance(value, bool) or not least <= value <= most:  # a value that is no number at all (nan) is refused, too
        raise InvalidOption(f"{option} is a number from {least:g} to {most:g}, not {value}.")
    return value


def canonical_domain(text: str) -> str:
    """A name of the option domains as PushTarget has it. Raises InvalidOption."""
    name = a_labels(text.strip())
    labels = name.removeprefix("*.").split(".")
    if name == "*" or (name and all(_LABEL.match(label) for label in labels)):
        return name
    raise InvalidOption(f"domains: {text!r} is no domain. Write one such as www.example.com, *.example.com, or '*'.")


def canonical_host_key(text: str) -> str:
    """Type and key of a line of a .pub or known_hosts file without the host (sshd(8)). Raises InvalidOption."""
    words = text.split()
    if len(words) > 1 and _KEY_TYPE.match(words[0]) and _names_itself(words[1], words[0]):
        return f"{words[0]} {words[1]}"
    raise InvalidOption(
        f"host_key: {text[:60]!r} is no public key. Give the type and the key, such as 'ssh-ed25519 AAAA...', as"
        " /etc/ssh/ssh_host_*_key.pub on the host has them."
    )


def _target(name: str, each: _Given, defaults: TargetDefaults) -> PushTarget:
    protocol: Protocol = each.get("protocol") or "receiver"
    path = each.get("path")
    address = _address(_text(each, "address") or name)
    user = _text(each, "user") or "certdeploy"
    if not _ADDRESS.match(address):
        raise InvalidOption(f"address: {address!r} is neither a host name nor an IP address.")
    if not _USER.match(user):
        raise InvalidOption(f"user: {user!r} is no name of a user.")
    domains = tuple(dict.fromkeys(map(canonical_domain, filter(None, map(str.strip, each.get("domains") or ())))))
    if not domains:
        raise InvalidOption(
            "domains is empty, so that it would get nothing. Name its domains, or '*' for all lineages."
        )
    key_lines = [line for text in each.get("host_key") or () for line in lines_of(text)]
    host_keys = tuple(dict.fromkeys(map(canonical_host_key, filter(None, map(str.strip, key_lines)))))
    if not host_keys:
        raise InvalidOption("host_key is empty. Give the keys that the host may show: no other host is pushed to.")
    files = tuple(dict.fromkeys(each.get("files") or ("fullchain", "privkey")))
    endpoints = tuple(each.get("endpoints") or ())
    is_canary = bool(each.get("canary"))
    if is_canary and protocol == "directory" and not endpoints:
        raise InvalidOption(
            "a canary has to prove that it serves what it got, and an upload alone (protocol directory) proves nothing."
            " Give it endpoints."
        )
    return PushTarget(
        name=name,
        address=address,
        port=checked_number("port", _or(each.get("port"), 22), 65535, 1),
        user=user,
        domains=domains,
        host_keys=host_keys,
        private_key_file=each.get("private_key_file") or defaults.private_key_file,
        protocol=protocol,
        path=DEFAULT_PATHS[protocol] if path is None else _remote_path("path", path),
        receipts=_remote_path("receipts", _or(each.get("receipts"), "/receipts")),
        files=files,
        wildcards=bool(each.get("wildcards")),
        retries=checked_number("retries", _or(each.get("retries"), defaults.retries), _MOST_RETRIES),
        retry_interval=checked_number(
            "retry_interval", _or(each.get("retry_interval"), defaults.retry_interval), _LONGEST_TIME
        ),
        timeout=checked_number("timeout", _or(each.get("timeout"), 60.0), _LONGEST_TIME, 1),
        receipt_timeout=checked_number("receipt_timeout", _or(each.get("receipt_timeout"), 60.0), _LONGEST_TIME),
        endpoints=endpoints,
        canary=is_canary,
    )


def _address(text: str) -> str:
    """As ssh takes it: a name in A-labels, an IP address without brackets."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return inner if inner.isascii() else a_labels(inner) or inner


def _remote_path(option: str, path: str) -> str:
    """sftp's batches are lines of text with rules of their own for quoting."""
    if any(not character.isprintable() for character in path):
        raise InvalidOption(f"{option}: {path!r} holds characters that no path should have.")
    return path.strip()


def _names_itself(key: str, key_type: str) -> bool:
    """Whether it is base64 that begins with its type as a string (RFC 4253, section 6.6)."""
    try:
        data = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return False
    length = int.from_bytes(data[:4], "big")
    return len(data) > 4 + length and data[4 : 4 + length] == key_type.encode()


def _text(each: _Given, option: str) -> str | None:
    value = each.get(option)
    return None if value is None else str(value).strip()


def _or(value: t.Any, default: t.Any) -> t.Any:
    """Zero is a value."""
    return default if value is None else value
