# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role certificate_push makes of its variables. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..._errors import InvalidOption
from .debts import matched_domains
from .renew_schedule import RenewSchedule, renew_command, renew_schedule
from .targets import PushTarget

#: Of the units, and of directories below /opt, /etc and /var/lib; see the role rotation_schedule.
PUSH_SCHEDULE: t.Final = "certificate-push"
RENEW_SCHEDULE: t.Final = "certificate-renew"
#: Plain, for certbot's hooks, units, cron and the shell read it, each with rules of its own.
#: Two names at least: what they name is made, gets a mode, and goes again, which is not for /var or /usr.
_PATH: t.Final = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*){2,}")
_PATHS: t.Final = ("queue", "hooks", "program")
#: Seconds, for a renewal whose time of day does not matter: not all of a fleet at midnight.
_RANDOM_DELAY: t.Final = 3600
_PREFIX: t.Final = "certificate_push_"


@dataclass(frozen=True)
class PusherSettings:
    """Variables of the role, without its prefix. What each of them is stands in its argument specification."""

    targets: list[t.Any]
    hosts: list[str]
    lineages: str
    queue: str
    private_key_file: str
    passphrase: str
    mode: str
    concurrency: int
    interval: str
    max_fail_percentage: str
    fail_fast: bool
    retries: int
    retry_interval: str
    wait: bool
    give_up_after: str
    drop_on_failure: bool
    time_limit: int
    requeue: list[str]
    requeue_domains: list[str]
    hooks: str
    program: str
    key_create: bool
    schedule: str
    every: int
    renew: bool
    renew_every: int
    renew_unit: str
    renew_at: str
    renew_exec: str
    renew_args: list[str]
    renew_timeout: int
    metrics_textfile: str = ""


#: What a scheduled run needs to know.
_OF_A_RUN: t.Final = (
    *("targets", "lineages", "queue", "private_key_file", "passphrase", "mode", "concurrency", "interval"),
    *("max_fail_percentage", "fail_fast", "retries", "retry_interval", "wait", "give_up_after", "drop_on_failure"),
    *("time_limit", "renew_every", "renew_unit", "renew_at", "renew_exec", "renew_args", "renew_timeout"),
    "metrics_textfile",
)


class PusherPlan:
    """All that follows from the variables."""

    def __init__(self, settings: PusherSettings) -> None:
        self._given = settings
        self._renewal_problem = ""
        try:
            renew_command(settings.renew_exec, settings.renew_args)
            self._renewal = renew_schedule(settings.renew_every, settings.renew_unit, settings.renew_at)
        except InvalidOption as error:
            self._renewal_problem = f"{_PREFIX}{error.message}"
            self._renewal = RenewSchedule(1, "day")

    def as_dict(self) -> dict[str, t.Any]:
        """The settings and what follows, for the role. It holds the passphrase, and is not to be shown."""
        given = self._given
        time_matters = self._renewal.has_time or bool(given.renew_at)
        return {
            **vars(given),
            "problems": list(self._problems()),
            "path_problems": list(self._path_problems()),
            "requeue_hosts": self._requeue_hosts(),
            "wake": f"{given.queue}/wake",
            "writable": [given.queue, *filter(None, [given.metrics_textfile.rpartition("/")[0]])],
            "stamp": f"{given.queue}.last-renewal",
            "renew_on_calendar": self._renewal.on_calendar,
            "renew_cron": self._renewal.cron,
            "renew_random_delay": 0 if time_matters else _RANDOM_DELAY,
            "push_schedule": PUSH_SCHEDULE,
            "renew_schedule": RENEW_SCHEDULE,
            "of_a_run": {f"{_PREFIX}{name}": getattr(given, name) for name in _OF_A_RUN},
        }

    def _requeue_hosts(self) -> list[str]:
        """Names of the targets that need one of the domains."""
        wanted = {domain.strip().lower() for domain in self._given.requeue_domains}
        return [
            str(target.get("name"))
            for target in self._given.targets
            if isinstance(target, t.Mapping) and (not wanted or _concerned(target, wanted))
        ]

    def _path_problems(self) -> t.Iterator[str]:
        """Of what is removed, too."""
        for name in _PATHS:
            if not _PATH.fullmatch(getattr(self._given, name)):
                yield (
                    f"{_PREFIX}{name} is to begin with a slash, to be made of letters, digits and / . _ - and not to be"
                    " right below /."
                )

    def _problems(self) -> t.Iterator[str]:
        given = self._given
        yield from self._path_problems()
        if given.every < 1:
            yield f"{_PREFIX}every is to be a number of minutes greater than 0."
        if given.renew_timeout < 1:
            yield f"{_PREFIX}renew_timeout is to be a number of seconds greater than 0."
        if self._renewal_problem:
            yield self._renewal_problem
        for target in given.targets:
            yield from _problems_of(target)
        if given.key_create and given.private_key_file and given.passphrase:
            yield f"A key that is made here has no passphrase: set {_PREFIX}key_create: false, and bring the key."


