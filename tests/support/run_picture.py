# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The picture of a run in the README: what a real one prints, as SVG. It shows the same whenever it is made."""

from __future__ import annotations

import html
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from . import pki, rotation
from .moto import MotoServer

COMMAND = "ansible-playbook certops.rotation.rotate -i inventory.yml --diff"
_FROM, _TO = "TASK [certops.rotation.haproxy_certificates : Rotate certificates]", "\nTASK "
_WIDTH, _ASIDE, _LINE = 8.43, 20, 19  # pixels: of a character, around all, from line to line
_LONGEST = 118  # characters of a line
_SPACE = "\u00a0"  # of which several are shown as several
_COLOURS = {"+": "#7fcb9b", "-": "#ff938a", "$": "#ffffff", "c": "#e5c07b"}
# What differs from run to run, and what is shown instead, in order.
_SHOWN = {
    r"[0-9a-f]{64}": ["b4e1c09a...", "7d02f3b5..."],
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}": ["eefcce9e..."],
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ": ["2027-04-14T00:00:00Z", "2027-01-14T00:00:00Z"],
    r"/tmp/hap\w+/certs": ["/etc/haproxy/certs"],
}


def picture(aws: MotoServer) -> str:
    """The SVG. AssertionError when the run shows something else than it is to show."""
    return _drawn([f"$ {COMMAND}", *_told(aws).splitlines()])


def _told(aws: MotoServer) -> str:
    """Of a run that meets one renewed certificate, one that is refused, and one that is as it was."""
    with rotation.scene(aws) as scene, tempfile.TemporaryDirectory() as folder:
        scene.store("api")
        scene.store("www")
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"haproxy": {"hosts": {"lb1": {}}, "vars": {**here, **scene.variables}}}
        pathlib.Path(folder, "inventory.yml").write_text(json.dumps(inventory), encoding="utf-8")
        _run(folder, aws)
        scene.store("www")
        scene.store("shop", private_key=pki.private_key_pem(pki.new_key()))
        text = _run(folder, aws)
    task = text.partition(_FROM)[2].partition("\n")[2].partition(_TO)[0].strip("\n")
    table = text.partition("\nROTATION *")[2].partition("\n")[2].strip("\n")
    assert task, text
    assert table, text
    lines = [line.rstrip() for line in f"{task}\n\n{table}".splitlines()]
    shown = "\n".join(line for line in lines if not line.startswith(("--- ", "+++ ", "@@ ")))
    for pattern, instead in _SHOWN.items():
        for found, name in zip(dict.fromkeys(re.findall(pattern, shown)), instead, strict=True):
            shown = shown.replace(found, name)
    return shown


def _run(folder: str, aws: MotoServer) -> str:
    program = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
    words = [program, *COMMAND.split()[1:]]
    environment = {**os.environ, **aws.env, "ANSIBLE_NOCOLOR": "1", "COLUMNS": "120"}
    ended = subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.stdout


def _drawn(lines: list[str]) -> str:
    lines = [line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}\u2026" for line in lines]
    width = round(2 * _ASIDE + _WIDTH * max(map(len, lines)))
    height = 2 * _ASIDE + _LINE * len(lines)
    texts = [
        f'<text x="{_ASIDE}" y="{_ASIDE + 14 + _LINE * number}" fill="{_COLOURS.get(line[:1], "#d5dade")}">'
        f"{html.escape(line, quote=False).replace(' ', _SPACE)}</text>"
        for number, line in enumerate(lines)
        if line
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14">'
    )
    title = "<title>A run: one certificate renewed and proven, one refused, one unchanged</title>"
    return "\n".join([head, title, '<rect width="100%" height="100%" rx="6" fill="#14181c"/>', *texts, "</svg>", ""])
