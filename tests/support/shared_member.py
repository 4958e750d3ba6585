# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_member on a host of a test's own: its directory, its calls, and what is in its files."""

from __future__ import annotations

import pathlib
import stat
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from . import secrets_scan
from .module import ModuleRun
from .shared_authority import SharedAuthority

NAMES = ["joblet", "localhost", "127.0.0.1"]


class Member:
    """One host. Keys are elliptic, for speed; Secrets Manager is used, unless a test says otherwise."""

    def __init__(self, shared: SharedAuthority, directory: pathlib.Path) -> None:
        self.shared = shared
        self.path = directory
        self.env: dict[str, str] = {}

    def run(self, *, check: bool = False, **args: t.Any) -> ModuleRun:
        defaults = {"prefix": self.shared.prefix, "path": str(self.path), "key_type": "ec", "server_names": NAMES}
        args = {**defaults, "use_secrets_manager": "true", **args}
        run = self.shared.modules.run("shared_ca_member", args, check=check, env={**self.shared.faults.env, **self.env})
        for file in self.path.rglob("*.pem"):
            text = file.read_text()
            if "PRIVATE KEY" in text:
                body = text[text.index("-----BEGIN PRIVATE KEY") :].splitlines()
                secrets_scan.register_private_key("\n".join(body[1:3]))
        secrets_scan.assert_no_private_key(run.output)
        return run

    def good(self, **args: t.Any) -> dict[str, t.Any]:
        run = self.run(**args)
        assert not run.failed, run.result["msg"]
        return run.result

    def four_times(self, changed: bool = True, **args: t.Any) -> dict[str, t.Any]:
        """Check, run, check, run. Returns the first run's result."""
        before = self.snapshot()
        check = self.run(check=True, **args)
        assert not check.failed, check.result["msg"]
        assert self.snapshot() == before, "check mode has changed something"
        run = self.good(**args)
        after = self.snapshot()
        rest = [self.run(check=True, **args), self.run(**args)]
        assert self.snapshot() == after, "the second run has changed something"
        results = [check.result, run, *(each.result for each in rest)]
        assert [result["changed"] for result in results] == [changed, changed, False, False]
        assert check.result["changed_files"] == run["changed_files"]
        if run["server"]:
            assert (check.result["server"]["action"], check.result["server"]["reason"]) == (
                run["server"]["action"],
                run["server"]["reason"],
            )
            assert rest[1].result["server"]["action"] == "unchanged"
        return run

    def snapshot(self) -> dict[str, tuple[str, int]]:
        """Path -> content and inode, of all that is there but the lock's directory."""
        return {
            str(file.relative_to(self.path)): (file.read_text(), file.stat().st_ino)
            for file in sorted(self.path.rglob("*"))
            if file.is_file() and ".certops" not in file.parts
        }

    def files(self) -> dict[str, str]:
        """Name -> permissions."""
        return {file.name: f"{stat.S_IMODE(file.stat().st_mode):04o}" for file in self.path.iterdir() if file.is_file()}

    def text(self, name: str) -> str:
        return (self.path / name).read_text()

    def certificate(self, name: str = "server.pem") -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.text(name).encode())

    def key(self, name: str = "server-key.pem") -> t.Any:
        return load_pem_private_key(self.text(name).encode(), None)

    def assert_whole(self) -> None:
        """The three files of the server are one pair, signed by the first authority in ca.pem."""
        certificate = self.certificate()
        assert certificate == self.certificate("server-cert.pem")
        assert self.text("server.pem") == self.text("server-cert.pem") + self.text("server-key.pem")
        assert self.key().public_key() == certificate.public_key()
        certificate.verify_directly_issued_by(self.certificate("ca.pem"))
