# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certificate directory that tests fill with certificate_sync, and what a reader such as HAProxy finds in it."""

from __future__ import annotations

import pathlib
import stat
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from .fork_server import ModuleServer
from .module import ModuleRun

TEMPORARY_MARK = ".certops-tmp."


class SyncTarget:
    """env: how AWS is reached; path: the directory, which need not exist."""

    def __init__(self, modules: ModuleServer, env: t.Mapping[str, str], path: pathlib.Path) -> None:
        self.modules = modules
        self.env = env
        self.path = path

    def sync(self, *, check: bool = False, env: t.Mapping[str, str] | None = None, **args: t.Any) -> ModuleRun:
        """Run certificate_sync, at -vvvv with --diff, every byte of its output searched for keys."""
        return self.modules.run(
            "certificate_sync", self.arguments(**args), check=check, env={**self.env, **(env or {})}
        )

    def module(self, name: str, *, check: bool = False, **args: t.Any) -> ModuleRun:
        """Run another module on the directory."""
        return self.modules.run(name, self.arguments(**args), check=check, env=self.env)

    def arguments(self, **args: t.Any) -> dict[str, t.Any]:
        return {"path": str(self.path), **args}

    def sync_four_times(self, **args: t.Any) -> list[ModuleRun]:
        """Check, run, check, run: the check says what the run does, and the second pair has nothing left to do."""
        before = self.snapshot()
        check_1 = self.sync(check=True, **args)
        assert self.snapshot() == before, "check mode has changed something"
        run_1 = self.sync(**args)
        after = self.snapshot()
        check_2 = self.sync(check=True, **args)
        run_2 = self.sync(**args)
        assert self.snapshot() == after, "the second run has changed something"
        runs = [check_1, run_1, check_2, run_2]
        assert [run.failed for run in runs] == [False] * 4, [run.result.get("msg") for run in runs]
        assert actions(check_1) == actions(run_1)
        assert check_1.result["changed"] == run_1.result["changed"]
        assert [run_2.result["changed"], check_2.result["changed"]] == [False, False]
        assert set(actions(run_2).values()) <= {"unchanged"}
        assert set(run_2.result["api_calls"]) <= {"ListSecrets", "DescribeSecret"}, "the second run has read a value"
        return runs

    def snapshot(self) -> dict[str, tuple[t.Any, ...]]:
        """Path -> mode, owner, link target or content of everything below the directory."""
        return {
            str(path.relative_to(self.path)): _describe(path)
            for path in [self.path, *self.path.rglob("*")]
            if path.exists() or path.is_symlink()
        }

    def live_files(self) -> dict[str, bytes]:
        """What a service reads: path below the directory -> content."""
        if not self.path.exists():
            return {}
        files = [path for path in sorted(self.path.iterdir()) if not path.name.startswith(".")]
        files += [path for directory in files if directory.is_dir() for path in sorted(directory.iterdir())]
        return {str(path.relative_to(self.path)): path.read_bytes() for path in files if path.is_file()}

    def fingerprints(self) -> dict[str, str]:
        """Of the leaves of the layout haproxy, each proven to be whole and to hold the leaf's own key."""
        return {name: assert_loadable(content) for name, content in self.live_files().items()}

    def temporaries(self) -> list[str]:
        return [str(path) for path in self.path.rglob(f"{TEMPORARY_MARK}*")]


def _describe(path: pathlib.Path) -> tuple[t.Any, ...]:
    status = path.lstat()
    content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return oct(stat.S_IMODE(status.st_mode)), status.st_uid, status.st_gid, content


def assert_loadable(content: bytes) -> str:
    """What HAProxy asks of a combined PEM. Returns the leaf's fingerprint."""
    certificates = x509.load_pem_x509_certificates(content)
    key = serialization.load_pem_private_key(content[content.index(b"-----BEGIN PRIVATE KEY") :], None)
    assert key.public_key() == certificates[0].public_key(), "the key is not the leaf's"
    return certificates[0].fingerprint(hashes.SHA256()).hex()


def actions(run: ModuleRun) -> dict[str, str]:
    """Name -> action, of each certificate in the result."""
    return {item["name"]: item["action"] for item in run.result["certificates"]}


def problem_codes(run: ModuleRun) -> dict[str, list[str]]:
    """Name -> codes of its problems, of each certificate that has any."""
    items = run.result["certificates"]
    return {item["name"]: [each["code"] for each in item["problems"]] for item in items if item["problems"]}


def warnings(run: ModuleRun) -> str:
    """All warnings of a run as one text, whatever form this version of ansible-core gives them."""
    return str(run.result.get("warnings", []))
