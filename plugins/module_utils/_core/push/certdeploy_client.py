# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certdeploy's client.yml as variables of the role certificate_receiver. Pure.

Source: certdeploy 0.5.4 (https://pypi.org/project/certdeploy/), certdeploy/client/config.
"""

from __future__ import annotations

import re
import typing as t
from datetime import timedelta

from ..._errors import InvalidOption
from ..instants import format_duration
from .certdeploy import SOURCE, CertdeployImport, verbosity
from .certdeploy_options import LOG_LEVELS, CertdeployOptions, quoted

_DURATION: t.Final = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?[wdhms])+")
_PART: t.Final = re.compile(r"([0-9.]{1,19})([wdhms])")
_SECONDS: t.Final = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_DOCKER: t.Final = ("docker_container", "docker_service")
_TYPES: t.Final = ("systemd", *_DOCKER, "script", "rc")
_ACTIONS: t.Final = ("restart", "reload")
#: Seconds that a container may take to be there again once it has stopped.
_RESTART: t.Final = 30
#: Seconds, where certdeploy waits for ever.
_LONG: t.Final = 3600
_LONGEST: t.Final = 86400
_SSHD: t.Final = "sftpd"


def import_client(config: t.Any) -> CertdeployImport:
    """config: of client.yml. Raises InvalidOption that tells all that is wrong, a line each."""
    problems: list[str] = []
    notes: list[str] = []
    given = CertdeployOptions(config, "", problems)
    variables: dict[str, t.Any] = {"certificate_receiver_destination": given.text("destination", required=True)}
    source = given.text("source", SOURCE)
    notes.append(
        f"source: uploads arrive in a staging directory of certificate_receiver now. Deploy what is in {source} before,"
        " with a last run of certdeploy-client; and tell a certdeploy server that stays: path: /staging."
    )
    variables.update(_sshd(given, problems, notes))
    variables["certificate_receiver_update_delay"] = _update_delay(given)
    variables["certificate_receiver_services"] = _services(given, problems, notes)
    variables.update(_permissions(given, problems))
    if given.flag("fail_fast", False):
        notes.append("fail_fast: a lineage or a service that fails does not stop the others; the run fails at its end.")
    variables.update(verbosity(given, notes, ["log_level"], ["log_filename"]))
    given.unknown()
    if problems:
        raise InvalidOption("\n".join(problems))
    return CertdeployImport(variables, notes)


def _update_delay(given: CertdeployOptions) -> str:
    """certdeploy takes the units in any order, and finds them in any text."""
    value = given.value("update_delay", "1h")
    if value is None:
        return "0"
    words = value.split() if isinstance(value, str) else []
    if not words or not all(map(_DURATION.fullmatch, words)):
        given.wrong("update_delay", f"it is to be like 1w2d3h4m5s, or null, not {quoted(value)}")
        return "0"
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall("".join(words)))
    return format_duration(timedelta(seconds=int(seconds)))


def _sshd(given: CertdeployOptions, problems: list[str], notes: list[str]) -> dict[str, t.Any]:
    """An SSH server of its own, where certdeploy's daemon was one."""
    if not given.has(_SSHD) or given.value(_SSHD) in (None, {}):
        given.value(_SSHD)
        notes.append(
            "sftpd: there is none, so uploads come by the host's own SSH server, as certificate_receiver has it."
        )
        return {}
    options = CertdeployOptions(given.value(_SSHD), _SSHD, problems)
    port = options.integer("listen_port", 22, least=1, most=65535) or 22
    address = options.text("listen_address", "")
    user = options.text("username", "certdeploy")
    host_key = options.text("privkey_filename")
    key, key_file = options.text("server_pubkey"), options.text("server_pubkey_filename")
    level = options.choice("log_level", "ERROR", LOG_LEVELS)
    backlog = options.integer("socket_backlog", 10, least=1)
    if options.text("log_filename"):
        notes.append("sftpd: log_filename: sshd logs to the journal.")
    if not key and not key_file:
        options.wrong("server_pubkey", "without it, or server_pubkey_filename, nobody can push")
    options.unknown()
    if key_file:
        notes.append(f"sftpd: server_pubkey_filename: copy {key_file} to the controller, from where the role reads it.")
    return {
        "certificate_receiver_sshd": "own",
        "certificate_receiver_port": port,
        "certificate_receiver_user": user,
        **({"certificate_receiver_listen_addresses": [address]} if address else {}),
        **({"certificate_receiver_host_key_file": host_key} if host_key else {}),
        **(
            {"certificate_receiver_public_key_file": key_file}
            if key_file
            else {"certificate_receiver_public_keys": [key]}
        ),
        "certificate_receiver_log_level": {"WARNING": "ERROR", "CRITICAL": "FATAL"}.get(level, level),
        **({"certificate_receiver_max_startups": str(backlog)} if backlog != 10 else {}),
    }


def _permissions(given: CertdeployOptions, problems: list[str]) -> dict[str, t.Any]:
    if given.value("file_permissions") in (None, {}):
        return {}
    options = CertdeployOptions(given.value("file_permissions"), "file_permissions", problems)
    found: dict[str, t.Any] = {}
    for key in ("mode", "directory_mode"):
        value = options.value(key)
        if value is not None:
            found[f"certificate_receiver_{key}"] = _mode(options, key, value)
    for key in ("owner", "group"):
        value = options.value(key)
        if isinstance(value, (int, str)) and not isinstance(value, bool) and str(value).strip():
            found[f"certificate_receiver_{key}"] = str(value).strip()
        elif value is not None:
            options.wrong(key, f"it is to be a name or a number, not {quoted(value)}")
    options.unknown()
    return found


def _mode(options: CertdeployOptions, key: str, value: t.Any) -> str:
    """0o600, 0600 and 600 as text, and 384 as a number, are the same."""
    mode = -1
    if isinstance(value, int) and not isinstance(value, bool):
        mode = value
    elif isinstance(value, str):
        try:
            mode = int(value, 8)
        except ValueError:
            pass
    if not 0 < mode <= 0o777:
        options.wrong(key, f"it is to be a mode from 0o001 to 0o777, not {quoted(value)}")
    return f"{mode:04o}"


def _services(given: CertdeployOptions, problems: list[str], notes: list[str]) -> list[dict[str, t.Any]]:
    init = given.number("init_timeout", given.number("systemd_timeout"))
    script = given.number("script_timeout")
    docker = given.number("docker_timeout")
    timeouts = {
        "systemd": init or _LONG,
        "rc": init or _LONG,
        "script": script or _LONG,
        **dict.fromkeys(_DOCKER, docker),
    }
    for key in ("systemd_exec", "rc_service_exec"):
        if given.text(key):
            notes.append(f"{key}: the program is looked for in PATH.")
    url = given.text("docker_url")
    address = {"docker_host": re.sub(r"^unix:/+", "unix:///", url)} if url else {}
    entries = given.items("update_services")
    return [
        _service(CertdeployOptions(entry, f"update_services[{number}]", problems), timeouts, address, notes)
        for number, entry in enumerate(entries)
    ]


def _service(
    options: CertdeployOptions,
    timeouts: t.Mapping[str, float | None],
    address: t.Mapping[str, str],
    notes: list[str],
) -> dict[str, t.Any]:
    kind = options.choice("type", "", _TYPES)
    name = options.text("name")
    filters = options.value("filters")
    action = options.value("action")
    given = options.value("timeout", False)
    timeout = timeouts.get(kind) if given is False else options.number("timeout") or _LONG
    options.unknown()
    entry: dict[str, t.Any] = {"type": kind}
    if name:
        entry["name"] = name
    if kind in _DOCKER:
        if filters is not None and not isinstance(filters, t.Mapping):
            options.wrong("filters", f"it is to be a mapping or null, not {quoted(filters)}")
        if not name and not filters:
            options.wrong("name", "it needs a name, or filters")
        entry = {**entry, **({"filters": filters} if filters and not name else {}), **address}
    elif kind and not name:
        options.wrong("name", "it is missing")
    if kind in ("systemd", "rc"):
        wanted = action.strip().lower() if isinstance(action, str) and action.strip() else action or "restart"
        if wanted not in _ACTIONS:
            options.wrong("action", f"it is to be restart or reload, not {quoted(action)}")
        entry["action"] = wanted
    if kind == "script" and name and not name.startswith("/"):
        notes.append(
            f"update_services: the script {name} is looked for in PATH alone: give its whole path if it is elsewhere."
        )
    if kind in _DOCKER and timeout:
        timeout += _RESTART  # certdeploy's is for the stop alone, ours for all that a restart takes
    return {**entry, **({"timeout": min(timeout, _LONGEST)} if timeout else {})}
