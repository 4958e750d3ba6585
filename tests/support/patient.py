# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A healthy host for the doctor, whose options and parts a test then spoils."""

from __future__ import annotations

import contextlib
import typing as t

from . import pki
from .aws_faults import AwsFaults
from .fork_server import ModuleServer
from .haproxy import HaproxyInstance
from .moto import MotoServer


class Patient:
    """A healthy host, and what the doctor says about it when some options are others."""

    def __init__(
        self, modules: ModuleServer, faults: AwsFaults, haproxy: HaproxyInstance, authority: pki.CertificateAuthority
    ) -> None:
        self.modules = modules
        self.faults = faults
        self.haproxy = haproxy
        self.authority = authority
        self.certificates: dict[str, str] = {}
        self.options: dict[str, t.Any] = {
            "names": ["web/a", "web/b"],
            "path": str(haproxy.certs_dir),
            "socket": haproxy.socket,
            "reload_methods": ["master"],
            "master_socket": haproxy.master_socket,
            "binary": haproxy.binary,
            "config": [str(haproxy.config_path)],
            "timeout": 5,
        }

    def checks(self, *, unset: str = " ", **changed: t.Any) -> dict[str, dict[str, t.Any]]:
        """Check -> its result. The run never fails, and what it says of itself is true.

        unset: variables of the environment with this in their names are not there.
        """
        env = {name: value for name, value in self.faults.env.items() if unset not in name}
        run = self.modules.run("rotation_doctor_info", {**self.options, **changed}, env=env)
        assert not run.failed, run.output
        assert not run.result["changed"]
        checks = run.result["checks"]
        assert run.result["ok"] == all(check["severity"] != "error" for check in checks)
        assert all(check["message"] for check in checks)
        assert {check["ok"] for check in checks if check["severity"] == "ok"} <= {True}
        return {check["check"]: check for check in checks}

    def ailments(self, **changed: t.Any) -> dict[str, tuple[str, str]]:
        """Check -> severity and message, of those that are not well."""
        found = self.checks(**changed)
        return {name: (check["severity"], check["message"]) for name, check in found.items() if not check["ok"]}

    def only_ailment(self, **changed: t.Any) -> tuple[str, str, str]:
        """Check, severity and message: one fault, one finding, and all else is looked at."""
        found = self.ailments(**changed)
        assert len(found) == 1, found
        ((check, (severity, message)),) = found.items()
        return check, severity, message


@contextlib.contextmanager
def healthy_host(
    modules: ModuleServer, aws: MotoServer, faults: AwsFaults, authority: pki.CertificateAuthority
) -> t.Iterator[Patient]:
    """Two secrets, and a HAProxy that has the first of them."""
    issued = {name: authority.issue(f"{name}.example.com") for name in ("a", "b")}
    for name, certificate in issued.items():
        aws.put_secret(f"web/{name}", certificate.secret_document(), {"Environment": "production"})
    with HaproxyInstance({"web_a.pem": issued["a"].combined_pem}) as haproxy:
        made = Patient(modules, faults, haproxy, authority)
        made.certificates["web_a.pem"] = issued["a"].combined_pem
        yield made
