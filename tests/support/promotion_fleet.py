# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet of real HAProxys, some of them canaries, and the playbook promote: all is this machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import shutil
import sys
import tempfile
import types
import typing as t
import uuid

from . import pki
from .haproxy import HaproxyInstance
from .moto import MotoServer
from .playbook import PlaybookRun, run_playbook
from .ports import free_port

CANARIES = ("lb1", "lb2")
FLEET = (*CANARIES, "lb3")
LABEL = "CANDIDATE"


class PromotionFleet:
    """haproxy: by host. down: hosts to which nobody listens for Ansible. variables: more of the inventory.

    Secrets are web/NAME, with a certificate for NAME.example.com. See promotion_fleet.
    """

    def __init__(self, aws: MotoServer, directory: pathlib.Path) -> None:
        self.aws = aws
        self.secrets = aws.client()
        self.authority = pki.CertificateAuthority("Intermediate", parent=pki.CertificateAuthority())
        default = self.authority.issue("default.example.com").combined_pem
        self.haproxy = {host: HaproxyInstance({"default.pem": default}) for host in FLEET}
        self.directory = directory
        self.down: list[str] = []
        self.variables: dict[str, t.Any] = {}

    # What is stored

    def store(self, *names: str, **document: t.Any) -> dict[str, pki.IssuedCertificate]:
        """New certificates as the current versions of these secrets."""
        made = {name: self.authority.issue(f"{name}.example.com") for name in names}
        for name, issued in made.items():
            self.aws.put_secret(f"web/{name}", issued.secret_document(**document))
        return made

    def stage(
        self,
        name: str,
        issued: pki.IssuedCertificate | None = None,
        label: str = LABEL,
        *,
        based: bool = True,
        fields: t.Mapping[str, str] = types.MappingProxyType({}),
        **how: t.Any,
    ) -> pki.IssuedCertificate:
        """A new certificate as the candidate, as certificate_secret stages one. how: of the authority's issue.
        fields: other names of the document's."""
        issued = issued or self.authority.issue(f"{name}.example.com", **how)
        document = {fields.get(field, field): text for field, text in issued.secret_document().items()}
        base = [f"{label}-ON-{self.version(name)}"] if based else []
        self.secrets.put_secret_value(
            SecretId=f"web/{name}",
            SecretString=json.dumps(document),
            VersionStages=[label, *base],
            ClientRequestToken=str(uuid.uuid4()),
        )
        return issued

    def labels(self, name: str) -> dict[str, list[str]]:
        """Of each version of the secret web/NAME."""
        return dict(self.secrets.describe_secret(SecretId=f"web/{name}")["VersionIdsToStages"])

    def version(self, name: str, label: str = "AWSCURRENT") -> str | None:
        return next((version for version, labels in self.labels(name).items() if label in labels), None)

    def move(self, name: str, to: str | None, label: str = "AWSCURRENT") -> None:
        """A label from the version that has it to another one, or to none."""
        moved = {"MoveToVersionId": to} if to else {}
        self.secrets.update_secret_version_stage(
            SecretId=f"web/{name}", VersionStage=label, RemoveFromVersionId=self.version(name, label), **moved
        )

    def withdraw(self, name: str) -> None:
        self.move(name, None, LABEL)

    # What is done

    def promote(
        self,
        *,
        check: bool = False,
        canaries: t.Sequence[str] = CANARIES,
        limit: str | None = None,
        more: t.Mapping[str, t.Any] | None = None,
        **extra: t.Any,
    ) -> PlaybookRun:
        """extra: of the command line, without promotion_; more: with other names."""
        groups = {"haproxy_canaries": {"hosts": {host: {} for host in canaries}}}
        inventory = self.directory / f"canaries{uuid.uuid4()}.json"
        inventory.write_text(json.dumps(groups))
        told = {"soak": "0", "lag": "0", **extra}
        return run_playbook(
            self._variables(canaries),
            playbook="certops.rotation.promote",
            hosts=list(self.haproxy),
            env=self.aws.env,
            check=check,
            extra={**{f"promotion_{name}": value for name, value in told.items()}, **(more or {})},
            inventory=inventory,
            limit=limit,
        )

    def rotate(self, *hosts: str, canaries: t.Sequence[str] = CANARIES) -> PlaybookRun:
        """As these hosts do by themselves."""
        variables = self._variables(canaries)
        return run_playbook(
            variables,
            hosts=list(self.haproxy),
            env=self.aws.env,
            extra={"rotation_hosts": ",".join(hosts or FLEET), "rotation_batches": ["100%"]},
        )

    def inventory(self) -> dict[str, t.Any]:
        """Variables of all hosts, for an inventory of one's own."""
        return {"ansible_python_interpreter": sys.executable, **self._variables(CANARIES)}

    def _variables(self, canaries: t.Sequence[str]) -> dict[str, t.Any]:
        servers = {
            host: {
                "certs": str(made.certs_dir),
                "socket": made.socket,
                "master": made.master_socket,
                "config": [str(made.config_path)],
            }
            for host, made in self.haproxy.items()
        }
        here = "servers[inventory_hostname]"
        return {
            "servers": servers,
            "down": self.down,
            "canaries": list(canaries),
            "ansible_connection": "{{ 'ssh' if inventory_hostname in down else 'local' }}",
            "ansible_ssh_pipelining": False,
            "ansible_host": "127.0.0.1",
            "ansible_port": free_port(),
            "haproxy_certificates_labels": "{{ ['CANDIDATE'] * (inventory_hostname in canaries) + ['AWSCURRENT'] }}",
            "haproxy_certificates_name_prefix": "web/",
            "haproxy_certificates_path": f"{{{{ {here}.certs }}}}",
            "haproxy_certificates_socket": f"{{{{ {here}.socket }}}}",
            "haproxy_certificates_reload_methods": [],
            "haproxy_certificates_master_socket": f"{{{{ {here}.master }}}}",
            "haproxy_certificates_binary": next(iter(self.haproxy.values())).binary,
            "haproxy_certificates_config": f"{{{{ {here}.config }}}}",
            **self.variables,
        }

    def served(self, name: str) -> list[str]:
        """Fingerprints that new handshakes for NAME.example.com get, in the order of FLEET."""
        leaves = [made.served_leaf(f"{name}.example.com") for made in self.haproxy.values()]
        return [hashlib.sha256(leaf).hexdigest() for leaf in leaves]


@contextlib.contextmanager
def promotion_fleet(aws: MotoServer) -> t.Iterator[PromotionFleet]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="promotion", dir="/tmp"))
    fleet = PromotionFleet(aws, directory)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        for made in fleet.haproxy.values():
            stack.enter_context(made)
        yield fleet
