# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certops-push: what is owed, or what renews, by hand, with the options and environment variables of certdeploy-server.

Of the environment, true, 1, yes and on mean true. Options go before it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing as t
from datetime import datetime, timezone

PLAYBOOK = "certops.rotation.push"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: Option -> environment variables, of all versions of certdeploy, and as they were meant.
ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "renew": ("CERTDEPLOY_RENEW_ONLY", "CERTDEPLOY_SERVER_RENEW_ONLY"),
    "daemon": ("CERTDEPLOY_SERVER_DAEMON",),
    "push": (
        *("CERTDEPOLY_PUSH_ONLY", "CERTDEPLOY_PUSH_ONLY"),
        *("CERTDEPOLY_SERVER_PUSH_ONLY", "CERTDEPLOY_SERVER_PUSH_ONLY"),
    ),
    "config": ("CERTDEPLOY_SERVER_CONFIG",),
    "log_level": ("CERTDEPLOY_LOG_LEVEL", "CERTDEPLOY_SERVER_LOG_LEVEL"),
    "lineage": ("RENEWED_LINEAGE",),
    "domains": ("RENEWED_DOMAINS",),
}
_TRUE = ("true", "1", "yes", "on", "t", "y")
_FALSE = ("", "false", "0", "no", "off", "f", "n")
_USAGE = 2
_PAUSE = 1.0  # seconds


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="certops-push", description=__doc__, allow_abbrev=False)
    made.add_argument("--lineage", help="directory of a lineage that is to be pushed, even if its hosts have it")
    made.add_argument("--domains", help="in one text with spaces: only to hosts that need one of them")
    made.add_argument("--push", action="store_true", default=None, help="push all that is owed, and end")
    made.add_argument("--config", help="file with variables of the role certificate_push, or certdeploy's server.yml")
    made.add_argument(
        "--daemon", action="store_true", default=None, help="stay, where neither systemd nor cron runs it"
    )
    made.add_argument("--renew", action="store_true", default=None, help="renew now, and end")
    made.add_argument("--log-level", choices=LEVELS)
    for name in ("--run", "--wake", "--collections", "--renew-unit", "--renew-at"):
        made.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--every", "--renew-every"):
        made.add_argument(name, type=int, help=argparse.SUPPRESS)
    return made


