# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether OpenSSL loads many certificates, asked by a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl import loading
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.loading import LoadingCheck
from ansible_collections.certops.rotation.tests.support import odd, pki
from ansible_collections.certops.rotation.tests.support.content import secret_verifier


def bundle_of(secret: str) -> CertificateBundle:
    bundle, problems = secret_verifier().verify(secret, at=pki.now(), load=False)
    assert bundle is not None, problems
    return bundle


@pytest.fixture(scope="module")
def bundles() -> list[CertificateBundle]:
    """Of all key types; each third one is one that OpenSSL does not load."""
    root = pki.CertificateAuthority("Root")
    types: t.Sequence[pki.KeyType] = ("ec", "rsa2048", "ed25519", "ec")
    good = [
        bundle_of(root.issue(f"{number}.example.com", key_type=kind).secret_string())
        for number, kind in enumerate(types)
    ]
    bad = bundle_of(odd.secret("time as a name"))
    return [good[0], good[1], bad, good[2], good[3], bad]


WANTED = [[], [], ["certificate_not_loadable"], [], [], ["certificate_not_loadable"]]


def codes(answer: t.Callable[[], list[t.Any]]) -> list[str]:
    return [problem.code for problem in answer()]


@pytest.mark.parametrize("expected", [1, 1000])
@pytest.mark.parametrize("order", [1, -1])
def test_each_gets_its_own_answer(bundles: list[CertificateBundle], expected: int, order: int) -> None:
    with contextlib.closing(LoadingCheck(expected)) as check:
        answers = [check.ask(bundle) for bundle in bundles]
        assert [codes(answer) for answer in answers[::order]] == WANTED[::order]


def test_more_than_a_pipe_holds(bundles: list[CertificateBundle]) -> None:
    """Questions wait for the process, and never the process for somebody who reads its answers."""
    with contextlib.closing(LoadingCheck(1000)) as check:
        answers = [check.ask(bundle) for _round in range(100) for bundle in bundles]
        assert [codes(answer) for answer in answers] == WANTED * 100


@pytest.mark.parametrize("asked", [0, 3, 6])
def test_a_process_that_ends_is_not_needed(bundles: list[CertificateBundle], asked: int) -> None:
    """Out of memory, for instance. Those that it has not answered for are asked here."""
    with contextlib.closing(LoadingCheck(1000)) as check:
        answers = [check.ask(bundle) for bundle in bundles[:asked]]
        process = check._process
        assert process is not None
        process.kill()
        process.wait()
        answers += [check.ask(bundle) for bundle in bundles[asked:]]
        assert [codes(answer) for answer in answers] == WANTED


@pytest.mark.parametrize("rounds", [1, 200])
def test_a_process_that_hangs_is_not_waited_for(
    bundles: list[CertificateBundle], monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    """Whether it does not answer, or does not even take what it is asked."""
    monkeypatch.setattr(loading, "LIMIT", 0.2)
    with contextlib.closing(LoadingCheck(1000)) as check:
        process = check._process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        answers = [check.ask(bundle) for _round in range(rounds) for bundle in bundles]
        assert [codes(answer) for answer in answers] == WANTED * rounds
        assert process.returncode == -signal.SIGKILL


def test_where_there_can_be_no_process(bundles: list[CertificateBundle], monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_command: t.Any, **_options: t.Any) -> t.NoReturn:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(loading.subprocess, "Popen", none)
    with contextlib.closing(LoadingCheck(1000)) as check:
        assert [codes(check.ask(bundle)) for bundle in bundles] == WANTED


def test_no_content_is_among_its_arguments(bundles: list[CertificateBundle]) -> None:
    with contextlib.closing(LoadingCheck(1000)) as check:
        check.ask(bundles[0])()
        assert check._process is not None
        assert "-----BEGIN" not in " ".join(map(str, check._process.args))


def test_the_process_has_a_session_of_its_own() -> None:
    """A terminal asks all processes of its session to end."""
    with contextlib.closing(LoadingCheck(expected=1000)) as check:
        process = check._process
        assert process is not None
        assert os.getsid(process.pid) == process.pid
