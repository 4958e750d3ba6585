# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role certificate_receiver makes of its variables: accounts, places, and the settings of sshd. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import typing as t
from dataclasses import dataclass

from ..text import lines_of
from .receiving_services import longest_run, written_by

CONFIG: t.Final = "/etc/certops-receiver"
#: Read before other files of the directory, for in sshd the first Match block that sets something prevails.
DROP_IN: t.Final = "/etc/ssh/sshd_config.d/00-certops-receiver.conf"
#: sshd_config(5): a process listens at no more (MAX_LISTEN_SOCKS of OpenSSH).
MOST_LISTEN_ADDRESSES: t.Final = 16

#: For each user, and what `sshd -T` has to say of it. sshd_config(5) tells what each means. DisableForwarding left
#: agent and X11 forwarding on before OpenSSH 10.0 (CVE-2025-32728), so each is named.
_CONFINED: t.Final = (
    ("AuthenticationMethods", "publickey"),
    ("PasswordAuthentication", "no"),
    ("KbdInteractiveAuthentication", "no"),
    ("HostbasedAuthentication", "no"),
    ("AuthorizedKeysCommand", "none"),
    ("TrustedUserCAKeys", "none"),
    ("ForceCommand", "internal-sftp -d /staging -u 0077"),
    ("DisableForwarding", "yes"),
    ("AllowTcpForwarding", "no"),
    ("AllowStreamLocalForwarding", "no"),
    ("AllowAgentForwarding", "no"),
    ("X11Forwarding", "no"),
    ("GatewayPorts", "no"),
    ("PermitTunnel", "no"),
    ("PermitTTY", "no"),
    ("PermitUserRC", "no"),
    ("ClientAliveInterval", "30"),
    ("ClientAliveCountMax", "4"),
)
_MANAGED: t.Final = "# By the role certops.rotation.certificate_receiver, which writes it anew."
_USER: t.Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
#: Plain, for sshd expands tokens in it, and systemd and the shell read it, too.
_PATH: t.Final = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+\Z")
#: Two names at least: what they name is made and filled, which is not for /etc or /root.
_PLACE: t.Final = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*){2,}\Z")
_ADDRESS: t.Final = re.compile(r"[A-Za-z0-9.:\[\]%_-]+\Z")
_MAX_STARTUPS: t.Final = re.compile(r"[0-9]{1,6}(?::[0-9]{1,3}:[0-9]{1,6})?\Z")
_KEY_TYPES: t.Final = re.compile(
    r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)\Z"
)
#: What the role's program prints of a Match that sshd reads before DROP_IN.
_MATCH: t.Final = re.compile(r"match:(?P<file>[^:]*):(?P<number>[0-9]+):\s*(?P<text>.*)\Z")
_WORD: t.Final = re.compile(r'"([^"]*)"|([^\s="]+)')
#: What sshd is asked for, by name: these hold wherever the user comes from. Those without an argument first.
_BARE: t.Final = frozenset({"all", "invalid-user"})
_ASKED_FOR: t.Final = _BARE | {"user", "group"}
_OF_A_PUSHER: t.Final = ("user", "path", "destination", "public_keys", "public_key_file")


@dataclass(frozen=True)
class ReceiverSettings:
    """Variables of the role, without its prefix. What each of them is stands in its argument specification."""

    user: str
    path: str
    destination: str
    public_keys: list[str]
    public_key_file: str
    pushers: list[t.Any]
    sshd: str
    port: int
    listen_addresses: list[str]
    host_key_file: str
    host_key: str
    log_level: str
    max_startups: str
    services: list[t.Any]
    timeout: int


@dataclass(frozen=True)
class Pusher:
    """Whoever uploads: an account with a chroot of its own. path: of the chroot; destination: where its lineages are
    live; authorized_keys: lines.
    """

    user: str
    path: str
    destination: str
    authorized_keys: tuple[str, ...]

    @property
    def staging(self) -> str:
        return f"{self.path}/staging"

    @property
    def receipts(self) -> str:
        return f"{self.path}/receipts"

    @property
    def keys_file(self) -> str:
        """Where its user can write nothing. sshd reads it with the user's rights."""
        return f"{CONFIG}/keys/{self.user}"

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """Of sshd, for its user."""
        return (
            # Whoever else sshd lets in: what is said in a Match block takes the place of that.
            *(("AllowUsers", self.user), ("AllowGroups", "*")),
            *(("AuthorizedKeysFile", self.keys_file), ("ChrootDirectory", self.path)),
            *_CONFINED,
        )

    @property
    def effective(self) -> list[str]:
        """Lines that `sshd -T -C user=...` prints when all of that is in force."""
        return [f"{keyword.lower()} {value}" for keyword, value in self.settings]


