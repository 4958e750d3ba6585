# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of a page of the documentation, and a shell that runs them as a reader would."""

from __future__ import annotations

import itertools
import os
import pathlib
import re
import subprocess
import sys
import typing as t

from . import packing, secrets_scan

ROOT = pathlib.Path(__file__).parents[2]


def commands(page: str) -> list[str]:
    """Each block of indented lines of docs/PAGE, in order, without the indentation."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = itertools.groupby(prose.splitlines(), lambda line: line.startswith("    "))
    return ["\n".join(line[4:] for line in block) + "\n" for is_code, block in lines if is_code]


def files(page: str) -> dict[str, str]:
    """The blocks of YAML of docs/PAGE that begin with a comment which names the file that they are: name -> content."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(r"^```yaml\n(# ([\w.-]+\.yml)\b.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return {name: content for content, name in found}


def shell(
    script: str, directory: pathlib.Path, env: t.Mapping[str, str], timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run it in bash, which ends at the first failure, with the programs of the tests. stdout: all that is printed.

    Nothing is downloaded: pip and ansible-galaxy have no server. AssertionError when a private key is printed.
    """
    ours = {
        "PATH": os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(directory),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_GALAXY_SERVER": "http://127.0.0.1:9",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        **packing.ENVIRONMENT,
    }
    ended = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=directory,
        env={**ours, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    secrets_scan.assert_no_private_key(ended.stdout)
    return ended


def build_collection(directory: pathlib.Path) -> pathlib.Path:
    """The tarball of this collection in a directory."""
    galaxy = pathlib.Path(sys.executable).with_name("ansible-galaxy")
    command = [galaxy, "collection", "build", "--output-path", directory]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (archive,) = directory.glob("certops-rotation-*.tar.gz")
    return archive
