# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The units of rotation_schedule with odd paths, as a real systemd reads them."""

from __future__ import annotations

import pathlib
import typing as t

import jinja2
import pytest
import yaml
from ansible.plugins.filter.core import comment, quote
from ansible_collections.certops.rotation.plugins.filter._rotation_schedule import rotation_schedule
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost

ROLE = pathlib.Path(__file__).parents[2] / "roles/rotation_schedule"
# Tells what it was given, and writes where it may.
PROGRAM = """#!/bin/sh
{ printf '%s\\n' "$0" "$PYTHONPATH" "$@"; } >"$(dirname "$0")/../../told"
"""
RUN = """#!/bin/sh
touch '{}' && ! touch /etc/not-allowed 2>/dev/null
"""


@pytest.fixture(scope="module")
def host() -> t.Iterator[SystemdHost]:
    with SystemdHost() as booted:
        yield booted


def planned(**changed: t.Any) -> dict[str, t.Any]:
    """By the role's defaults; what follows from other variables is empty."""
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = {name.removeprefix("rotation_schedule_"): facts.get("default") for name, facts in options.items()}
    unset = {"random_delay": 0, "watch_delay": 0, "requirements": []}
    return rotation_schedule({**defaults, **unset, **changed}, True)


def rendered(plan: dict[str, t.Any], **programs: str) -> dict[str, str]:
    """Unit -> text, as the role writes it. programs: template -> where it goes."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"comment": comment, "quote": quote}
    facts = {"__rotation_schedule_plan": plan, "ansible_managed": "by a test"}
    wanted = plan["unit_templates"] | {path: f"{name}.j2" for name, path in programs.items()}
    return {unit: environment.get_template(src).render(facts) for unit, src in wanted.items()}


def test_odd_paths(host: SystemdHost) -> None:
    """White space, percent signs, dollars, semicolons and brackets: watched, written to, and run."""
    base = "/srv/50% of $HOME; (x) &"
    plan = planned(
        name="odd",
        watch=[f"{base}/watched", "/srv/plain"],
        writable=[f"{base}/written"],
        virtualenv=f"{base}/venv",
        collections_path=f"{base}/collections %i",
    )
    assert plan["problems"] == []
    host.run(
        "mkdir", "-p", *(f"{base}/{name}" for name in ("watched", "written", "venv/bin")), "/srv/plain", "/opt/odd"
    )
    for path, text in {
        f"{base}/venv/bin/python": PROGRAM,
        "/opt/odd/run": RUN.format(f"{base}/written/file"),
        "/opt/odd/watch-below": "#!/bin/sh\n",
    }.items():
        host.write(path, text)
        host.run("chmod", "755", path)
    for unit, text in rendered(plan).items():
        host.write(f"/etc/systemd/system/{unit}", text)
    units = [f"/etc/systemd/system/{unit}" for unit in plan["unit_templates"]]
    verified = host.run("systemd-analyze", "verify", "--man=no", *units, check=False)
    assert "odd" not in verified.stdout + verified.stderr, "nothing is wrong with these"

    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", "odd.service")
    assert host.run("ls", f"{base}/written").stdout == "file\n"

    # The confined program that compares may write nowhere, so that this one is told where.
    host.run("mkdir", "-p", "/etc/systemd/system/odd-check.service.d")
    host.write("/etc/systemd/system/odd-check.service.d/test.conf", "[Service]\nProtectSystem=no\n")
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", "odd-check.service")
    program, collections, check, *arguments = host.run("cat", f"{base}/told").stdout.splitlines()
    assert (program, check) == (f"{base}/venv/bin/python", "/opt/odd/check.py")
    assert collections == f"{base}/collections %i"
    assert arguments == ["--delay=0", "--unit=odd.service", "--", f"{base}/watched", "/srv/plain"]

    host.run("rm", f"{base}/told")
    host.run("systemctl", "start", "odd.path")
    host.run("touch", f"{base}/watched/a.pem")
    host.run("sh", "-c", 'for i in $(seq 200); do [ -e "$1" ] && exit 0; sleep 0.1; done; exit 1', "sh", f"{base}/told")


def test_odd_directories_below(host: SystemdHost) -> None:
    """Whoever may make directories there names them as he likes. One that fits no unit keeps none of the others out."""
    plan = planned(name="below", watch=["/srv/live"])
    good = ["plain", "50% of it", "with 'quotes' and \"more\"", "a;b $HOME"]
    host.run("mkdir", "-p", "/opt/below", *(f"/srv/live/{name}" for name in (*good, "p\\", "z", " led by white space")))
    for name, text in rendered(plan, **{"watch-below": "/opt/below/watch-below"}).items():
        path = name if name.startswith("/") else f"/etc/systemd/system/{name}"
        host.write(path, text)
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", "below.path")
    host.run("sh", "/opt/below/watch-below")
    host.run(
        "sh", "-c", "for i in $(seq 100); do systemctl --quiet is-active below.path && exit 0; sleep 0.1; done; exit 1"
    )
    watched = host.run("systemctl", "show", "--property=Paths", "below.path").stdout
    for name in (*good, "z"):
        assert f"Paths=/srv/live/{name} (PathChanged)" in watched.splitlines(), watched
