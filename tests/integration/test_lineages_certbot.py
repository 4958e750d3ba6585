# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lineages that certbot itself keeps, read while it renews them."""

from __future__ import annotations

import contextlib
import json
import pathlib
import signal
import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import LineageError
from ansible_collections.certops.rotation.plugins.module_utils._ports.lineages.certbot_live import CertbotLive
from ansible_collections.certops.rotation.tests.support.lineages import contents
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate

CERTBOT = pathlib.Path(__file__).parents[2] / ".dev" / "certbot" / "bin" / "python"
#: Keeps the issues that it is given, one after the other, as certbot does when a CA has sent them. killed: after so
#: many links of the last one.
PROGRAM = """
import json, os, sys, time
from certbot._internal import cli, storage
from certbot._internal.plugins import disco

root, killed, issues = sys.argv[1], int(sys.argv[2]), json.load(sys.stdin)
arguments = ["certonly", "--authenticator", "manual", "--config-dir", root]
arguments += ["--work-dir", f"{root}/work", "--logs-dir", f"{root}/logs"]
config = cli.prepare_and_parse_args(disco.PluginsRegistry.find_all(), arguments)
data = [{part: text.encode() if text else None for part, text in issue.items()} for issue in issues]
name = "example.com"
first = data.pop(0)
lineage = storage.RenewableCert.new_lineage(name, first["cert"], first["privkey"], first["chain"], config)
print("ready", flush=True)
update, links = lineage._update_link_to, 0

def dies(kind, version):
    global links
    if links == killed:
        os.kill(os.getpid(), 9)
    links += 1
    update(kind, version)

for number, issue in enumerate(data, start=1):
    lineage.save_successor(number, issue["cert"], issue["privkey"], issue["chain"], config)
    if killed and number == len(data):
        lineage._update_link_to = dies
    lineage.update_all_links_to(number + 1)
    time.sleep(0.01)
"""
INTERMEDIATE = CertificateAuthority("Test Intermediate", parent=CertificateAuthority())


@contextlib.contextmanager
def certbot(
    root: pathlib.Path, issues: t.Sequence[IssuedCertificate], *, reuse_key: bool = False, killed: int = 0
) -> t.Iterator[subprocess.Popen[str]]:
    """Running, with the first issue in place."""
    documents = [{part: content.decode() for part, content in contents(issued).items()} for issued in issues]
    for document in documents[1:] if reuse_key else ():
        document["privkey"] = ""
    command = [str(CERTBOT), "-c", PROGRAM, str(root), str(killed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(documents))
        process.stdin.close()
        assert process.stdout.readline() == "ready\n"
        yield process


@pytest.mark.parametrize("reuse_key", [False, True])
def test_each_reading_is_one_issue(tmp_path: pathlib.Path, reuse_key: bool) -> None:
    key = INTERMEDIATE.issue("example.com").private_key if reuse_key else None
    issues = [INTERMEDIATE.issue("example.com", key=key) for _number in range(60)]
    reader = CertbotLive(str(tmp_path / "live"), patience=30)
    read = []
    with certbot(tmp_path, issues, reuse_key=reuse_key) as process:
        while process.poll() is None:
            read.append(reader.read("example.com"))
        read.append(reader.read("example.com"))
        assert process.returncode == 0
    numbers = [lineage.number for lineage in read]
    assert numbers == sorted(numbers, key=lambda number: number or 0)
    assert numbers[-1] == len(issues)
    assert len(set(numbers)) > 5
    for lineage in read:
        assert lineage.number is not None
        assert lineage.parts == contents(issues[lineage.number - 1])
    assert reader.names() == ["example.com"]


@pytest.mark.parametrize("killed", [1, 2, 3])
def test_a_killed_certbot_is_told_and_stops_no_other_lineage(tmp_path: pathlib.Path, killed: int) -> None:
    issues = [INTERMEDIATE.issue("example.com") for _number in range(2)]
    with certbot(tmp_path, issues, killed=killed) as process:
        process.wait(timeout=60)
        assert process.returncode == -signal.SIGKILL
    reader = CertbotLive(str(tmp_path / "live"), patience=0.2)
    with pytest.raises(
        LineageError, match=r"^example\.com: its links lead to different issues \(.*cert 2.*\): certbot"
    ):
        reader.read("example.com")
    assert set(reader.read_all().failures) == {"example.com"}
