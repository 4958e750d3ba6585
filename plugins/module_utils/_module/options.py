# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that several modules share: how files are written, which rules certificates are held to."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import typing as t
from datetime import timedelta

from .._core.instants import parse_duration
from .._core.x509.changes import GUARDED_CHANGES
from .._core.x509.problems import RULES_VERSION
from .._errors import InvalidOption
from .._ports.store.atomic import FileAttributes, read_regular_file
from .._ports.store.opening import DirectorySettings

if t.TYPE_CHECKING:
    from cryptography import x509

    from .._core.x509.verify import VerificationPolicy

FILE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw", "default": "0600"},
    "directory_mode": {"type": "raw", "default": "0700"},
    "keep_previous": {"type": "int", "default": 1},
    "lock_timeout": {"type": "str", "default": "60s"},
}
_QUOTE = "Write modes as quoted octal numbers, such as '0600'; YAML reads others as decimal."
CHANGE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "allow_changes": {"type": "list", "elements": "str", "choices": [*GUARDED_CHANGES, "all"], "default": []},
}
VERIFY_OPTIONS: dict[str, dict[str, t.Any]] = {
    "min_remaining": {"type": "str", "default": "0"},
    "clock_skew": {"type": "str", "default": "5m"},
    "min_rsa_bits": {"type": "int", "default": 2048},
    "trust_anchors": {"type": "str"},
    "system_trust": {"type": "bool", "default": False},
}

#: By which conventions the metrics of a textfile are named.
METRIC_NAMES_OPTION: dict[str, t.Any] = {
    "type": "str",
    "choices": ["all", "conforming", "compatible"],
    "default": "all",
}


def directory_settings(params: t.Mapping[str, t.Any]) -> DirectorySettings:
    """From FILE_OPTIONS. Raises InvalidOption for an unknown owner or a mode that gives keys away."""
    mode = octal_mode("mode", params["mode"])
    directory_mode = octal_mode("directory_mode", params["directory_mode"])
    if mode & 0o007:
        raise InvalidOption(
            f"mode {mode:04o} would let every user of the host read the private keys. Use 0600, or 0640 with a group."
        )
    if mode & 0o7110 or not mode & 0o400:
        raise InvalidOption(f"mode {mode:04o} is not for a file that its owner reads. {_QUOTE}")
    if directory_mode & 0o700 != 0o700:
        raise InvalidOption(f"directory_mode {directory_mode:04o} would lock its owner out. {_QUOTE}")
    if directory_mode & 0o022:
        raise InvalidOption(
            f"directory_mode {directory_mode:04o} would let others put something else in place of the files. Use 0700,"
            " or 0750 with a group that reads them."
        )
    if params["keep_previous"] < 0:
        raise InvalidOption("keep_previous must be 0 or more: it counts the previous versions kept for a rollback.")
    attributes = FileAttributes(mode, *user_and_group(params))
    return DirectorySettings(
        attributes, directory_mode, params["keep_previous"], readers_below=params.get("layout") == "lineage"
    )


def shown_file_attributes(params: t.Mapping[str, t.Any]) -> FileAttributes:
    """mode, owner and group of a file without secrets, which others may read. Raises InvalidOption."""
    mode = octal_mode("mode", params["mode"])
    if mode & 0o7133 or not mode & 0o400:
        raise InvalidOption(f"mode {mode:04o} is not for a file that only its owner writes. {_QUOTE}")
    return FileAttributes(mode, *user_and_group(params))


def user_and_group(params: t.Mapping[str, t.Any]) -> tuple[int | None, int | None]:
    """Numbers of owner and group, None for what is not given. Raises InvalidOption for an unknown one."""
    return (
        _identity("owner", params["owner"], lambda name: pwd.getpwnam(name).pw_uid),
        _identity("group", params["group"], lambda name: grp.getgrnam(name).gr_gid),
    )