class Wrong(Exception):
    """code: to exit with."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def chosen(own: argparse.Namespace, options: argparse.Namespace, environ: t.Mapping[str, str]) -> argparse.Namespace:
    """options: of the command line; own: those of the installation. Raises Wrong."""
    if options.daemon and (options.lineage or options.domains):
        raise Wrong("--daemon excludes --lineage and --domains.", _USAGE)
    if options.daemon and options.renew:
        raise Wrong("--daemon excludes --renew.", _USAGE)
    wanted = argparse.Namespace(**vars(own))
    for name in ENVIRONMENT:
        value = getattr(options, name)
        setattr(wanted, name, _from_environment(name, environ) if value is None else value)
    if wanted.log_level and wanted.log_level not in LEVELS:
        raise Wrong(f"{ENVIRONMENT['log_level'][0]} is to be one of {', '.join(LEVELS)}.", _USAGE)
    # A hook of certbot's must never stay, whatever its environment says otherwise; and --push goes before --daemon.
    if options.daemon:
        wanted.lineage = wanted.domains = None
    elif wanted.lineage and wanted.domains:
        wanted.daemon = False
    if wanted.push:
        wanted.daemon = False
    return wanted


def _from_environment(name: str, environ: t.Mapping[str, str]) -> t.Any:
    values = [(variable, environ[variable]) for variable in ENVIRONMENT[name] if environ.get(variable)]
    if name not in ("renew", "daemon", "push"):
        return values[0][1] if values else None
    for variable, value in values:
        if value.strip().lower() not in (*_TRUE, *_FALSE):
            raise Wrong(f"{variable} is to be true or false.", _USAGE)
    return any(value.strip().lower() in _TRUE for _variable, value in values)


def commands(wanted: argparse.Namespace) -> list[list[str]]:
    """What is to be run, in this order. Raises Wrong."""
    verbose = {"DEBUG": ["-vv"], "INFO": ["-v"]}.get(wanted.log_level, [])
    variables: dict[str, t.Any] = {"push_hosts": "localhost"}
    if wanted.config:
        variables["certificate_push_config"] = str(pathlib.Path(wanted.config).absolute())
    if wanted.renew:
        return [_command(wanted, {**variables, "certificate_push_renew_force": True}, [*verbose, "--tags", "renew"])]
    named = bool(wanted.lineage and (wanted.domains or wanted.push))
    if not named and not wanted.push:
        raise Wrong(
            "There is nothing to do: give --push, or both --lineage and --domains, or --renew, or --daemon. As a hook"
            " of certbot it gets both from RENEWED_LINEAGE and RENEWED_DOMAINS.",
            1,
        )
    if named:
        directory = pathlib.PurePath(wanted.lineage)
        variables["certificate_push_lineages"] = str(directory.parent)
        variables["certificate_push_requeue"] = [directory.name]
        variables["certificate_push_requeue_domains"] = (wanted.domains or "").split()
        if str(directory.parent) in ("", "."):
            del variables["certificate_push_lineages"]
    return [_command(wanted, variables, verbose if wanted.push else [*verbose, "--tags", "queue"])]


def _command(wanted: argparse.Namespace, variables: t.Mapping[str, t.Any], more: t.Sequence[str]) -> list[str]:
    return [wanted.run, PLAYBOOK, "--extra-vars", json.dumps(variables), *more]


class Daemon:
    """Does what systemd and cron do elsewhere: a run when something is dropped, regularly, and what renews."""

    def __init__(self, wanted: argparse.Namespace) -> None:
        self._wanted = wanted
        self._next = 0.0
        self._looked: tuple[int, ...] = ()
        self._schedule: t.Any = None
        if wanted.renew_every:
            sys.path.insert(0, wanted.collections)
            name = "ansible_collections.certops.rotation.plugins.module_utils._core.push.renew_schedule"
            make = importlib.import_module(name).renew_schedule
            self._schedule = make(wanted.renew_every, wanted.renew_unit, wanted.renew_at)

    def stay(self) -> t.NoReturn:
        while True:
            for command in self.due(time.monotonic(), datetime.now(timezone.utc).astimezone()):
                call(command)
            time.sleep(_PAUSE)

    def due(self, clock: float, now: datetime) -> list[list[str]]:
        """clock: of time.monotonic; now: in the host's time zone."""
        found = []
        minute = (now.toordinal(), now.hour, now.minute)
        if self._schedule and minute != self._looked and self._schedule.is_look(now):
            self._looked = minute
            found.append(_command(self._wanted, {"push_hosts": "localhost"}, ["--tags", "renew"]))
        if clock >= self._next or _holds_something(self._wanted.wake):
            self._next = clock + self._wanted.every * 60
            found.append([self._wanted.run])
        return found


def _holds_something(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(entries)
    except OSError:
        return False


def call(command: t.Sequence[str]) -> int:
    """With all that it starts in a session of its own, which is ended when this is asked to end."""
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            return process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise


def main(arguments: t.Sequence[str], environ: t.Mapping[str, str]) -> int:
    """arguments: those of the installation, two dashes, and the user's."""
    cut = arguments.index("--")
    own = parser().parse_args(arguments[:cut])
    options = parser().parse_args(arguments[cut + 1 :])
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(128 + signal.SIGTERM))
    try:
        wanted = chosen(own, options, environ)
        if wanted.daemon and not wanted.renew:
            Daemon(wanted).stay()
        codes = [call(command) for command in commands(wanted)]
    except Wrong as wrong:
        sys.stderr.write(f"certops-push: {wrong}\n")
        return wrong.code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
