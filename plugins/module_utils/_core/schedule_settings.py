# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the role rotation_schedule. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The role's variables, without its prefix. What each of them is stands in its argument specification."""

    name: str
    scheduler: str
    repository: str
    version: str
    verify_commit: bool
    playbook: str
    inventory: str
    variables: dict[str, t.Any]
    options: list[str]
    environment: dict[str, t.Any]
    verbosity: int
    timeout: int
    retries: int
    retry_delay: int
    on_failure: str
    interval: int
    on_calendar: str
    cron: str
    at_start: bool
    random_delay: int
    watch: list[str]
    watch_delay: int
    wake: str
    check: list[str]
    events: str
    events_aws: dict[str, t.Any]
    events_gap: int
    events_spread: int
    boot: str
    boot_timeout: int
    python: str
    virtualenv: str
    requirements: list[str]
    pip_options: list[str]
    collections: list[str]
    collections_path: str
    galaxy_options: list[str]
    hardening: bool
    writable: list[str]
    service_options: list[str]
