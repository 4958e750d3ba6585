# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certdeploy's server.yml as variables of the role certificate_push, and its queue. Pure.

Source: certdeploy 0.5.4 (https://pypi.org/project/certdeploy/), certdeploy/server/config. What it refuses is refused,
and what its documentation calls otherwise than its code is named.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import typing as t
from dataclasses import dataclass, field

from ..._errors import InvalidOption
from .certdeploy_options import LOG_LEVELS, CertdeployOptions, quoted
from .renew_schedule import WEEKDAYS, RenewSchedule, renew_command, renew_schedule

SOURCE: t.Final = "/var/cache/certdeploy"
_ED25519: t.Final = "ssh-ed25519"
_PUBLIC_KEY: t.Final = re.compile(r"(?:ssh-ed25519 +)?([A-Za-z0-9+/]{68}={0,2})(?: .*)?")
_FILES: t.Final = (("fullchain", True), ("privkey", True), ("chain", False))
_TIME_WITH_SECONDS: t.Final = re.compile(r"(\d\d:\d\d):\d\d")
_TIMEOUTS: t.Final = ("sftp_auth_timeout", "sftp_banner_timeout", "sftp_tcp_timeout")
#: Seconds that our own targets have to connect and to upload.
_TIMEOUT: t.Final = 60
_LOGGING: t.Final = ("log_filename", "sftp_log_filename")


@dataclass(frozen=True)
class CertdeployQueued:
    """What certdeploy has not pushed yet. lineage: its directory's name; path: the directory."""

    host: str
    lineage: str
    path: str


@dataclass(frozen=True)
class CertdeployImport:
    """variables: of our roles; notes: sentences about what is different now; queued: see queued_lineages."""

    variables: dict[str, t.Any]
    notes: list[str]
    queued: list[CertdeployQueued] = field(default_factory=list)


def import_server(
    config: t.Any, clients: t.Sequence[t.Any] = (), queue: t.Any = None, *, receiver: bool = False
) -> CertdeployImport:
    """config: of server.yml; clients: of the files in client_config_directory; queue: of queue.json; receiver: whether
    the hosts have the role certificate_receiver by now, and not certdeploy.

    Raises InvalidOption that tells all that is wrong, a line each.
    """
    problems: list[str] = []
    notes: list[str] = []
    given = CertdeployOptions(config, "", problems)
    variables: dict[str, t.Any] = {
        "certificate_push_private_key_file": given.text("privkey_filename", required=True),
        "certificate_push_mode": given.choice("push_mode", "serial", ("serial", "parallel")),
        "certificate_push_interval": given.integer("push_interval", 0),
        "certificate_push_retries": given.integer("push_retries", 1),
        "certificate_push_retry_interval": given.integer("push_retry_interval", 30),
        **_renewal(given, notes),
    }
    timeouts = [given.number(key, _TIMEOUT if key == "sftp_banner_timeout" else None) or 0 for key in _TIMEOUTS]
    timeout = max(timeouts)
    if given.flag("fail_fast", False):
        variables["certificate_push_max_fail_percentage"] = 0
    if given.number("join_timeout"):
        notes.append("join_timeout: each attempt has a time-out of its own, the timeout of its target.")
    variables.update(verbosity(given, notes, ("log_level", "sftp_log_level"), _LOGGING))
    entries = [*given.items("client_configs"), *clients]
    directory = given.text("client_config_directory")
    if directory and not clients:
        given.wrong("client_config_directory", f"give the files in {directory}, too: they are not read from here")
    elif not entries:
        given.wrong("client_configs", "there is no client, so nothing would be pushed")
    queue_directory = given.text("queue_dir", "/var/run/certdeploy")
    given.unknown()
    hosts = [_CertdeployHost(entry, f"client {number}", problems) for number, entry in enumerate(entries, 1)]
    names = _names(hosts, problems)
    if problems:
        raise InvalidOption("\n".join(problems))
    slow = {"timeout": timeout} if timeout > _TIMEOUT else {}
    variables["certificate_push_targets"] = [
        {"name": names[host.key], **host.target(receiver), **slow} for host in hosts
    ]
    if queue is None:
        notes.append(
            f"What is in {queue_directory}/queue.json is owed anyhow: the first run owes every host all its lineages."
        )
        return CertdeployImport(variables, notes)
    return CertdeployImport(
        variables, notes, queued_lineages(queue, {host.digest: names[host.key] for host in hosts}, notes)
    )


def queued_lineages(queue: t.Any, names: t.Mapping[str, str], notes: list[str]) -> list[CertdeployQueued]:
    """Of queue.json: SHA-1 of user, address and port -> paths of lineages. names: by that, of our targets.

    Twice the same is once. Raises InvalidOption for what is no queue.
    """
    if not isinstance(queue, t.Mapping) or not all(isinstance(paths, list) for paths in queue.values()):
        raise InvalidOption("queue.json: it is to be an object with a list of paths for each client.")
    found: dict[CertdeployQueued, None] = {}
    for digest, paths in queue.items():
        for path in paths:
            if not isinstance(path, str) or not _last_part(path):
                raise InvalidOption(f"queue.json: {quoted(path)} is no path of a lineage.")
            if digest in names:
                found[CertdeployQueued(names[digest], _last_part(path), path.rstrip("/"))] = None
            else:
                notes.append(f"queue.json: {path} waits for a client that is not configured any more ({digest[:60]}).")
    return list(found)


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def verbosity(
    given: CertdeployOptions, notes: list[str], levels: t.Sequence[str], files: t.Sequence[str]
) -> dict[str, t.Any]:
    """Of the schedule. What is logged goes to the journal, or to syslog by cron."""
    chosen = [given.choice(key, "ERROR", LOG_LEVELS) for key in levels]
    for key in files:
        if given.text(key):
            notes.append(f"{key}: runs say what they do in the journal, or by cron in the system's log.")
    detail = {"DEBUG": 2, "INFO": 1}.get(chosen[0], 0)
    return {"rotation_schedule_verbosity": detail} if detail else {}


def _renewal(given: CertdeployOptions, notes: list[str]) -> dict[str, t.Any]:
    """certdeploy's daemon always renews. Renewing twice a day, where the system does so, too, does no harm."""
    every, unit, at = given.value("renew_every", 1), given.value("renew_unit", "day"), given.value("renew_at")
    timeout = given.integer("renew_timeout", None, least=1)
    executable, arguments = given.value("renew_exec", "certbot"), given.value("renew_args", ["renew"])
    if not any(given.has(f"renew_{name}") for name in ("every", "unit", "at", "exec", "args")):
        notes.append(
            "certdeploy's daemon runs 'certbot renew' once a day, and so does this schedule. Where it has only been a"
            " hook, and something else renews, set certificate_push_renew: false."
        )
    if isinstance(every, str) and every.strip().lower() in WEEKDAYS:
        day = every.strip().lower()
        given.wrong("renew_every", f"it is to be a whole number greater than 0: write renew_unit: {day}")
        every, unit = 1, day
    try:
        schedule = renew_schedule(every, unit, _time(unit, at, notes))
        renew_command(executable, arguments)
    except InvalidOption as error:
        key, _space, what = error.message.partition(" ")
        given.wrong(key, f"it {what}".rstrip("."))
        schedule, arguments = RenewSchedule(1, "day"), []
    return {
        "certificate_push_renew": True,
        "certificate_push_renew_every": schedule.every,
        "certificate_push_renew_unit": schedule.unit,
        **({"certificate_push_renew_at": _time(unit, at, [])} if at not in (None, "") else {}),
        "certificate_push_renew_exec": executable,
        "certificate_push_renew_args": [str(argument) for argument in arguments],
        **({"certificate_push_renew_timeout": timeout} if timeout else {}),
    }


def _time(unit: t.Any, at: t.Any, notes: list[str]) -> t.Any:
    """As HH:MM. YAML reads 15:00 as 15 times 60."""
    if isinstance(at, int) and not isinstance(at, bool) and 0 <= at < 24 * 60:
        notes.append(
            f"renew_at: {at} is what YAML makes of {at // 60:02}:{at % 60:02} without quotes; certdeploy ends with it."
        )
        return f"{at // 60:02}:{at % 60:02}"
    found = _TIME_WITH_SECONDS.fullmatch(at) if isinstance(at, str) and unit != "hour" else None
    if found:
        notes.append(f"renew_at: the seconds of {at} are left out.")
        return found[1]
    return at


class _CertdeployHost:
    """One of client_configs."""

    def __init__(self, entry: t.Any, title: str, problems: list[str]) -> None:
        address = entry.get("address") if isinstance(entry, t.Mapping) else None
        if isinstance(address, str) and address.strip():
            title = f"client {address.strip()[:80]}"
        given = CertdeployOptions(entry, title, problems)
        self._given = given
        self.address = given.text("address", "", required=True) or ""
        self.port = given.integer("port", 22, least=1, most=65535) or 22
        self.user = given.text("username", "certdeploy", required=given.has("username")) or "certdeploy"
        self._path = given.text("path", "" if given.has("path") else SOURCE) or ""
        self._domains = self._read_domains()
        self._key = self._read_key()
        self._files = [name for name, default in _FILES if given.flag(f"needs_{name}", default)]
        if not self._files:
            given.wrong(
                "needs_fullchain", "with none of needs_chain, needs_fullchain and needs_privkey it gets nothing"
            )
        self._retries = given.integer("push_retries", None)
        self._retry_interval = given.integer("push_retry_interval", None)
        given.unknown()

    @property
    def key(self) -> tuple[str, int, str]:
        return self.address, self.port, self.user

    @property
    def digest(self) -> str:
        """What certdeploy calls it in its queue."""
        return hashlib.sha1(f"{self.user}{self.address}{self.port}".encode(), usedforsecurity=False).hexdigest()

    def target(self, receiver: bool) -> dict[str, t.Any]:
        """As certificate_push takes it, without its name and what is usual."""
        return {
            "address": self.address,
            **({"port": self.port} if self.port != 22 else {}),
            **({"user": self.user} if self.user != "certdeploy" else {}),
            "domains": self._domains,
            "host_key": [self._key],
            **({"protocol": "receiver"} if receiver else {"protocol": "directory", "path": self._path}),
            "files": self._files,
            **({} if self._retries is None else {"retries": self._retries}),
            **({} if self._retry_interval is None else {"retry_interval": self._retry_interval}),
        }

    def _read_domains(self) -> list[str]:
        domains = self._given.items("domains")
        wrong = [domain for domain in domains if not isinstance(domain, str) or not domain.strip()]
        for domain in wrong:
            self._given.wrong("domains", f"{quoted(domain)} is no domain")
        if not domains:
            self._given.wrong("domains", "it names none, so the client would get nothing")
        return [domain.strip() for domain in domains if domain not in wrong]

    def _read_key(self) -> str:
        """Type and key. certdeploy knows Ed25519 alone."""
        text = self._given.text("pubkey", "", required=True) or ""
        found = _PUBLIC_KEY.fullmatch(text)
        try:
            blob = base64.b64decode(found[1], validate=True) if found else b""
        except binascii.Error:
            blob = b""
        if blob[:15] == len(_ED25519).to_bytes(4, "big") + _ED25519.encode() and found:
            return f"{_ED25519} {found[1]}"
        if text:
            self._given.wrong("pubkey", "it is no public key 'ssh-ed25519 AAAA...' of the client's SSH server")
        return ""


def _names(clients: t.Sequence[_CertdeployHost], problems: list[str]) -> dict[tuple[str, int, str], str]:
    """Of the targets: the address, and more only where two would have the same."""
    keys = [client.key for client in clients]
    for key in sorted({key for key in keys if keys.count(key) > 1 and key[0]}):
        problems.append(f"client_configs: {key[2]}@{key[0]}:{key[1]} is there twice. Put their domains together.")
    names = {}
    for address, port, user in keys:
        same = {key for key in keys if key[0] == address}
        ports = {key[1] for key in same}
        name = address if len(same) == 1 else f"{address}-{port}"
        names[(address, port, user)] = name if len(same) == len(ports) or len(same) == 1 else f"{name}-{user}"
    return names
