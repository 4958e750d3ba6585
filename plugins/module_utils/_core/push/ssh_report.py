# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host keys that are pinned, and what OpenSSH's client tells at log level DEBUG1: how far it came, and why no further.

Its messages are those of OpenSSH 7 to 10 (log.c, sshconnect.c, packet.c); it has no translations. A host that has not
proved who it is may put words into them, but begins no line; one that has, may lie about itself only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
import typing as t

from ..._errors import PushError
from ..text import shown

if t.TYPE_CHECKING:
    from .targets import PushTarget

#: By which the client knows the host in its list of pinned keys: so neither port nor spelling of the address matters.
HOST_ALIAS: t.Final = "pinned"

_SHOWN_KEY: t.Final = re.compile(r"^debug1: Server host key: (\S+) (SHA256:\S+)$", re.MULTILINE)
_NO_ADDRESS: t.Final = re.compile(r"^ssh: Could not resolve hostname .*?: (.+)$", re.MULTILINE)
_NO_CONNECTION: t.Final = re.compile(r"^ssh: connect to (?:host|address) .*?: (.+)$", re.MULTILINE)
_KEY_FILE: t.Final = re.compile(r"^Load key .*: (?!.*No such file).+$", re.MULTILINE)
_DENIED: t.Final = re.compile(r"Permission denied \(|Too many authentication failures|No supported authentication")
_NO_SUCH_KEY_TYPE: t.Final = re.compile(r"no matching host key type found\. Their offer: (\S+)")
_EXIT_STATUS: t.Final = re.compile(r"^debug1: Exit status (-?\d+)$", re.MULTILINE)
_DEBUG: t.Final = re.compile(
    r"^(?:debug\d: .*|OpenSSH_.*|Authenticated to .*|Transferred: .*|Bytes per second: .*)(?:\n|\Z)", re.MULTILINE
)
_LONGEST: t.Final = 300


def known_hosts(target: PushTarget) -> str:
    """For UserKnownHostsFile. Raises PushError when there is no key, or one that is none."""
    return "".join(f"{HOST_ALIAS} {key_type} {blob}\n" for key_type, blob in _pinned(target))


def connect_timeout(target: PushTarget) -> int:
    """Seconds until an address has to have begun to speak SSH: of those that a name has, a silent one must not take all
    the time."""
    return max(math.ceil(target.timeout / 2), 1)


def why_not_connected(target: PushTarget, report: str, *, timed_out: bool) -> PushError:
    """What to tell where SFTP did not begin. report: what ssh wrote to its standard error."""
    report = report.replace("\r\n", "\n")
    if "\nConnection timed out during banner exchange" in report:
        text = f"{target.name}: {_silence(target, report)} within {connect_timeout(target)} seconds."
        return PushError(text, "unreachable")
    for judge in (_host_key_fault, _local_fault, _denied_fault, _reaching_fault):
        found = judge(target, report)
        if found:
            return found
    if timed_out:
        return PushError(f"{target.name}: {_silence(target, report)} within {target.timeout:g} seconds.", "unreachable")
    if _has_authenticated(report):
        # Of what a subsystem writes to its standard error, an OpenSSH server passes nothing on.
        status = _EXIT_STATUS.search(report)
        has_words = bool(_without_debug(report).strip())
        ended = f"what it runs for that ends with {status[1]}" if status and not has_words else _last_words(report)
        return no_sftp(target, ended)
    return PushError(
        f"{target.name}: the connection to {_where(target)} ended: {_last_words(report)}. Is it an SSH server that"
        " takes connections from here? See its log.",
        "unreachable",
    )


def no_sftp(target: PushTarget, what: str) -> PushError:
    """what: it does instead."""
    return PushError(
        f"{target.name}: {_where(target)} let {target.user} in, but does not speak SFTP: {shown(what)}. Confine the"
        " account there to internal-sftp; if it has a shell, that must print nothing.",
        "remote",
    )


def _host_key_fault(target: PushTarget, report: str) -> PushError | None:
    offered = _NO_SUCH_KEY_TYPE.search(report)
    if "\nHost key verification failed." not in f"\n{report}" and not offered:
        return None
    pinned = " or ".join(f"{key_type} {fingerprint(blob)}" for key_type, blob in _pinned(target))
    keys = _SHOWN_KEY.findall(report)
    seen = f"{keys[-1][0]} {keys[-1][1]}" if keys else f"a key of type {offered[1]}" if offered else "another key"
    return PushError(
        f"{target.name}: {_where(target)} shows the host key {shown(seen)}; pinned is {pinned}. Nothing was sent. If it"
        " was installed anew, compare the fingerprint there (ssh-keygen -lf /etc/ssh/ssh_host_..._key.pub) and correct"
        " host_keys; else somebody else answers at this address.",
        "host_key",
    )


