# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run make targets one after the other, all of them, and close with a table and the line 'N passed, N failed'.

Usage: stages.py TARGET... [--beside TARGET...] Those of --beside run at the same time, in a row of their own: they use
one processor, and wait often. What they print is shown when they have ended, between two of the others.

A target that leaves a JUnit file (.dev/reports/TARGET.xml) counts with its tests, any other as one check. All that it
prints is kept in .dev/reports/TARGET.log, and a private key in there fails it. The closing line is also left in
.dev/reports/summary. Exit code 1 when anything failed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import time
import typing as t
from xml.etree import ElementTree

REPORTS = pathlib.Path(".dev/reports")
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


class Stage(t.NamedTuple):
    """What became of one target. seconds: wall time."""

    name: str
    succeeded: bool
    passed: int
    failed: int
    seconds: float


def count_tests(report: pathlib.Path) -> tuple[int, int]:
    """Passed and failed tests of a JUnit file; whatever did not pass, a skip too, has failed."""
    passed = failed = 0
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  # written by our own pytest
        if any(case.find(verdict) is not None for verdict in ("failure", "error", "skipped")):
            failed += 1
        else:
            passed += 1
    return passed, failed


def run_stage(name: str, show: t.Callable[[str], None]) -> Stage:
    """show: gets what it prints, line by line."""
    show(f"\n=== {name} ===\n")
    report = REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    start = time.monotonic()
    succeeded = _run_logged(["make", "--no-print-directory", name], REPORTS / f"{name}.log", show)
    seconds = time.monotonic() - start
    passed, failed = count_tests(report) if report.exists() else (int(succeeded), 0)
    if not succeeded and not failed:
        failed = 1
    return Stage(name, succeeded, passed, failed, seconds)


def _run_logged(command: list[str], log_path: pathlib.Path, show: t.Callable[[str], None]) -> bool:
    """Whether the command succeeds without showing a private key. Its output is passed on as it comes, and kept."""
    leaked = False
    with (
        log_path.open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            leaked |= bool(PRIVATE_KEY.search(line))
            log.write(line)
            show(line)
    if leaked:
        show(f"A private key was printed: see {log_path}\n")
    return process.returncode == 0 and not leaked


def _print(text: str) -> None:
    print(text, end="", flush=True)


def run_stages(names: list[str], beside: list[str]) -> list[Stage]:
    """What became of all of them, in that order."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as row:
        waiting = [_begin(row, name) for name in beside]
        stages = []
        others: list[Stage] = []
        for name in names:
            stages.append(run_stage(name, _print))
            while waiting and waiting[0][0].done():
                others.append(_shown(*waiting.pop(0)))
        others += [_shown(*begun) for begun in waiting]
    return [*stages, *others]


def _begin(row: concurrent.futures.Executor, name: str) -> tuple[concurrent.futures.Future[Stage], list[str]]:
    printed: list[str] = []
    return row.submit(run_stage, name, printed.append), printed


def _shown(begun: concurrent.futures.Future[Stage], printed: list[str]) -> Stage:
    """What became of it, when it has ended."""
    stage = begun.result()
    _print("".join(printed))
    return stage


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--beside", nargs="+", default=[])
    given = parser.parse_args(arguments)
    REPORTS.mkdir(parents=True, exist_ok=True)
    stages = run_stages(given.names, given.beside)
    width = max(len(stage.name) for stage in stages)
    print()
    for stage in stages:
        verdict = "ok" if stage.succeeded else "FAILED"
        counts = f"{stage.passed} passed, {stage.failed} failed" if stage.passed + stage.failed > 1 else ""
        print(f"  {stage.name:<{width}}  {verdict:<6}  {stage.seconds:5.0f} s  {counts}".rstrip())
    summary = f"{sum(stage.passed for stage in stages)} passed, {sum(stage.failed for stage in stages)} failed"
    (REPORTS / "summary").write_text(f"{summary}\n", encoding="utf-8")
    print(f"\n{summary}")
    return 0 if all(stage.succeeded for stage in stages) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
