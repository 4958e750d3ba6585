# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page *Getting started*, run with its own text: stored, served, beside certbot, without the internet."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t
import zipfile

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import documented, lineages, pki, rotation
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer

PAGE = "getting-started.md"
COMMANDS = documented.commands(PAGE)
FILES = documented.files(PAGE)
# In place of the AWS CLI, as far as the page needs it. moto is where the environment says.
AWS = """#!{python}
import sys, boto3
words = iter(sys.argv[1:])
assert (next(words), next(words)) == ("secretsmanager", "create-secret")
given = dict(zip(words, words))
tags = [dict(pair.split("=") for pair in given["--tags"].split(","))]
text = open(given["--secret-string"].removeprefix("file://")).read()
boto3.client("secretsmanager").create_secret(Name=given["--name"], SecretString=text, Tags=tags)
"""


def block(*words: str) -> str:
    """The one block of commands with all of these words."""
    (found,) = [block for block in COMMANDS if all(word in block for word in words)]
    return found


def run(script: str, folder: pathlib.Path, env: t.Mapping[str, str]) -> str:
    ended = documented.shell(
        script, folder, {"ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"], **env}
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def adapted(text: str, haproxy: HaproxyInstance) -> str:
    """With the places of this test. What the tests run as need not become root for them."""
    places = {
        "/etc/haproxy/certs": str(haproxy.certs_dir),
        "/run/haproxy/admin.sock": haproxy.socket,
        "/opt/certops/bin/python": sys.executable,
        "become: true": "become: false",
    }
    for place, here in places.items():
        assert place in text, place
        text = text.replace(place, here)
    return text


@pytest.fixture
def scene(aws: MotoServer, tmp_path: pathlib.Path) -> t.Iterator[rotation.Scene]:
    """A HAProxy with the page's placeholder and nothing else."""
    run(block("openssl req"), tmp_path, {})
    placeholder = (tmp_path / "00-placeholder.pem").read_text()
    authority = pki.CertificateAuthority("Intermediate", parent=pki.CertificateAuthority())
    with HaproxyInstance({"00-placeholder.pem": placeholder}) as haproxy:
        yield rotation.Scene(aws, haproxy, authority)


def served(haproxy: HaproxyInstance, name: str) -> str:
    """Fingerprint of what a handshake for this name gets."""
    return hashlib.sha256(haproxy.served_leaf(name)).hexdigest()


def put(folder: pathlib.Path, issued: pki.IssuedCertificate) -> None:
    (folder / "cert.pem").write_text(issued.certificate_pem)
    (folder / "chain.pem").write_text(issued.chain_pem)
    (folder / "privkey.pem").write_text(issued.private_key_pem)


