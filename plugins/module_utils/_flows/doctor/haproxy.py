# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does HAProxy answer, may it be told, which version is it, and what would a reload do?"""

from __future__ import annotations

import os
import re
import socket
import typing as t
import urllib.parse

from ..._core.haproxy.check_log import alerts
from ..._core.text import lines_of, listed
from ..._errors import HaproxyError, InvalidOption, ReloadError, RotationError
from ..._ports.haproxy.binds import tls_binds
from ..._ports.haproxy.config_files import ConfigurationClosed
from ..._ports.haproxy.configuration_check import CheckImpossible, check_configuration
from ..._ports.haproxy.runtime import RuntimeApi
from ..._ports.haproxy.surroundings import Surroundings, reads_the_same
from ..._ports.host.program_search import find_program
from ..._ports.host.programs import run_program
from ..._ports.host.rights import run_as_root
from ..._ports.reload.reloader import Reloader
from .findings import Finding, error, warning

_MAJOR_MINOR = re.compile(r"(\d+)\.(\d+)")
_PID = re.compile(r"\d{1,10}")
_LOG_LINES = 5
_LONGEST_LEVEL = 20  # characters; HAProxy has user, operator and admin


def socket_findings(address: str, timeout: float) -> t.Iterator[Finding]:
    """address: of the stats socket; timeout: seconds for one answer. Ends with the version that runs."""
    try:
        api = RuntimeApi(address, timeout)
        version = api.info().get("Version", "")
        level = api.execute("show cli level").strip()[:_LONGEST_LEVEL]
    except (HaproxyError, InvalidOption) as failed:
        yield error("socket", failed.message)
        return
    if level == "admin":
        yield Finding("socket", f"HAProxy answers on {address}, at level admin.")
    else:
        yield error(
            "socket",
            f"HAProxy answers on {address}, but at level {level}, which may not change certificates. Write"
            f" 'stats socket {address} level admin' in HAProxy's configuration and restart it, or name such a socket.",
        )
    yield version_finding(version)


def look_at_reloader(reloader: Reloader) -> str:
    """What to say of a way to reload. Raises ReloadError or HaproxyError when there is no HAProxy at its end."""
    return f"HAProxy is reached that way, its worker is process {reloader.worker_pid()}."


def look_at_endpoint(url: str, timeout: float) -> str:
    """Connect and send nothing, for a request reloads. Raises ReloadError, without the URL: it may hold a password."""
    parts = urllib.parse.urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((host, port), timeout).close()
    except (OSError, ValueError) as failed:
        reason = getattr(failed, "strerror", None) or "no answer" if isinstance(failed, OSError) else "it is no URL"
        raise ReloadError(
            f"No connection to the endpoint of option reload_url: {reason}. Start the service behind it, or correct"
            " the address."
        ) from None
    return f"{host}:{port} takes connections. Whether it reloads is seen when it is asked to."


def version_finding(version: str) -> Finding:
    """What this version of HAProxy can do. version: as `show info` tells it, such as "2.6.12-1+deb12u2"."""
    found = _MAJOR_MINOR.match(version)
    if not found:
        return warning("haproxy version", f"HAProxy calls its version '{version}', which is not known here.")
    number = (int(found[1]), int(found[2]))
    if number < (2, 2):
        text = "It has no hot update of all that is needed; 2.2 is the oldest that has. Upgrade HAProxy."
        return error("haproxy version", f"{version}. {text}")
    abilities = ["hot update"]
    if number >= (2, 5):
        log = "with" if number >= (2, 7) else "without"
        abilities.append(f"reload through the master, {log} its log")
    else:
        abilities.append("reload through systemd or by signals, not through the master")
    return Finding("haproxy version", f"{version}: {', '.join(abilities)}.")


def worker_pid(address: str, timeout: float) -> int | None:
    """Of HAProxy's process behind a stats socket. Raises HaproxyError."""
    pid = RuntimeApi(address, timeout).info().get("Pid", "")
    return int(pid) if _PID.fullmatch(pid) else None