def exact_text(option: str, value: t.Any) -> str:
    """What is compared or stored as it was written. Raises InvalidOption where YAML has made another value of it."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    if isinstance(value, bool):
        text = f"{str(value).lower()} is a boolean of YAML, which may have been written as true, True, yes or on"
    elif isinstance(value, float):
        text = f"{value} is a number of YAML, which may have been written as {value}0, for instance"
    elif value is None:
        text = "it is empty (null)"
    else:
        text = f"it is no text, but of the type {type(value).__name__}"
    raise InvalidOption(f'{option}: {text}. Quote it as AWS has it, such as "true" or "1.10".')


def tag_texts(tags: t.Mapping[t.Any, t.Any]) -> dict[str, str]:
    """Keys and values of the option tags. Raises InvalidOption."""
    return {exact_text("tags", key): exact_text(f"tags: {key}", value) for key, value in tags.items()}


def duration_option(params: t.Mapping[str, t.Any], name: str) -> timedelta:
    """A duration such as 12h or 7d. Raises InvalidOption naming the option."""
    try:
        return parse_duration(str(params[name]))
    except InvalidOption as error:
        raise InvalidOption(f"{name}: {error.message}") from None


def verification_rules(params: t.Mapping[str, t.Any], *more: t.Any) -> str:
    """A digest of the rules a file is made by; more: further options that decide about its content."""
    names = ("min_rsa_bits", "trust_anchors", "system_trust")
    rules = [RULES_VERSION, {name: params[name] for name in names}, *more]
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()[:16]


def verification_policy(params: t.Mapping[str, t.Any]) -> VerificationPolicy:
    """From VERIFY_OPTIONS. Raises InvalidOption when the trust anchors are no certificates."""
    from .._core.x509.trust import load_trust_anchors
    from .._core.x509.verify import VerificationPolicy

    anchors = load_trust_anchors(params["trust_anchors"]) if params["trust_anchors"] else ()
    if params["system_trust"]:
        anchors = (*anchors, *load_trust_anchors(system_trust_pem(), skip_unreadable=True))
    return VerificationPolicy(
        min_rsa_bits=params["min_rsa_bits"],
        clock_skew=duration_option(params, "clock_skew"),
        min_remaining=duration_option(params, "min_remaining"),
        trust_anchors=anchors or None,
    )


def trusted_certificates(trust_anchors: str | None) -> tuple[x509.Certificate, ...]:
    """Those of the option trust_anchors; None: of the system, as far as they can be read. Raises InvalidOption."""
    from .._core.x509.trust import load_trust_anchors

    if trust_anchors is not None:
        return load_trust_anchors(trust_anchors)
    try:
        return load_trust_anchors(system_trust_pem(), skip_unreadable=True)
    except InvalidOption:  # a host without any trusts nobody, which each verdict says
        return ()


def system_trust_pem() -> str:
    """This host's CA bundle. Raises InvalidOption when it has none."""
    import ssl  # slow to load, and seldom needed

    cafile = ssl.get_default_verify_paths().cafile
    candidates = (cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
    for path in filter(None, candidates):
        if os.path.isfile(path):
            return read_regular_file(path).decode("utf-8", "replace")
    raise InvalidOption("This host has no CA bundle. Install ca-certificates, or give trust_anchors.")


def octal_mode(name: str, value: t.Any) -> int:
    """Octal text; a number is what YAML made of an unquoted octal literal and is taken as it is."""
    try:
        mode = value if isinstance(value, int) else int(str(value), 8)
    except ValueError:
        mode = -1
    if isinstance(value, bool) or not 0 < mode <= 0o7777:
        raise InvalidOption(f"{name}: {value!r} is no octal mode. {_QUOTE}")
    return mode


def _identity(option: str, name: str | None, lookup: t.Callable[[str], int]) -> int | None:
    if not name:
        return None
    if name.isdigit():
        return int(name)
    try:
        return lookup(name)
    except KeyError:
        raise InvalidOption(f"{option}: there is no {name} on this host.") from None


def allowed_changes(params: t.Mapping[str, t.Any]) -> t.Collection[str]:
    """From CHANGE_OPTIONS: codes of GUARDED_CHANGES."""
    allowed: list[str] = params["allow_changes"]
    return GUARDED_CHANGES if "all" in allowed else allowed
