# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every benchmark needs: processes measured in interleaved rounds, ratios to the baseline, a table, verdicts."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import typing as t

TIMED = pathlib.Path(__file__).parent / "timed.py"


class Cost(t.NamedTuple):
    """Of one process and its children. seconds: wall time; peak_mb: the largest resident memory."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def run_measured(command: t.Sequence[str], *, env: t.Mapping[str, str], timeout: float = 600) -> tuple[Cost, str]:
    """Run the command to its end: what it cost, and what it printed. RuntimeError when it fails."""
    with tempfile.NamedTemporaryFile("r") as result:
        process = subprocess.run(
            [sys.executable, "-S", str(TIMED), result.name, *command],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if process.returncode != 0:
            raise RuntimeError(f"{command[0]} failed ({process.returncode}): {process.stdout} {process.stderr}"[:4000])
        return Cost(**json.load(result)), process.stdout


def run_ansible(command: t.Sequence[str], *, env: t.Mapping[str, str]) -> tuple[Cost, str]:
    """Run one of Ansible's programs, from where this Python has it."""
    program = str(pathlib.Path(sys.executable).parent / command[0])
    quiet = {"ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0", "ANSIBLE_NOCOLOR": "1"}
    return run_measured([program, *command[1:]], env={**quiet, **env}, timeout=1800)


def module_file(
    name: str, arguments: t.Mapping[str, t.Any], directory: pathlib.Path, *, env: t.Mapping[str, str]
) -> pathlib.Path:
    """A module with its arguments as Ansible sends it to a host: run it once and keep the file, in directory."""
    command = ["ansible", "localhost", "--connection", "local"]
    command += ["--extra-vars", json.dumps({"ansible_python_interpreter": sys.executable})]
    command += ["--module-name", f"certops.rotation.{name}", "--args", json.dumps(arguments)]
    keep = {"ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_PIPELINING": "0", "ANSIBLE_REMOTE_TMP": str(directory)}
    run_ansible(command, env={**env, **keep})
    (file,) = directory.rglob(f"AnsiballZ_{name}.py")
    return file


class Series:
    """The costs of one way to do a job, one for each round."""

    def __init__(self) -> None:
        self.costs: list[Cost] = []

    @property
    def seconds(self) -> float:
        return statistics.median(cost.seconds for cost in self.costs)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(cost.cpu_seconds for cost in self.costs)

    @property
    def peak_mb(self) -> float:
        return statistics.median(cost.peak_mb for cost in self.costs)

    def ratios_to(self, baseline: Series) -> list[float]:
        """One for each round: what disturbs the machine disturbs both halves of a pair."""
        return [mine.seconds / its.seconds for mine, its in zip(self.costs, baseline.costs)]

    def ratio_to(self, baseline: Series) -> float:
        return statistics.median(self.ratios_to(baseline))

    def as_dict(self, baseline: Series | None = None) -> dict[str, t.Any]:
        facts: dict[str, t.Any] = {
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_mb": self.peak_mb,
        }
        if baseline is not None:
            ratios = self.ratios_to(baseline)
            facts["ratio"] = {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}
        return {**facts, "rounds": [cost._asdict() for cost in self.costs]}


def spread(ratios: t.Sequence[float], digits: int = 2) -> str:
    """The median, and in brackets the least and the greatest."""
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    return f"{middle:.{digits}f}x ({low:.{digits}f}-{high:.{digits}f})"


def table(title: str, header: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> str:
    """Markdown that reads well as plain text, too."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def line(cells: t.Sequence[str]) -> str:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths)]
        return "| " + " | ".join([cells[0].ljust(widths[0]), *padded[1:]]) + " |"

    first, *others = widths
    ruler = "|".join(["", "-" * (first + 2), *("-" * (width + 1) + ":" for width in others), ""])
    return "\n".join([f"\n{title}\n", line(header), ruler, *map(line, rows)])


class Reaches:
    """What a benchmark sets out to reach, and whether it did."""

    def __init__(self) -> None:
        self.lines: list[tuple[bool, str]] = []

    def at_most(self, what: str, value: float, limit: float, digits: int = 0) -> None:
        self.lines.append((value <= limit, f"{what}: {value:.{digits}f}, reach: at most {limit:g}"))

    def at_least(self, what: str, value: float, limit: float, digits: int = 0) -> None:
        self.lines.append((value >= limit, f"{what}: {value:.{digits}f}, reach: at least {limit:g}"))

    @property
    def missed(self) -> int:
        return sum(not reached for reached, _text in self.lines)

    def text(self) -> str:
        return "\n".join(["", *(f"{'reached' if reached else 'MISSED '}  {text}" for reached, text in self.lines)])


def parser(description: str | None) -> argparse.ArgumentParser:
    """With the options that every benchmark has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", metavar="FILE", type=pathlib.Path, help="also write all measurements there")
    made.add_argument("--strict", action="store_true", help="exit with 1 when something was not reached")
    return made


def finish(options: argparse.Namespace, measurements: dict[str, t.Any], reaches: Reaches) -> int:
    """Print the verdicts, write the JSON if asked to; the exit code."""
    print(reaches.text(), flush=True)
    if options.json:
        document = {
            "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
            "measurements": measurements,
            "reaches": [{"reached": reached, "text": text} for reached, text in reaches.lines],
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if options.strict and reaches.missed else 0