def configuration_findings(
    binary: str,
    config: t.Sequence[str],
    timeout: float,
    environment: t.Mapping[str, t.Any],
    look: t.Callable[[], Surroundings],
) -> t.Iterator[Finding]:
    """`haproxy -v` and `haproxy -c`. timeout: seconds for each; environment, look: as of check_configuration."""
    try:
        words = run_program([find_program(binary) or binary, "-v"], timeout).output.split()
    except ReloadError as failed:
        text = "Without it a bad configuration is found at the reload only."
        yield warning("haproxy program", f"{failed.message} {text}")
        return
    installed = next((word for word in words if _MAJOR_MINOR.match(word)), "unknown")
    yield Finding("haproxy program", f"{binary} is version {installed}.")
    if not config:
        return
    try:
        log = check_configuration(binary, config, timeout, environment, look)
    except CheckImpossible as impossible:
        yield warning("configuration", impossible.message)
        return
    except ReloadError as failed:
        lines = alerts(str(failed.details.get("log", "")))
        text = f"haproxy -c refuses {', '.join(config)}, so no reload and no restart would work. Correct it:"
        yield error("configuration", "\n".join((text, *lines[:_LOG_LINES])) if lines else failed.message)
        return
    warned = [line for line in lines_of(log) if line.startswith("[WARNING]")]
    if warned:
        yield warning("configuration", "\n".join(("haproxy -c accepts it, but warns:", *warned[:_LOG_LINES])))
    else:
        yield Finding("configuration", f"haproxy -c accepts {', '.join(config)}.")


def files_finding(config: t.Sequence[str], known: Surroundings) -> t.Iterator[Finding]:
    """Does the option config name what the running HAProxy reads? Nothing is said where that is not known."""
    if known.files and not reads_the_same(known.files, config):
        yield warning(
            "configuration files",
            f"HAProxy was started with {listed(known.files)}, and option config names {listed(config)}. Name all of"
            " them in this order: what is in the others is not checked before a reload, and proven only where the"
            " socket and the process tell of it.",
        )


def listener_finding(config: t.Sequence[str], surroundings: Surroundings, path: str) -> Finding:
    """Is there a TLS listener that loads the files of the certificate directory?"""
    try:
        binds = tls_binds(config, surroundings)
    except ConfigurationClosed as closed:
        return warning("listeners", f"They cannot be told. {closed.message}. {run_as_root()}")
    except HaproxyError as failed:
        return error("listeners", failed.message)
    folder = os.path.realpath(path)
    loading = [
        bind
        for bind in binds
        if bind.references is None
        or bind.incomplete
        or any(os.path.dirname(each.path) == folder for each in bind.references)
    ]
    if not binds:
        text = f"{', '.join(config)} has no TLS listener. Write 'bind :443 ssl crt {path}/' in a frontend."
        return error("listeners", text)
    if not loading:
        return warning(
            "listeners",
            f"None of the {len(binds)} TLS listeners of HAProxy loads a file of {path}. Write 'crt {path}/' in a 'bind'"
            " line, or list the files in a crt-list.",
        )
    return Finding("listeners", f"{len(loading)} of {len(binds)} TLS listeners load files of {path}.")


def reload_findings(ways: t.Mapping[str, t.Callable[[], str]], *, required: bool) -> t.Iterator[Finding]:
    """Each way to reload, looked at and not used. required: there is no hot update, so one of them must work.

    ways: by method, what to say of it; one that cannot be gone raises RotationError.
    """
    problems: list[tuple[str, str]] = []
    for method, look in ways.items():
        try:
            yield Finding(f"reload by {method}", look())
        except RotationError as failed:
            problems.append((f"reload by {method}", failed.message))
    severity = error if required and len(problems) == len(ways) else warning
    for check, message in problems:
        yield severity(check, message)