class ReceiverPlan:
    """key_files: content of the public key files on the controller, by path; seen: lines that say what stands in the
    way on the host, with each Match that its sshd reads before our settings."""

    def __init__(self, settings: ReceiverSettings, key_files: t.Mapping[str, str], seen: t.Sequence[str] = ()) -> None:
        self._given = settings
        self._seen = seen
        self._key_files = key_files
        self._problems: list[str] = []
        self._pushers = self._read_pushers()
        self._problems += self._check_places()
        self._problems += self._check_server()

    def as_dict(self) -> dict[str, t.Any]:
        """For the role."""
        host_key = self._given.host_key_file or f"{CONFIG}/ssh_host_key"
        text = self._sshd_config(host_key)
        return {
            "problems": self._problems,
            "in_the_way": in_the_way(self._seen, [pusher.user for pusher in self._pushers]),
            "config": CONFIG,
            "pushers": [
                {
                    "user": pusher.user,
                    "path": pusher.path,
                    "staging": pusher.staging,
                    "receipts": pusher.receipts,
                    "destination": pusher.destination,
                    "keys_file": pusher.keys_file,
                    "authorized_keys": "".join(f"{line}\n" for line in pusher.authorized_keys),
                }
                for pusher in self._pushers
            ],
            "sshd_config": f"{CONFIG}/sshd_config" if self._is_own else DROP_IN,
            "sshd_text": text,
            "sshd_stamp": f"{CONFIG}/.loaded-{self._given.sshd}-{hashlib.sha256(text.encode()).hexdigest()[:16]}",
            "effective": [part for pusher in self._pushers for part in (pusher.user, "\n".join(pusher.effective))],
            "host_key": host_key,
            "makes_host_key": self._is_own and not self._given.host_key_file and not self._given.host_key,
            "timeout": longest_run(self._given.services, self._given.timeout),
            "writable": written_by(self._given.services),
            "writes_host_key": self._is_own and not self._given.host_key_file and bool(self._given.host_key),
        }

    @property
    def _is_own(self) -> bool:
        return self._given.sshd == "own"

    # -- sshd ---------------------------------------------------------------------------------------------------

    def _sshd_config(self, host_key: str) -> str:
        given = self._given
        lines = [_MANAGED]
        if self._is_own:
            lines += [
                *(f"ListenAddress {address}" for address in given.listen_addresses),
                *(f"Port {given.port}", f"HostKey {host_key}", f"LogLevel {given.log_level}"),
                *(f"MaxStartups {given.max_startups}", "PidFile none", "UsePAM no", "PermitRootLogin no"),
                *(f"AllowUsers {' '.join(pusher.user for pusher in self._pushers)}", "PasswordAuthentication no"),
                *("KbdInteractiveAuthentication no", "Subsystem sftp internal-sftp"),
            ]
        for pusher in self._pushers:
            lines += ["", f"Match User {pusher.user}"]
            lines += [f"    {keyword} {value}" for keyword, value in pusher.settings]
            if not self._is_own:
                lines.append(f"    LogLevel {given.log_level}")
        return "".join(f"{line}\n" for line in lines)

    # -- who pushes ---------------------------------------------------------------------------------------------

    def _read_pushers(self) -> list[Pusher]:
        given = self._given
        first = {"user": given.user, "public_keys": given.public_keys, "public_key_file": given.public_key_file}
        if not given.pushers:
            return [self._pusher({**first, "path": given.path}, "certificate_receiver")]
        found = []
        for number, facts in enumerate(given.pushers, 1):
            where = f"certificate_receiver_pushers, entry {number}"
            if not isinstance(facts, dict) or not set(facts) <= set(_OF_A_PUSHER):
                self._problems.append(f"{where}: a dictionary of {', '.join(_OF_A_PUSHER)}, and of nothing else.")
                continue
            found.append(self._pusher({"path": f"{given.path}-{facts.get('user', '')}", **facts}, where))
        return found

    def _pusher(self, facts: t.Mapping[str, t.Any], where: str) -> Pusher:
        user, path = str(facts.get("user") or ""), str(facts["path"]).rstrip("/")
        if not _USER.match(user) or user == "root":
            self._problems.append(
                f"{where}: {user!r} is no user for this: a small letter, then small letters, digits and _ -"
            )
        destination = str(facts.get("destination") or self._given.destination).rstrip("/")
        for name, place in (("path", path), ("destination", destination)):
            if not _PLACE.match(place):
                self._problems.append(
                    f"{where}: the {name} {place!r} is to begin with a slash, to have letters, digits and / . _ - and"
                    " not to be right below /."
                )
        return Pusher(user, path, destination, tuple(self._authorized_keys(facts, where)))

    def _authorized_keys(self, facts: t.Mapping[str, t.Any], where: str) -> list[str]:
        """The file prevails, as in certdeploy. What is no public key is not shown: it may be a private one."""
        file, given = facts.get("public_key_file"), facts.get("public_keys") or []
        keys = lines_of(self._key_files.get(file, "")) if file else [given] if isinstance(given, str) else given
        lines = [str(key).strip() for key in keys]
        lines = [line for line in lines if line and not line.startswith("#")]
        if not lines:
            source = f"{file} has none" if file else "give public_keys or public_key_file"
            self._problems.append(f"{where}: nobody could log in without a public key of the pusher: {source}.")
        if not all(map(_is_public_key, lines)):
            self._problems.append(
                f"{where}: {file or 'public_keys'} has a line that is no public key as in files *.pub, without options."
            )
        return [f"restrict {line}" for line in lines]

    # -- what is wrong ------------------------------------------------------------------------------------------

    def _check_places(self) -> t.Iterator[str]:
        users = [pusher.user for pusher in self._pushers]
        paths = [pusher.path for pusher in self._pushers]
        for user in sorted({user for user in users if users.count(user) > 1}):
            yield f"certificate_receiver_pushers: two of them have the user {user}: give both keys to one entry."
        for number, path in enumerate(paths):
            for other in paths[number + 1 :]:
                if _is_within(path, other) or _is_within(other, path):
                    yield f"{path} and {other}: the directory of one pusher is not to be within another's."
            for live in sorted({pusher.destination for pusher in self._pushers}):
                if _is_within(live, path) or _is_within(path, live):
                    yield f"{live} and {path}: what is live is not to be within what a pusher sees, nor around it."

    def _check_server(self) -> t.Iterator[str]:
        given = self._given
        if not 0 < given.port < 65536:
            yield "certificate_receiver_port: a number from 1 to 65535."
        if len(given.listen_addresses) > MOST_LISTEN_ADDRESSES:
            yield f"certificate_receiver_listen_addresses: sshd takes {MOST_LISTEN_ADDRESSES} of them at most."
        for address in given.listen_addresses:
            if not _ADDRESS.match(address):
                yield f"certificate_receiver_listen_addresses: {address!r} is no address."
        if not _MAX_STARTUPS.match(given.max_startups):
            yield "certificate_receiver_max_startups: a number, or three as 10:30:100, see sshd_config(5)."
        if given.host_key_file and not _PATH.match(given.host_key_file):
            yield "certificate_receiver_host_key_file: a path of letters, digits and / . _ -"


