# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For all tests: the collection is importable in subprocesses; a test that is skipped or prints a private key fails."""

from __future__ import annotations

import collections
import os
import pathlib
import typing as t

import hypothesis
import hypothesis.configuration
import pytest
from ansible_collections.certops.rotation.tests.support import forking, packing
from ansible_collections.certops.rotation.tests.support.secrets_scan import private_key_findings

_DEV = pathlib.Path(__file__).parents[1] / ".dev"
_COLLECTIONS = _DEV / "collections"

# No deadline for an example: a busy machine is not a broken behaviour.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
hypothesis.configuration.set_hypothesis_home_dir(_DEV / "hypothesis")


def pytest_configure() -> None:
    """Let the modules and playbooks that tests start find this checkout, HAProxy, and what was packed already."""
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(_COLLECTIONS), *([inherited] if inherited else [])])
    os.environ.setdefault("ANSIBLE_COLLECTIONS_PATH", str(_COLLECTIONS))
    os.environ.update(packing.ENVIRONMENT)
    packing.forget_old()
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])  # haproxy on Debian


def pytest_unconfigure() -> None:
    forking.close_all()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """No PEM in a test's name: freshly made, it differs between xdist's workers; and it may be a key."""
    return argname if isinstance(val, (str, bytes)) and len(val) > 60 else None


_Report = t.TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


def _failed_instead_of_skipped(report: _Report) -> _Report:
    """A skipped test has proven nothing: whatever it lacks is the setup's fault and must be mended there."""
    if report.skipped:
        reason = (
            report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", report.longrepr)
        )
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: tests here pass or fail, they are never skipped ({reason})"
        if hasattr(report, "wasxfail"):
            del report.wasxfail
    return report


def _failed_for_printing_a_key(report: pytest.TestReport) -> pytest.TestReport:
    """Whatever a test printed or logged, here or through a program that inherited its output."""
    findings = [finding for _title, text in report.sections for finding in private_key_findings(text)]
    if findings:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: private key material was printed: {'; '.join(findings)}"
        report.sections = []
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> t.Generator[None, pytest.TestReport, pytest.TestReport]:
    return _failed_for_printing_a_key(_failed_instead_of_skipped((yield)))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> t.Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _failed_instead_of_skipped((yield))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The dearest files, of many: those that take longest belong in LONGEST of the integration tests' conftest.py."""
    seconds: collections.Counter[str] = collections.Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.location[0]] += report.duration
    if len(seconds) > 10:
        terminalreporter.section("slowest 10 files")
        for path, spent in seconds.most_common(10):
            terminalreporter.line(f"{spent:.0f}s {path}")
