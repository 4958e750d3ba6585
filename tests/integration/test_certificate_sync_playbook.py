# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules through ansible-playbook itself: arguments, defaults, diffs and output as users get them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget

pytestmark = pytest.mark.usefixtures("ansible_version")


class Play(t.NamedTuple):
    """returncode: of ansible-playbook; output: at -vvvv --diff."""

    returncode: int
    output: str


@pytest.fixture
def play(aws: MotoServer, tmp_path: pathlib.Path) -> t.Callable[..., Play]:
    """Runs tasks on this host, with credentials from the environment and the region from module_defaults alone."""

    def run(*tasks: dict[str, t.Any], check: bool = False) -> Play:
        playbook = tmp_path / "playbook.yml"
        content = {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "module_defaults": {"group/certops.rotation.aws": {"region": REGION, "endpoint_url": aws.endpoint_url}},
            "tasks": list(tasks),
        }
        playbook.write_text(json.dumps([content]))
        unset = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")
        env = {name: value for name, value in {**os.environ, **aws.env}.items() if name not in unset}
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", "-vvvv", "--diff"]
        process = subprocess.run(
            [*command, *(["--check"] if check else []), str(playbook)],
            capture_output=True,
            text=True,
            env={**env, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"},
            timeout=120,
            check=False,
        )
        output = process.stdout + process.stderr
        secrets_scan.assert_no_private_key(output)
        return Play(process.returncode, output)

    return run


def test_modules_in_a_play(
    aws: MotoServer, play: t.Callable[..., Play], target: SyncTarget, intermediate: CertificateAuthority
) -> None:
    certificate = intermediate.issue(["a.example.com"])
    aws.put_secret("web/a", certificate.secret_document(), tags={"Environment": "production"})
    aws.put_secret("web/b", certificate.pkcs12(b"horse"), tags={"Environment": "production"})
    sync = {
        "certops.rotation.certificate_sync": {
            "path": str(target.path),
            "tags": {"Environment": "production"},
            "passphrase": "horse",
            "mode": "0640",
        }
    }
    tasks = [
        sync,
        {"certops.rotation.rotation_record": {"path": str(target.path), "outcome": "proven"}},
        {"certops.rotation.certificate_rollback": {"path": str(target.path)}},
    ]
    # In check mode nothing is there to be recorded or rolled back.
    check = play(sync, check=True)
    assert "changed=1" in check.output, check.output
    assert not target.path.exists()
    first = play(*tasks)
    assert first.returncode == 0, first.output
    assert "ok=3    changed=2" in first.output
    assert certificate.fingerprint_sha256 in first.output
    second = play(*tasks)
    assert "ok=3    changed=0" in second.output, second.output
    assert target.live_files() == dict.fromkeys(["web_a.pem", "web_b.pem"], certificate.combined_pem.encode())
    for run in (check, first, second):
        assert "DEPRECATION" not in run.output
        assert "[WARNING]: web/" not in run.output


def test_failures_in_a_play_show_no_key(
    aws: MotoServer, play: t.Callable[..., Play], target: SyncTarget, intermediate: CertificateAuthority
) -> None:
    certificate = intermediate.issue(["a.example.com"])
    key = certificate.private_key_pem
    lines = key.splitlines()
    values: dict[str, t.Any] = {
        "truncated": certificate.secret_document(private_key="\n".join(lines[:-1])),
        "typing-error": certificate.secret_document(private_key=key.replace(lines[1][:4], "!!!!", 1)),
        "encrypted": certificate.secret_document(
            private_key=pki.private_key_pem(certificate.private_key, passphrase=b"x")
        ),
        "invalid-json": certificate.secret_string()[:-1] + ",",
        "key-as-certificate": certificate.secret_document(certificate=key),
        "key-as-domain": certificate.secret_document(domain_name=key),
        "bare-key-as-domain": certificate.secret_document(domain_name="".join(lines[1:-1])),
        "key-alone": key,
        "key-in-a-list": certificate.secret_document(private_key=[{"pem": key}]),
        "no-pem": certificate.secret_document(private_key="".join(lines[1:-2])),
        "container": certificate.pkcs12(b"right"),
    }
    for name, value in values.items():
        aws.put_secret(name, value)
    task = {"path": str(target.path), "names": list(values), "passphrase": "wrong horse"}
    for fields in ({}, {"certificate": "private_key"}, {"certificate": "length(private_key)"}):
        run = play({"certops.rotation.certificate_sync": {**task, "fields": fields}})
        assert run.returncode != 0
        for name in values:
            assert f"{name}: " in run.output
        for line in lines[1:-1]:
            assert line[:32] not in run.output.replace("\\n", "\n"), "a part of the key is in the output"
    assert target.live_files() == {}
