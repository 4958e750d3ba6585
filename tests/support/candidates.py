# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Candidates in an emulated AWS that moves labels as AWS does: staged, promoted and withdrawn by the modules."""

from __future__ import annotations

import typing as t

from .aws_faults import AwsFaults
from .fork_server import ModuleServer
from .module import ModuleRun
from .moto import MotoServer
from .pki import IssuedCertificate

LABEL = "CANDIDATE"


def on(version: str, label: str = LABEL) -> str:
    """The label that names the base of a candidate."""
    return f"{label}-ON-{version}"


class Candidates:
    """name: of the secret that is meant where no other one is named."""

    def __init__(self, modules: ModuleServer, faults: AwsFaults, aws: MotoServer, name: str = "web/a") -> None:
        self.modules = modules
        self.faults = faults
        self.aws = aws
        self.name = name

    def run(self, module: str, arguments: t.Mapping[str, t.Any], *, check: bool = False) -> ModuleRun:
        return self.modules.run(module, {**arguments}, check=check, env=self.faults.env)

    def store(
        self, issued: IssuedCertificate, name: str | None = None, *, check: bool = False, **options: t.Any
    ) -> ModuleRun:
        """By certificate_secret: as current unless told otherwise."""
        given = {
            "certificate": issued.certificate_pem,
            "certificate_chain": issued.chain_pem,
            "private_key": issued.private_key_pem,
        }
        return self.run("certificate_secret", {"name": name or self.name, **given, **options}, check=check)

    def stage(
        self, issued: IssuedCertificate, name: str | None = None, *, stage: str = LABEL, **options: t.Any
    ) -> ModuleRun:
        return self.store(issued, name, stage=stage, **options)

    def current(self, issued: IssuedCertificate, name: str | None = None) -> str:
        """Stored as current. Returns the version."""
        run = self.store(issued, name)
        assert not run.failed, run.result["msg"]
        return str(run.result["version_id"])

    def staged(self, issued: IssuedCertificate, name: str | None = None, **options: t.Any) -> str:
        """Staged. Returns the version."""
        run = self.stage(issued, name, **options)
        assert not run.failed, run.result["msg"]
        return str(run.result["version_id"])

    def labels(self, name: str | None = None) -> dict[str, list[str]]:
        """Version -> its labels, of those that have any."""
        versions = self.aws.client().describe_secret(SecretId=name or self.name)["VersionIdsToStages"]
        return {version: sorted(labels) for version, labels in versions.items() if labels}
