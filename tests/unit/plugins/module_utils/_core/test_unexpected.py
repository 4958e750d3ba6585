# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nobody expected is one certificate's refusal, without its text; the others go on."""

from __future__ import annotations

import datetime
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import (
    Discovery,
    SecretValue,
    SecretVersion,
    Selection,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.unexpected import (
    UnexpectedFailure,
    only_rotation_errors,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.activate import CertificateRun
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.installer import Installer
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.memory_items import MemoryItem
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.sync import CertificateSync, SyncReport
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.sync_options import SyncOptions
from ansible_collections.certops.rotation.plugins.module_utils._flows.stored_certificates import certificates_of
from ansible_collections.certops.rotation.plugins.module_utils._module.boundary import module_boundary
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.directory import (
    CertificateDirectory,
    DirectorySettings,
)
from ansible_collections.certops.rotation.tests.support import odd, pki
from ansible_collections.certops.rotation.tests.support.content import secret_verifier

NAMES = ("a", "b", "c")


class PanicException(BaseException):
    """As cryptography's Rust parts raise it."""


FAILURES = [ValueError("key"), OSError(24, "key"), MemoryError("key"), RecursionError("key"), PanicException("key")]


class Source:
    """Secrets by name."""

    def __init__(self, values: t.Mapping[str, str]) -> None:
        self._values = values

    def discover(self, _selection: Selection) -> Discovery:
        return Discovery(tuple(SecretVersion(name, f"arn:{name}", "1") for name in self._values))

    def read(self, secrets: t.Sequence[SecretVersion]) -> t.Iterator[SecretValue]:
        for secret in secrets:
            yield SecretValue(secret, self._values[secret.name])

    def answers(self, secrets: t.Sequence[SecretVersion]) -> t.Iterator[tuple[SecretVersion, SecretValue]]:
        return zip(secrets, self.read(secrets))


def sync(path: pathlib.Path, values: t.Mapping[str, str]) -> SyncReport:
    options = SyncOptions(Selection(), "haproxy", "rules", secret_verifier, on_invalid="skip")
    directory = CertificateDirectory(str(path), DirectorySettings(None))
    return CertificateSync(Source(values), directory, options, now=datetime.datetime.now(datetime.timezone.utc)).run()


@pytest.fixture(scope="module")
def good() -> dict[str, str]:
    root = pki.CertificateAuthority("Root")
    return {name: root.issue(f"{name}.example.com").secret_string() for name in NAMES}


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("step", ["verify", "put_aside", "publish"])
def test_one_that_fails_while_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, good: dict[str, str], step: str, failure: BaseException
) -> None:
    """Whatever the policy for bad content: that is this host's failure."""
    install = getattr(Installer, step)

    def fail_for_b(self: Installer, what: t.Any) -> t.Any:
        if "b" in (getattr(what, "entry", None) or what.secret).name:
            raise failure
        return install(self, what)

    monkeypatch.setattr(Installer, step, fail_for_b)
    report = sync(tmp_path / "certs", good)
    assert {item["name"]: item["action"] for item in report.items} == {"a": "created", "b": "failed", "c": "created"}
    (problem,) = next(item["problems"] for item in report.items if item["name"] == "b")
    assert problem["code"] == "unexpected"
    assert f"Unexpected {type(failure).__name__} in fail_for_b" in problem["message"]
    assert "key'" not in problem["message"]
    assert len(report.failures) == 1
    monkeypatch.undo()
    again = sync(tmp_path / "certs", good)
    assert {item["name"]: item["action"] for item in again.items} == {
        "a": "unchanged",
        "b": "created",
        "c": "unchanged",
    }


def test_the_lookup_goes_on(good: dict[str, str]) -> None:
    """Each odd one between two good ones."""
    values = {**good, **{what: odd.secret(what) for what in odd.ODD if what not in odd.SERVABLE}, "z": good["a"]}
    warned: list[str] = []
    found = certificates_of(
        list(values),
        t.cast("t.Any", Source(values)),
        secret_verifier(),
        dict.fromkeys(("on_missing", "on_denied", "on_deleted", "on_invalid"), "warn"),
        warn=warned.append,
        mask=lambda _key: None,
        now=datetime.datetime.now(datetime.timezone.utc),
    )
    assert [item["name"] for item in found] == [*NAMES, "z"]
    assert len(warned) == len(values) - 4


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_haproxy_gets_the_others(monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    def fail_for_b(_self: CertificateRun, wanted: MemoryItem, _outcome: t.Any) -> None:
        if wanted.name == "b":
            raise failure

    class Marks:
        def save(self) -> None:
            raise failure

    class Memory:
        untold_marks = Marks()

        def list_names(self) -> tuple[None, list[str]]:
            return None, []

        def expect(self, names: t.Iterable[str]) -> None:
            list(names)

    monkeypatch.setattr(CertificateRun, "_apply_one", fail_for_b)
    run = CertificateRun(t.cast("t.Any", Memory()), "3.0", remove_stale_ocsp=False, check_mode=False)
    outcomes = run.apply([MemoryItem(name, "present", None, "", None, force=False) for name in NAMES])
    assert [(outcome.name, outcome.error_code) for outcome in outcomes] == [
        ("a", None),
        ("b", "unexpected"),
        ("c", None),
    ]
    assert "withheld" in str(outcomes[1].message)


class Failed(BaseException):
    """As fail_json ends a module."""


class Module:
    def fail_json(self, msg: str, **_more: t.Any) -> t.NoReturn:
        raise Failed(msg)


def test_a_panic_does_not_print_its_text() -> None:
    told = r"Unexpected PanicException in .* Its text is withheld"
    with pytest.raises(Failed, match=told), module_boundary(Module()):
        raise PanicException("key")


@pytest.mark.parametrize("wish", [KeyboardInterrupt(), SystemExit(0), GeneratorExit(), Failed("enough")])
def test_the_end_of_the_process_is_no_failure(wish: BaseException) -> None:
    with pytest.raises(type(wish)), only_rotation_errors():
        raise wish


def test_a_deep_recursion_is_told_in_a_line() -> None:
    def deeper(level: int) -> int:
        return deeper(level + 1)

    with pytest.raises(UnexpectedFailure) as failure, only_rotation_errors():
        deeper(0)
    assert len(failure.value.message) < 1000
