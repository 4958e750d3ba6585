# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a role tells rotation_schedule is worked out once: Ansible does so again wherever that role names it, which took
much of an installation's time. A fact is shown by -v, so nothing of it is secret."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

ROLES = pathlib.Path(__file__).parents[3] / "roles"
# Whole variables of the scheduled play, a passphrase among them.
MAY_BE_SECRET = {"rotation_schedule_variables"}


def tasks(role: str) -> list[dict[str, t.Any]]:
    return list(yaml.safe_load((ROLES / role / "tasks" / "schedule.yml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("role", ["certificate_push", "certificate_receiver"])
def test_the_schedule_is_told_facts(role: str) -> None:
    schedules = [task["vars"] for task in tasks(role) if "ansible.builtin.include_role" in task]
    assert schedules
    dear = (f"__{role}_plan", f"__{role}_check", f"__{role}_writable", f"__{role}_variables")
    told = {name for given in schedules for name, value in given.items() if any(each in str(value) for each in dear)}
    assert told <= MAY_BE_SECRET


def test_no_secret_of_the_pusher_is_a_fact() -> None:
    variables = yaml.safe_load((ROLES / "certificate_push" / "vars" / "main.yml").read_text(encoding="utf-8"))
    kept = set(variables["__certificate_push_schedule_keys"])
    assert kept.isdisjoint({"passphrase", "of_a_run", "targets", "renew_args"})
    (fact,) = [
        task["ansible.builtin.set_fact"] for task in tasks("certificate_push") if "ansible.builtin.set_fact" in task
    ]
    assert "passphrase" not in str(fact)
    assert "selectattr('key', 'in', __certificate_push_schedule_keys)" in fact["__certificate_push_schedules"]