def in_the_way(seen: t.Iterable[str], users: t.Sequence[str]) -> list[str]:
    """Lines for the role's user. The first Match that sets something prevails, and one by address, for instance, does
    so for some connections only, of which sshd cannot be asked one by one."""
    lines = []
    for line in seen:
        found = _MATCH.match(line)
        if not found:
            lines.append(line)
        elif not _is_asked_for(found["text"], users):
            lines.append(
                f"{found['file']}, line {found['number']}: {found['text'].strip()!r} is read before the settings that"
                f" confine {', '.join(users)}, and might undo them. Move it into a file that is read after {DROP_IN},"
                f" except these users from it ('User *,!{users[0] if users else 'NAME'}'), or take a server of its own:"
                " certificate_receiver_sshd=own."
            )
    return lines


def _is_asked_for(match: str, users: t.Iterable[str]) -> bool:
    """Whether it never holds for these users, or whether that is all the same to where they come from."""
    words = [quoted or plain for quoted, plain in _WORD.findall(match)][1:]
    criteria: dict[str, str] = {}
    while words and not words[0].startswith("#"):
        name = words.pop(0).lower()
        criteria[name] = "" if name in _BARE or not words else words.pop(0)
    return set(criteria) <= _ASKED_FOR or not any(_is_named(user, criteria.get("user", "*")) for user in users)


def _is_named(user: str, patterns: str) -> bool:
    """As ssh_config(5) has it under PATTERNS: a comma between them, and one that is negated prevails."""
    is_named = False
    for pattern in patterns.split(","):
        if _fits(user, pattern.lstrip("!")):
            if pattern.startswith("!"):
                return False
            is_named = True
    return is_named


def _fits(name: str, pattern: str) -> bool:
    """Asterisks and question marks alone have a meaning."""
    # How much of the name the pattern so far may stand for.
    ends = {0}
    for sign in pattern:
        if sign == "*":
            ends = {longer for end in ends for longer in range(end, len(name) + 1)}
        else:
            ends = {end + 1 for end in ends if end < len(name) and sign in ("?", name[end])}
    return len(name) in ends


def _is_within(inner: str, outer: str) -> bool:
    return f"{inner}/".startswith(f"{outer}/")


def _is_public_key(line: str) -> bool:
    """RFC 4253, 6.6: the encoded key begins with its type, as the line does."""
    fields = line.split(None, 2)
    if len(fields) < 2 or not _KEY_TYPES.match(fields[0]) or not line.isprintable():
        return False
    try:
        blob = base64.b64decode(fields[1], validate=True)
    except (binascii.Error, ValueError):
        return False
    kind = fields[0].encode()
    return blob.startswith(len(kind).to_bytes(4, "big") + kind) and len(blob) > len(kind) + 4