def _local_fault(target: PushTarget, report: str) -> PushError | None:
    """The key that is named cannot be used here, whatever the host thinks of it."""
    key = target.private_key_file
    if key is None or _has_authenticated(report) or not _is_denied(report):
        return None
    unusable = _KEY_FILE.search(report)
    if unusable:
        return PushError(f"{target.name}: ssh cannot use {key}: {_clipped(unusable[0])}.", "local")
    offered, accepted = report.rfind("debug1: Offering public key:"), report.rfind("debug1: Server accepts key:")
    # Of a wrong passphrase ssh says nothing. It shows in a host that has got no signature, so has refused none.
    if offered < 0 or report.rfind("debug1: Authentications that can continue:") < accepted:
        return PushError(
            f"{target.name}: ssh cannot sign with {key}: is the passphrase this key's? If an agent holds it, does that"
            " still?",
            "local",
        )
    return None


def _denied_fault(target: PushTarget, report: str) -> PushError | None:
    if not _is_denied(report) or _has_authenticated(report):
        return None
    key = f"the key {target.private_key_file}" if target.private_key_file else "any key of ssh-agent or of this user"
    return PushError(
        f"{target.name}: {_where(target)} does not let {target.user} in with {key}: {_last_words(report)}. Is its"
        " public key in that user's authorized_keys there, is the user right, and is the account not locked?",
        "denied",
    )


def _reaching_fault(target: PushTarget, report: str) -> PushError | None:
    unknown = _NO_ADDRESS.search(report)
    if unknown:
        return PushError(
            f"{target.name}: cannot resolve {target.address}: {_clipped(unknown[1])}. Correct address, or the DNS.",
            "unreachable",
        )
    refused = _NO_CONNECTION.search(report)
    if refused and "\ndebug1: Connection established." not in report:
        return PushError(
            f"{target.name}: cannot connect to {_where(target)}: {_clipped(refused[1])}. Does an SSH server run there?",
            "unreachable",
        )
    return None


def _silence(target: PushTarget, report: str) -> str:
    """At which step it fell silent."""
    if _has_authenticated(report):
        return f"{_where(target)} let {target.user} in, but did not begin SFTP"
    if "debug1: Remote protocol version" in report:
        return f"{_where(target)} did not finish the SSH handshake and the login"
    if "debug1: Connection established." in report:
        return f"{_where(target)} took the connection, but did not speak SSH"
    return f"no connection to {_where(target)}"


def _is_denied(report: str) -> bool:
    return bool(_DENIED.search(_without_debug(report)))


def _has_authenticated(report: str) -> bool:
    return "\nAuthenticated to " in f"\n{report}"


def _without_debug(report: str) -> str:
    return _DEBUG.sub("", report)


def _last_words(report: str) -> str:
    """The end of what it said, on one line."""
    words = " ".join(_without_debug(report).split())
    return _clipped(words[-_LONGEST:]).rstrip(".") if words else "it said nothing"


def _clipped(text: str) -> str:
    return shown(" ".join(text.split()))[:_LONGEST].rstrip(".")


def _where(target: PushTarget) -> str:
    return f"[{target.address}]:{target.port}" if ":" in target.address else f"{target.address}:{target.port}"


def _pinned(target: PushTarget) -> list[tuple[str, str]]:
    """Type and base64 of each. Raises PushError."""
    if not target.host_keys:
        raise PushError(
            f"{target.name}: host_keys names no key, so nobody can tell this host from another. Give it the lines of"
            " /etc/ssh/ssh_host_*_key.pub there.",
            "local",
        )
    pinned = []
    for line in target.host_keys:
        key_type, blob = (*line.split(), "", "")[:2]
        if not _is_public_key(key_type, blob):
            raise PushError(
                f"{target.name}: host_keys: '{shown(line)[:80]}' is no public host key, like"
                " 'ssh-ed25519 AAAAC3Nz...' in /etc/ssh/ssh_host_ed25519_key.pub.",
                "local",
            )
        pinned.append((key_type, blob))
    return pinned


def _is_public_key(key_type: str, blob: str) -> bool:
    """Whether the blob says that it is of that type (RFC 4253, section 6.6)."""
    try:
        content = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return False
    name = key_type.encode("utf-8", "replace")
    return bool(name) and content.startswith(len(name).to_bytes(4, "big") + name)


def fingerprint(blob: str) -> str:
    """Of a public key in base64, as OpenSSH shows it: SHA256:..."""
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