def test_what_is_stored_is_served(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    """By the task, and by the AWS CLI with jq."""
    haproxy, env = scene.haproxy, scene.aws.env
    www, api = scene.authority.issue("www.example.com"), scene.authority.issue("api.example.com")
    (tmp_path / "store.yml").write_text(FILES["store.yml"])
    put(tmp_path, www)
    store = block("ansible-playbook store.yml")
    assert "changed=1 " in run(store, tmp_path, env)
    assert "changed=0 " in run(store, tmp_path, env)
    command = tmp_path / "bin" / "aws"
    command.parent.mkdir()
    command.write_text(AWS.format(python=sys.executable))
    command.chmod(0o700)
    put(tmp_path, api)
    run(f"PATH={command.parent}:$PATH\n{block('aws secretsmanager')}", tmp_path, {**env, "AWS_DEFAULT_REGION": REGION})
    assert not (tmp_path / "secret.json").exists()

    inventory = yaml.safe_load(FILES["inventory.yml"].replace("/opt/certops/bin/python", sys.executable))
    host = inventory["haproxy"]["hosts"]["localhost"]
    assert host.pop("ansible_become") is True
    places = {**scene.variables}
    del places["haproxy_certificates_name_prefix"]
    host |= places
    (tmp_path / "inventory.yml").write_text(json.dumps(inventory))
    look, rotate, _end = block("rotate", "--check").split("\n")
    assert "changed=1 " in run(look, tmp_path, env)
    assert served(haproxy, "www.example.com") == served(haproxy, "placeholder.invalid")
    assert "changed=1 " in run(rotate, tmp_path, env)
    for issued in (www, api):
        assert served(haproxy, *issued.names) == issued.fingerprint_sha256
    assert "changed=0 " in run(rotate, tmp_path, env)


def test_beside_certbot_without_aws(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    haproxy = scene.haproxy
    certbot = lineages.CertbotSteps(tmp_path / "letsencrypt")
    text = adapted(FILES["certbot.yml"], haproxy).replace("/etc/letsencrypt", str(tmp_path / "letsencrypt"))
    playbook = yaml.safe_load(text)
    proof = playbook[0]["tasks"][-1]["certops.rotation.certificate_proof_info"]
    proof["config"] = [str(haproxy.config_path)]  # its default is HAProxy's usual one
    (tmp_path / "certbot.yml").write_text(json.dumps(playbook))
    bring = block("ansible-playbook certbot.yml")
    for _renewal in range(2):
        issued = scene.authority.issue("www.example.com")
        certbot.issue("www.example.com", issued)
        assert "changed=2 " in run(bring, tmp_path, {})
        assert served(haproxy, "www.example.com") == issued.fingerprint_sha256
    assert "changed=0 " in run(bring, tmp_path, {})


def wheel(folder: pathlib.Path, requirement: str, program: str = "") -> None:
    """A package by the name of a real one, with the version that is asked for. program: of its command."""
    name, _separator, version = requirement.partition(">=")
    module, version = name.replace("-", "_"), version or "1"
    info = f"{module}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
        if program:
            script = zipfile.ZipInfo(f"{module}-{version}.data/scripts/{program}")
            script.external_attr = 0o100755 << 16
            archive.writestr(script, documented_program(program))


def documented_program(program: str) -> str:
    """What starts the real one."""
    return f'#!/bin/sh\nexec "{pathlib.Path(sys.executable).with_name(program)}" "$@"\n'


def collection(folder: pathlib.Path, name: str, version: str) -> str:
    """The name of the tarball of an empty one."""
    made = folder / name
    made.mkdir(parents=True)
    namespace, short = name.split(".")
    metadata = {"namespace": namespace, "name": short, "version": version, "readme": "README.md", "authors": ["x"]}
    (made / "galaxy.yml").write_text(json.dumps(metadata))
    (made / "README.md").write_text("x\n")
    galaxy = pathlib.Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run(
        [galaxy, "collection", "build", "--output-path", folder], cwd=made, check=True, capture_output=True, timeout=60
    )
    return f"{namespace}-{short}-{version}.tar.gz"


def test_built_and_installed_without_the_internet(tmp_path: pathlib.Path) -> None:
    """The tarball by make, with ansible-galaxy and nothing else of Python; then what was brought over is enough."""
    tree, bare = tmp_path / "checkout", tmp_path / "bin"
    skipped = shutil.ignore_patterns(".*", "__pycache__", "tests", "*.tar.gz")
    shutil.copytree(documented.ROOT, tree, ignore=skipped)
    bare.mkdir()
    program = bare / "ansible-galaxy"
    program.write_text(documented_program("ansible-galaxy"))
    program.chmod(0o700)
    build, _install, _end = block("make build").split("\n")
    made = documented.shell(build, tree, {"PATH": f"{bare}:/usr/bin:/bin"})
    assert made.returncode == 0, made.stdout
    assert not (tree / ".dev").exists(), "the developers' setup was made"
    without = documented.shell(build, tree, {"PATH": "/usr/bin:/bin"})
    assert without.returncode
    assert "pip install ansible-core" in without.stdout

    # As ansible-galaxy and pip download them.
    offline = tmp_path / "offline"
    (offline / "wheels").mkdir(parents=True)
    download, install = block("collection download"), block("--no-index")
    (tarball,) = tree.glob("certops-rotation-*.tar.gz")
    (offline / "collections").mkdir()
    shutil.copy(tarball, offline / "collections")
    needed = yaml.safe_load((documented.ROOT / "galaxy.yml").read_text())["dependencies"]
    brought = [collection(offline / "collections", name, version[2:]) for name, version in needed.items()]
    entries = [{"name": name, "version": name.split("-")[-1].removesuffix(".tar.gz")} for name in brought]
    entries.append({"name": tarball.name, "version": tarball.name.split("-")[-1].removesuffix(".tar.gz")})
    (offline / "collections" / "requirements.yml").write_text(json.dumps({"collections": entries}))
    (wanted,) = re.findall(r"pip download --dest wheels (.+)", download)
    assert f"--find-links wheels {wanted}\n" in install, "what is installed is what was downloaded"
    for requirement in wanted.replace("'", "").split():
        wheel(offline / "wheels", requirement, "ansible-galaxy" if requirement == "ansible-core" else "")

    target = tmp_path / "certops"
    installed = documented.shell(install.replace("/opt/certops", str(target)), offline, {})
    assert installed.returncode == 0, installed.stdout
    collections = offline / ".ansible" / "collections" / "ansible_collections"
    assert (collections / "certops/rotation/plugins/modules/haproxy_rotation.py").exists()
    assert {name for name in needed if (collections / name.replace(".", "/")).is_dir()} == set(needed)
