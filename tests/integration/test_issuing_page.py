# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/issuing.md as a reader follows it: each of its commands, in order, with its files, against real ACME servers.

Only the addresses of authorities are others, each with the file that its HTTPS is verified with.
"""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import re
import sys
import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import documented, pki, rotation
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from ansible_collections.certops.rotation.tests.support.role_issue import IssueScene
from cryptography.hazmat.primitives.asymmetric import rsa

PAGE = "issuing.md"
COMMANDS = documented.commands(PAGE)
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
PRODUCTION = "https://acme-v02.api.letsencrypt.org/directory"
SECOND = "https://acme.zerossl.com/v2/DV90"
COLLECTIONS = {"ANSIBLE_COLLECTIONS_PATH": str(documented.ROOT / ".dev" / "collections"), "ANSIBLE_NOCOLOR": "true"}
ISSUE = "ansible-playbook certops.rotation.issue -i inventory.yml"
EAB = ("kid-1", base64.urlsafe_b64encode(b"0" * 32).decode().rstrip("="))


class Reader:
    """Who follows the page, in a directory with its files."""

    def __init__(self, scene: IssueScene, directory: pathlib.Path, authorities: t.Mapping[str, Pebble]) -> None:
        self.scene = scene
        self.directory = directory
        self.authorities = authorities
        self._done: list[str] = []
        for name, content in documented.files(PAGE).items():
            (directory / name).write_text(self.adapted(content))
        (directory / "group_vars").mkdir()
        around = {"acme_certificates_nameservers": scene.aws.nameservers}
        (directory / "group_vars" / "all.yml").write_text(yaml.safe_dump(around))

    def adapted(self, text: str) -> str:
        text = text.replace("/usr/local/bin/", f"{documented.ROOT}/examples/dns/").replace(
            "/var/lib/dns", str(self.directory)
        )
        for url, pebble in self.authorities.items():
            text = re.sub(
                rf"^( +)(- )?directory: {re.escape(url)}$",
                rf"\1\2directory: {pebble.directory_url}\n\1  ca_bundle: {pebble.ca_bundle}",
                text,
                flags=re.MULTILINE,
            )
            text = text.replace(f"directory={url}", f"directory={pebble.directory_url} ca_bundle={pebble.ca_bundle}")
        return text

    def follow(self, beginning: str, code: int = 0, **env: str) -> str:
        """The next block of commands, which has to begin so. What it prints."""
        block = COMMANDS[len(self._done)]
        assert block.startswith(beginning), f"{beginning} is to come, and there is: {block}"
        self._done.append(block)
        ended = documented.shell(self.adapted(block), self.directory, {**COLLECTIONS, **self.scene.aws.env, **env})
        assert ended.returncode == code, f"$ {block}\n{ended.stdout}"
        return ended.stdout

    def skip(self, beginning: str) -> None:
        """A block that is no command."""
        assert COMMANDS[len(self._done)].startswith(beginning)
        self._done.append(COMMANDS[len(self._done)])

    @property
    def has_read_all(self) -> bool:
        return self._done == COMMANDS

    def issuers(self) -> dict[str, str]:
        """Name -> common name of the issuer of each certificate."""
        return {name: self.scene.leaf(name).issuer.rfc4514_string() for name in self.scene.names()}


def told(output: str) -> list[str]:
    """The sentences about certificates."""
    return re.findall(r'^ +"(.*?)",?$', output.partition("Tell what became")[2].partition("TASK [")[0], re.MULTILINE)


@pytest.fixture
def reader(aws_dns: AwsWithDns, tmp_path: pathlib.Path) -> t.Iterator[Reader]:
    dns = aws_dns.nameservers[0]
    with contextlib.ExitStack() as life:
        external = {"external_accounts": dict([EAB]), "external_account_required": True}
        authorities = {
            STAGING: life.enter_context(Pebble(dns)),
            PRODUCTION: life.enter_context(Pebble(dns)),
            SECOND: life.enter_context(Pebble(dns, **external)),
        }
        yield Reader(IssueScene(aws_dns, authorities[STAGING]), tmp_path, authorities)


def test_the_page(reader: Reader) -> None:
    scene, production = reader.scene, reader.authorities[PRODUCTION]
    reader.follow("pip install")
    assert "changed=1" in reader.follow("ansible-playbook domains.yml")

    both = reader.follow(f"{ISSUE} --check\n")
    assert scene.names() == ["wildcard.shop.example.com", "www.example.com"]
    assert both.count("PLAY RECAP") == 2
    assert len(told(both)) == 2
    staged = reader.issuers()
    assert told(reader.follow(f"{ISSUE}\n")) == []

    reader.follow(f"{ISSUE} -e @production.yml --check\n")
    produced = reader.issuers()
    assert all(produced[name] != issuer for name, issuer in staged.items())

    with HaproxyInstance({"default.pem": pki.self_signed("default.example.com").combined_pem}) as haproxy:
        rotated = rotation.Scene(scene.aws, haproxy, pki.CertificateAuthority())
        selection = {"haproxy_certificates_name_prefix": "", "haproxy_certificates_names": ["www.example.com"]}
        selection["haproxy_certificates_allow_changes"] = ["issuer_changed"]  # each start of Pebble is another CA
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts = {"hosts": {"lb1": {}}, "vars": {**local, **rotated.variables, **selection}}
        inventory = yaml.safe_load((reader.directory / "inventory.yml").read_text())
        inventory["acme"]["vars"].update(yaml.safe_load((reader.directory / "production.yml").read_text()))
        (reader.directory / "inventory.yml").write_text(yaml.safe_dump({**inventory, "haproxy": hosts}))
        reader.follow(f"{ISSUE} -e issue_rotate=true\n")
        assert rotated.served("www") == scene.fingerprint("www.example.com")
        after_haproxy(reader, rotated, production)
    assert reader.has_read_all


def after_haproxy(reader: Reader, rotated: rotation.Scene, production: Pebble) -> None:
    scene = reader.scene
    reader.skip("ansible-playbook certops.rotation.schedule")  # test_schedule_install.py follows it
    reader.follow(f"{ISSUE} -e domains=api.example.com")
    assert "api.example.com" in scene.names()
    reader.follow(f"{ISSUE} -e @production.yml -e @list.yml")
    assert isinstance(scene.leaf("shop").public_key(), rsa.RSAPublicKey)
    reader.follow(f"{ISSUE} -e @production.yml -e @stores.yml")
    assert {key.split("/")[1] for key in scene.objects()} == {"www.example.com", "shop.example.com"}

    reader.skip("_acme-challenge.www.example.com.  CNAME")
    reader.skip('zone "example.com" {')  # of a server's configuration
    key = {"key_name": "k", "algorithm": "hmac-sha256", "secret": "c2VjcmV0"}
    scene.aws.put_secret("certops/dns/example-com", json.dumps(key))
    reader.follow(f"{ISSUE} -e @rfc2136.yml --check")
    reader.skip("frontend http")  # test_http_01.py has the whole configuration
    by_http(reader, production)
    external = dict(zip(("EAB_KID", "EAB_HMAC_KEY"), EAB))
    reader.follow("umask 077", **external)
    assert not (reader.directory / "eab.json").exists()
    failover(reader, production)

    before = scene.fingerprint("www.example.com")
    drilled = reader.follow("ansible-playbook certops.rotation.reissue -i inventory.yml -e @production.yml --check")
    assert "to do, which the limits allow within 0.0 hours" in drilled
    assert scene.fingerprint("www.example.com") == before
    done = reader.follow("ansible-playbook certops.rotation.reissue -i inventory.yml -e @production.yml")
    assert re.search(r"proven +www.example.com +lb1", done), done
    assert rotated.served("www") == scene.fingerprint("www.example.com") != before


def by_http(reader: Reader, production: Pebble) -> None:
    """HAProxy answers with the thumbprint; the DNS is not written."""
    scene = reader.scene
    thumbprint = re.search(
        r'"thumbprint": "([\w-]+)"', reader.follow("ansible localhost -m certops.rotation.acme_account")
    )
    assert thumbprint
    snippet = next(block for block in COMMANDS if block.startswith("frontend http"))
    frontend = snippet.replace("THUMBPRINT", thumbprint[1]).replace(
        "bind :80", f"bind 127.0.0.1:{production.http_port}"
    )
    scene.aws.put_record(scene.zone, "http.example.com", "A", ["127.0.0.1"])
    changes = len(scene.aws.batches())
    with HaproxyInstance({"a.pem": pki.self_signed("a.example.com").combined_pem}) as haproxy:
        haproxy.write_config(frontend)
        assert haproxy.reload(), haproxy.log
        reader.follow(f"{ISSUE} -e @production.yml -e domains=http.example.com")
    assert "http.example.com" in scene.names()
    reader.skip("_validation-persist.www.example.com. IN TXT")
    assert len(scene.aws.batches()) == changes


def failover(reader: Reader, production: Pebble) -> None:
    """failover.yml: with the first authority down, the second one issues."""
    production.stop()
    reader.follow(f"{ISSUE} -e @failover.yml -e domains=second.example.com")
    production.start()
    assert reader.authorities[SECOND].counts()["certificates"] == 1