def _problems_of(target: t.Any) -> t.Iterator[str]:
    """What is missing; the rest certificate_push checks."""
    if not isinstance(target, t.Mapping) or not target.get("name"):
        yield f"{_PREFIX}targets: each is a dictionary with a name."
        return
    if not target.get("domains"):
        yield (
            f"{target['name']} gets nothing: name its domains, in {_PREFIX}targets, or in the host's {_PREFIX}target;"
            " or take it out of the group."
        )
    elif not target.get("host_key"):
        yield (
            f"{target['name']} could not be told from another host: gather its facts in this play"
            " (ansible.builtin.setup), or give its host_key, such as [ssh-ed25519 AAAA...]."
        )


def _concerned(target: t.Mapping[str, t.Any], wanted: t.Collection[str]) -> bool:
    """Whether it needs one of these domains."""
    domains = target.get("domains") or ()
    own = tuple(str(domain).strip().lower() for domain in ([domains] if isinstance(domains, str) else domains))
    asked = PushTarget("", "", own, (), wildcards=target.get("wildcards") in (True, "true", "yes", "on", 1))
    return bool(matched_domains(asked, wanted))


def group_targets(
    hosts: t.Mapping[str, t.Mapping[str, t.Any]], defaults: t.Mapping[str, t.Any]
) -> list[dict[str, t.Any]]:
    """Targets of the hosts of a group. hosts: name -> their variables and facts that count (see _own); defaults: of the
    option targets. What is wrong with them PusherPlan says. Raises ValueError for a name that is not the inventory's:
    by it a host has its place in the queue."""
    if "name" in defaults:
        raise ValueError(f"{_PREFIX}target_defaults: a name is not for all hosts. Each has that of the inventory.")
    targets = [{"name": name, **_own(name, known), **defaults, **_said(known)} for name, known in hosts.items()]
    for name, target in zip(hosts, targets):
        if target["name"] != name:
            raise ValueError(
                f"{_PREFIX}target of {name}: its name is that of the inventory. Take the other one out, or write"
                f" {_PREFIX}targets."
            )
    return targets


def _own(name: str, known: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What the inventory and the role certificate_receiver say of a host anyhow."""
    own: dict[str, t.Any] = {"address": str(known.get("ansible_host") or name)}
    if known.get("certificate_receiver_user"):
        own["user"] = str(known["certificate_receiver_user"])
    if known.get("certificate_receiver_sshd") == "own":
        own["port"] = known.get("certificate_receiver_port") or 2222
    elif known.get("ansible_port"):
        own["port"] = known["ansible_port"]
    if known.get("certificate_receiver_sshd") == "own":  # whose key is no fact
        return own
    return {**own, "host_key": [f"{kind} {_fact(known, kind)}" for kind in _HOST_KEYS if _fact(known, kind)]}


def _said(known: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    said = known.get(f"{_PREFIX}target")
    return {str(option): value for option, value in said.items()} if isinstance(said, t.Mapping) else {}


#: Type of a key -> how it is called in the facts that Ansible gathers.
_HOST_KEYS: t.Final = {
    "ssh-ed25519": "ed25519",
    "ecdsa-sha2-nistp256": "ecdsa",
    "ssh-rsa": "rsa",
}


def _fact(known: t.Mapping[str, t.Any], kind: str) -> str:
    facts = known.get("ansible_facts")
    if not isinstance(facts, t.Mapping):
        return ""
    name = f"ssh_host_key_{_HOST_KEYS[kind]}_public"
    if facts.get(f"{name}_keytype", kind) != kind:
        return ""
    return str(facts.get(name) or "")


#: What of a host's variables is looked at.
KNOWN_OF_HOSTS: t.Final = (
    f"{_PREFIX}target",
    "certificate_receiver_user",
    "certificate_receiver_sshd",
    "certificate_receiver_port",
    "ansible_host",
    "ansible_port",
    "ansible_facts",
)
