#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: push_renewal
short_description: Run certbot, or another program that renews certificates, when it is time
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Runs a program every so many minutes, hours, days or weeks, or on a weekday. Called more often than that, it looks
    when the program was run last, and does nothing until it is time again.
  - What is counted are days, weeks from Monday, hours and minutes of the clock, so that a run that was late does not
    shift those after it. Systemd or cron call it at the right time of day, by the role
    P(certops.rotation.certificate_push#role).
  - The program gets a time limit. When it fails, so does the task, with its output.
options:
  renew_exec:
    description: The program, as a path or a name that is looked for in C(PATH). No shell is involved.
    type: str
    default: certbot
  renew_args:
    description: Its arguments.
    type: list
    elements: str
    default: [renew]
  renew_every:
    description: How many of O(renew_unit) lie between two runs. For a weekday it is V(1).
    type: int
    default: 1
  renew_unit:
    description: V(minute), V(hour), V(day), V(week), or a weekday such as V(monday).
    type: str
    default: day
  renew_at:
    description:
      - The time of day, C(HH:MM), in quotes; for hours the minute, C(:MM).
      - This module does not wait for it. It is for whatever calls the module; only for hours its minute counts here.
    type: str
    default: ""
  renew_timeout:
    description: Seconds after which the program is ended, and counts as failed.
    type: int
    default: 3600
  stamp:
    description: A file that remembers when the program was begun last, however it ended.
    type: path
    default: /var/lib/certops-push.last-renewal
  force:
    description: Whether to run it even though it is not time.
    type: bool
    default: false
extends_documentation_fragment:
  - certops.rotation.attributes
attributes:
  check_mode:
    support: full
    details:
      - Tells whether the program would be run.
  idempotent:
    support: partial
    details:
      - Where the schedule is exact for systemd and cron, such as every day, each call is a run.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
seealso:
  - module: certops.rotation.push_queue
  - module: certops.rotation.certificate_push
"""

EXAMPLES = r"""
- name: Every second day, called daily
  certops.rotation.push_renewal:
    renew_every: 2
    renew_unit: day

- name: Another program, now
  certops.rotation.push_renewal:
    renew_exec: /usr/local/bin/renew-all
    renew_args: [--quiet]
    renew_timeout: 600
    force: true
"""

RETURN = r"""
ran:
  description: Whether the program was run, or would be in check mode.
  returned: always
  type: bool
exit_code:
  description: Its exit code. Null when it was not run.
  returned: always
  type: int
output:
  description: The end of what it printed, standard error included. Not when a private key is in it.
  returned: always
  type: str
last:
  description: When it was run before, ISO 8601 in UTC. Null for never.
  returned: always
  type: str
  sample: "2027-01-31T12:00:00Z"
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.push_renewal import ARGUMENT_SPEC, run


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
