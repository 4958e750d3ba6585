# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of the shared authority against an emulated AWS, called and looked at as a test needs it."""

from __future__ import annotations

import typing as t

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from . import secrets_scan
from .aws_faults import AwsFaults
from .fork_server import ModuleServer
from .module import ModuleRun
from .moto import MotoServer

FIRST_FOUR = ["ca-cert", "ca-key", "client-cert", "client-key"]


class SharedAuthority:
    """Below one prefix. Keys are elliptic, for speed, unless a test says otherwise."""

    def __init__(self, modules: ModuleServer, faults: AwsFaults, aws: MotoServer, prefix: str = "joblet") -> None:
        self.modules = modules
        self.faults = faults
        self.prefix = prefix
        self.client = aws.client()

    def run(self, *, check: bool = False, **args: t.Any) -> ModuleRun:
        return self._run("shared_ca", {"key_type": "ec", **args}, check=check)

    def rotate(self, step: str, *, check: bool = False, **args: t.Any) -> ModuleRun:
        return self._run("shared_ca_rotation", {"step": step, **args}, check=check)

    def info(self, **args: t.Any) -> dict[str, t.Any]:
        run = self._run("shared_ca_info", args, check=False)
        assert not run.failed, run.result
        return run.result

    def good(self, **args: t.Any) -> dict[str, t.Any]:
        run = self.run(**args)
        assert not run.failed, run.result["msg"]
        return run.result

    def four_times(self, changed: bool, call: t.Callable[..., ModuleRun] | None = None, **args: t.Any) -> ModuleRun:
        """Check, run, check, run. Returns the first run."""
        call = call or self.run
        before = self.state()
        check = call(check=True, **args)
        assert self.state() == before, "check mode has changed something"
        run = call(**args)
        after = self.state()
        rest = [call(check=True, **args), call(**args)]
        assert self.state() == after, "the second run has changed something"
        runs = [check, run, *rest]
        assert [each.failed for each in runs] == [False] * 4, [each.result.get("msg") for each in runs]
        assert [each.result["changed"] for each in runs] == [changed, changed, False, False]
        assert check.result["items"] == run.result["items"]
        return run

    def state(self) -> dict[str, t.Any]:
        """All secrets with their versions, tags and so on, but not what reading changes."""
        found = {}
        for page in self.client.get_paginator("list_secrets").paginate(IncludePlannedDeletion=True):
            for secret in page["SecretList"]:
                described = self.client.describe_secret(SecretId=secret["ARN"])
                volatile = ("ResponseMetadata", "LastChangedDate", "LastAccessedDate")
                found[secret["Name"]] = {key: described[key] for key in described if key not in volatile}
        return found

    def versions(self) -> dict[str, int]:
        """Secret, without the prefix -> number of its versions."""
        return {
            name[len(self.prefix) + 1 :]: len(described["VersionIdsToStages"])
            for name, described in self.state().items()
        }

    def text(self, name: str, stage: str = "AWSCURRENT") -> str:
        reply = self.client.get_secret_value(SecretId=f"{self.prefix}/{name}", VersionStage=stage)
        text = str(reply["SecretString"])
        if name.startswith(("ca-key", "client-key")):
            # The last lines of an elliptic key are its public half, which certificates hold, too.
            secrets_scan.register_private_key("\n".join(text.splitlines()[:2]))
        return text

    def certificate(self, name: str, stage: str = "AWSCURRENT") -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.text(name, stage).encode())

    def assert_whole(self, *clients: str) -> None:
        """Keys match, and the authority has signed all. clients: suffixes, such as "-ci"."""
        authority = self.certificate("ca-cert")
        for name in ("ca", *(f"client{suffix}" for suffix in ("", *clients))):
            suffix = name[len("client") :] if name != "ca" else ""
            kind = "ca" if name == "ca" else "client"
            certificate = self.certificate(f"{kind}-cert{suffix}")
            key = load_pem_private_key(self.text(f"{kind}-key{suffix}").encode(), None)
            assert key.public_key() == certificate.public_key(), f"{name} is torn"
            certificate.verify_directly_issued_by(authority)

    def _run(self, module: str, args: t.Mapping[str, t.Any], *, check: bool) -> ModuleRun:
        return self.modules.run(module, {"prefix": self.prefix, **args}, check=check, env=self.faults.env)
