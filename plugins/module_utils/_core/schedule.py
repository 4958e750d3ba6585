# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role rotation_schedule installs on a host, by its variables. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import typing as t
from posixpath import dirname

from .host_events import is_template
from .schedule_settings import Settings
from .unit_files import command_line, is_plain, one_value, one_word

# $1: a file that stands for what is installed; then the command that installs it.
_INSTALL_ONCE: t.Final = ["sh", "-c", 'stamp=$1; shift; "$@" && rm -f "${stamp%-*}"-* && : >"$stamp"', "sh"]
# Options of ansible-pull that bring what nobody has signed.
_UNVERIFIABLE: t.Final = re.compile("--(tr|mod|u|dir|checko)|-[mUdC]")
_KEY_OPTION: t.Final = re.compile(r"--(?:private-key|key-file)[= ](\S+)")
_VARIABLE_NAME: t.Final = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_VERIFIES: t.Final = "rotation_schedule_verify_commit verifies what git fetches from rotation_schedule_repository."
_OWN_INVENTORY: t.Final = "The variables make an inventory of this host."
_DAY: t.Final = 1440  # minutes
_LONGEST_HOLD: t.Final = 20  # seconds; a message that was received comes again after 30 unless the queue says otherwise
_CRON_TIME: t.Final = re.compile(r"[A-Za-z0-9*,/-]+(?: [A-Za-z0-9*,/-]+){4}")
#: Plain, for the unit, the shell and cron read it, each with rules of its own.
_WAKE: t.Final = re.compile(r"/[A-Za-z0-9/._-]+")
#: systemd.unit(5): valid characters, and none in front that would make it an option.
_UNIT: t.Final = re.compile(r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*")
#: Name, ARN or URL of an SQS queue.
_QUEUE: t.Final = re.compile(
    r"[A-Za-z0-9_-]{1,80}(?:\.fifo)?|arn:[a-z-]+:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]+|https?://\S+"
)
_HOURS: t.Final = (60, 120, 180, 240, 360, 480, 720)  # minutes of the whole hours that divide a day


class Schedule:
    """Names, paths, commands and units. has_systemd: whether the host was booted with it."""

    def __init__(self, settings: Settings, *, has_systemd: bool) -> None:
        self._given = settings
        name = settings.name
        self.directory = f"/opt/{name}"
        self.config = f"/etc/{name}"
        self.state_directory = f"/var/lib/{name}"
        self.cron_file = f"/etc/cron.d/{name}"
        automatic = "systemd" if has_systemd else "cron"
        self.scheduler = automatic if settings.scheduler == "auto" else settings.scheduler
        self.virtualenv = settings.virtualenv or f"{self.directory}/venv"
        self.collections_path = settings.collections_path or f"{self.directory}/collections"
        self.inventory = settings.inventory or f"{self.config}/inventory.json"
        #: HAProxy's unit.
        self.service = f"{settings.variables.get('haproxy_certificates_service', 'haproxy')}.service"
        self.boot_unit = f"{name}-boot.service"
        self.events_unit = f"{name}-events.service"
        #: Where the program that listens drops a file.
        self.events_directory = f"{self.state_directory}/events"

    def as_dict(self) -> dict[str, t.Any]:
        """The settings, as far as they are decided by now, and all that follows from them, for the role.

        Without those which may hold secrets and which only files for root need.
        """
        given = {name: value for name, value in vars(self._given).items() if name not in ("variables", "events_aws")}
        attributes = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {**given, **attributes, **{name: getattr(self, name) for name in _DERIVED}}

    # -- what is installed --------------------------------------------------------------------------------------

    # A stamp is named by the digest of what was installed, so that pip and ansible-galaxy run only when that changes;
    # and it is in the directory that holds it, so that they run again when that is gone.

    @property
    def requirements_stamp(self) -> str:
        place = self.directory if self._given.virtualenv else f"{self.directory}/venv"
        what = [*self._given.requirements, *self._given.pip_options, self.virtualenv]
        return f"{place}/.requirements-{_digest(what)}"

    @property
    def collections_stamp(self) -> str:
        place = self.directory if self._given.collections_path else f"{self.directory}/collections"
        what = [*self._given.collections, *self._given.galaxy_options, self.collections_path]
        return f"{place}/.collections-{_digest(what)}"

    @property
    def requirements_command(self) -> list[str]:
        pip = [f"{self.virtualenv}/bin/python", "-m", "pip", "install"]
        pip += ["--no-cache-dir", "--no-input", "--disable-pip-version-check"]
        return [*_INSTALL_ONCE, self.requirements_stamp, *pip, *self._given.pip_options, *self._given.requirements]

    @property
    def collections_command(self) -> list[str]:
        galaxy = [f"{self.virtualenv}/bin/ansible-galaxy", "collection", "install", "--force"]
        galaxy += ["--collections-path", self.collections_path]
        return [*_INSTALL_ONCE, self.collections_stamp, *galaxy, *self._given.galaxy_options, *self._given.collections]

    @property
    def programs(self) -> list[str]:
        """What the host has to have."""
        return [
            *("flock", "timeout"),
            *(["git"] if self._given.repository else []),
            *(["logger", "shuf"] if self.scheduler == "cron" else []),
            *([] if self._given.virtualenv else [self._given.python]),
        ]

    # -- what is run --------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        ours = {
            "HOME": self.state_directory,
            "LC_ALL": "C.UTF-8",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONUNBUFFERED": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "ANSIBLE_COLLECTIONS_PATH": self.collections_path,
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_REMOTE_TEMP": f"{self.state_directory}/.ansible/tmp",
            "ANSIBLE_RETRY_FILES_ENABLED": "false",
            "ANSIBLE_VERBOSITY": str(self._given.verbosity),
        }
        return {**ours, **{name: str(value) for name, value in self._given.environment.items()}}

    @property
    def checkout(self) -> str:
        return f"{self.state_directory}/{'verified' if self._given.verify_commit else 'checkout'}"

    @property
    def command(self) -> list[str]:
        """One run. ansible-pull's own --verify-commit looks after it has checked out: instead, it pulls from a
        repository of what is verified.
        """
        given = self._given
        if not given.repository:
            program = [f"{self.virtualenv}/bin/ansible-playbook", "--inventory", self.inventory]
            return [*program, *given.options, given.playbook or "certops.rotation.rotate"]
        url, version = given.repository, given.version
        if given.verify_commit:
            url, version = f"file://{self.state_directory}/repository", "verified"
        return [
            *([f"{self.directory}/verified"] if given.verify_commit else []),
            *(f"{self.virtualenv}/bin/ansible-pull", "--url", url),
            *("--directory", self.checkout, "--clean", "--inventory", self.inventory),
            *(["--checkout", version] if version else []),
            *given.options,
            *([given.playbook] if given.playbook else []),
        ]

    @property
    def ssh(self) -> str:
        """What the options for ansible-pull mean for git; "" for nothing."""
        found = _KEY_OPTION.search(" ".join(self._given.options))
        identity = f" -o IdentitiesOnly=yes -i {shlex.quote(found[1])}" if found else ""
        accepting = " -o StrictHostKeyChecking=accept-new" if "--accept-host-key" in self._given.options else ""
        return f"ssh{identity}{accepting}" if identity or accepting else ""

    @property
    def is_forced(self) -> bool:
        """Whether ansible-pull goes on when the repository cannot be updated."""
        return not {"--force", "-f"}.isdisjoint(self._given.options)

    @property
    def is_quick(self) -> bool:
        """Whether a run that an event begins may be the one module that the playbook consists of, without the playbook.

        What only Ansible understands takes Ansible: templates, settings of its own, options, and other variables.
        """
        given = self._given
        own = (given.repository, given.inventory, given.options, given.check, given.verbosity)
        return (
            bool(given.events)
            and given.playbook in ("", "certops.rotation.rotate")
            and not any(own)
            and all(name.startswith("haproxy_certificates_") for name in given.variables)
            and not any(name.startswith("ANSIBLE_") for name in given.environment)
            and not is_template(given.variables)
        )

    @property
    def variables_are_all(self) -> bool:
        """Whether nothing else says what the rotation reads: no repository, inventory or playbook of one's own."""
        given = self._given
        return not (given.repository or given.inventory) and given.playbook in ("", "certops.rotation.rotate")

    @property
    def wakes(self) -> list[str]:
        """Directories in which a file begins a run."""
        return [path for path in (self._given.wake, self.events_directory if self._given.events else "") if path]

    @property
    def writable(self) -> list[str]:
        """Where the rotation writes: new files are made beside those that they replace."""
        names = ("path", "crt_list", "metrics_textfile")
        files = [str(self._given.variables.get(f"haproxy_certificates_{name}", "")) for name in names]
        paths = [*self._given.writable, self._given.wake, files[0], *map(dirname, files)]
        return [path for path in dict.fromkeys(paths) if path not in ("", "/")]

    # -- when ---------------------------------------------------------------------------------------------------

    @property
    def cron_time(self) -> str:
        """No step of cron's is as long as any number of minutes: those that divide an hour or a day. Else ""."""
        if self._given.cron:
            return self._given.cron
        interval = self._given.interval
        if 0 < interval < 60 and 60 % interval == 0:
            return f"*/{interval} * * * *"
        if interval == _DAY:
            return "0 0 * * *"
        return f"0 */{interval // 60} * * *" if interval in _HOURS else ""

    # -- in units, as systemd reads them ------------------------------------------------------------------------

    @property
    def watched_values(self) -> list[str]:
        return [one_value(path) for path in self._given.watch]

    @property
    def writable_words(self) -> list[str]:
        """Each with the dash that lets it be missing."""
        return [one_word(f"-{path}") for path in self.writable]

    @property
    def check_line(self) -> str:
        """The command that compares certificates with what the last run has left."""
        given = self._given
        options = [f"--delay={given.watch_delay}", f"--unit={given.name}.service"]
        return command_line(
            [f"{self.virtualenv}/bin/python", f"{self.directory}/check.py", *options, "--", *given.watch]
        )

    @property
    def check_environment(self) -> str:
        return one_word(f"PYTHONPATH={self.collections_path}")

    @property
    def unit_templates(self) -> dict[str, str]:
        """Unit -> template. Those that are not wanted are removed."""
        name = self._given.name
        wanted = {f"{name}.service": "rotation.service.j2", f"{name}.timer": "rotation.timer.j2"}
        if self._given.on_failure:
            wanted[f"{name}-failed.service"] = "rotation-failed.service.j2"
        if self._given.boot != "ignore":
            wanted[self.boot_unit] = "rotation-boot.service.j2"
        if self._given.watch:
            wanted |= {f"{name}-check.service": "rotation-check.service.j2", f"{name}.path": "rotation.path.j2"}
        if self.wakes:
            wanted[f"{name}-wake.path"] = "rotation-wake.path.j2"
        if self._given.events:
            wanted[self.events_unit] = "rotation-events.service.j2"
        return wanted

    # -- files, as the module host_files takes them -------------------------------------------------------------

    @property
    def unit_files(self) -> list[dict[str, str]]:
        return [{"path": f"/etc/systemd/system/{unit}", "src": src} for unit, src in self.unit_templates.items()]

    @property
    def program_files(self) -> list[dict[str, str]]:
        return [self._program("watch-below", "0755")] if self.watches_below else []

    @property
    def secret_program_files(self) -> list[dict[str, str]]:
        """Environment and command lines may hold secrets."""
        environment = {"path": f"{self.config}/environment", "src": "environment.j2"}
        given = self._given
        optional = {"verified": given.verify_commit, "on-failure": given.on_failure, "listen": given.events}
        programs = ["run", *(name for name, is_wanted in optional.items() if is_wanted)]
        return [environment, *(self._program(name, "0700") for name in programs)]

    @property
    def absent_programs(self) -> list[str]:
        """Paths of those that other settings need."""
        wanted = {each["path"] for each in [*self.program_files, *self.secret_program_files]}
        names = ["on-failure", "verified", "watch-below", "listen"]
        names += [] if self._given.events else ["events.py", "quick.py"]
        paths = [f"{self.directory}/{name}" for name in names]
        paths += [] if self._given.events else [f"{self.config}/events.json"]
        return [path for path in paths if path not in wanted]

    def _program(self, name: str, mode: str) -> dict[str, str]:
        return {"path": f"{self.directory}/{name}", "src": f"{name}.j2", "mode": mode}

    @property
    def watches_below(self) -> bool:
        """Whether the directories below those that are watched are looked at, too."""
        return bool(self._given.watch) and not self._given.check

    @property
    def units(self) -> list[str]:
        """All that there may be, in the order in which they are to be stopped."""
        ends = (
            "-events.service",
            ".timer",
            ".path",
            "-wake.path",
            "-check.service",
            ".service",
            "-boot.service",
            "-failed.service",
        )
        return [f"{self._given.name}{end}" for end in ends]

    # -- what is wrong ------------------------------------------------------------------------------------------

    @property
    def problems(self) -> list[str]:
        """Sentences about variables that do not go together, or mean nothing."""
        return [message for message, is_wrong in self._checks() if is_wrong]

    def _checks(self) -> t.Iterator[tuple[str, bool]]:
        given, on_cron = self._given, self.scheduler == "cron"
        yield (
            "rotation_schedule_interval, rotation_schedule_timeout and rotation_schedule_boot_timeout: at least 1.",
            min(given.interval, given.timeout, given.boot_timeout) < 1,
        )
        yield (
            "rotation_schedule_retries, _retry_delay, _random_delay and _watch_delay: at least 0.",
            min(given.retries, given.retry_delay, given.random_delay, given.watch_delay) < 0,
        )
        yield (
            "rotation_schedule_version and rotation_schedule_verify_commit are about a rotation_schedule_repository.",
            bool(given.version or given.verify_commit) and not given.repository,
        )
        unverifiable = [option for option in given.options if _UNVERIFIABLE.match(option)]
        yield (
            f"{_VERIFIES} Leave out of rotation_schedule_options: {', '.join(unverifiable)}",
            given.verify_commit and bool(unverifiable),
        )
        yield (
            "rotation_schedule_repository, _version and _on_calendar do not begin with a dash.",
            any(text.startswith("-") for text in (given.repository, given.version, given.on_calendar)),
        )
        yield (
            f"rotation_schedule_inventory and rotation_schedule_variables: one of them. {_OWN_INVENTORY}",
            bool(given.inventory and given.variables),
        )
        unnamable = [name for name in given.environment if not _VARIABLE_NAME.fullmatch(name)]
        yield f"rotation_schedule_environment: not a name for a variable: {', '.join(unnamable)}", bool(unnamable)
        yield (
            "cron knows no rotation_schedule_on_calendar: use rotation_schedule_interval or rotation_schedule_cron.",
            on_cron and bool(given.on_calendar) and not given.cron,
        )
        yield "cron starts no HAProxy: rotation_schedule_boot takes systemd.", on_cron and given.boot != "ignore"
        yield (
            f"cron cannot run every {given.interval} minutes: use a divisor of 60 or of 1440 in whole hours.",
            on_cron and not given.on_calendar and not self.cron_time,
        )
        yield (
            "rotation_schedule_cron: the five fields of crontab(5), such as 0 15 * * *.",
            bool(given.cron) and not _CRON_TIME.fullmatch(given.cron),
        )
        yield (
            "rotation_schedule_wake: a path with a slash in front, made of letters, digits and / . _ -",
            bool(given.wake) and not _WAKE.fullmatch(given.wake),
        )
        yield (
            f"rotation_schedule_events is to be the name, ARN or URL of an SQS queue: {given.events!r}",
            bool(given.events) and not _QUEUE.fullmatch(given.events),
        )
        yield (
            "rotation_schedule_events_gap and _events_spread: 0 to 20 seconds, as messages wait meanwhile.",
            not (0 <= given.events_gap <= _LONGEST_HOLD and 0 <= given.events_spread <= _LONGEST_HOLD),
        )
        relative = [path for path in given.watch if not path.startswith("/")]
        yield f"rotation_schedule_watch: not with a slash in front: {', '.join(relative)}", bool(relative)
        paths = [*given.watch, *self.writable, self.virtualenv, self.collections_path]
        strange = ", ".join(repr(path) for path in paths if not is_plain(path))
        yield (
            f"Quotes, backslashes, control characters, or white space at begin or end of a path fit no unit: {strange}",
            bool(strange) and not on_cron,
        )
        yield (
            f"rotation_schedule_collections_path: a colon would separate two: {self.collections_path}",
            ":" in self.collections_path,
        )
        yield (
            f"haproxy_certificates_service is no name of a unit: {self.service!r}",
            not _UNIT.fullmatch(self.service),
        )


def _digest(what: t.Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


#: Its properties.
_DERIVED: t.Final = tuple(name for name, value in vars(Schedule).items() if isinstance(value, property))
