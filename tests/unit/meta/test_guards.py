# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guards around all tests work: nothing is skipped, and nothing prints a private key."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys

from ansible_collections.certops.rotation.tests.support import pki

ROOT = pathlib.Path(__file__).parents[3]
TESTS = """
import os
import pytest

def test_skips():
    pytest.skip("no program")

def test_prints_a_key():
    print(os.environ["KEY"])

def test_lets_a_program_print_a_key(capfd):
    os.system('echo "$KEY"')

def test_is_fine():
    print("-----BEGIN CERTIFICATE-----")
"""


def test_a_skip_and_a_printed_key_fail(tmp_path: pathlib.Path) -> None:
    tests = tmp_path / "checkout" / "tests"
    tests.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", tests)
    (tests / "test_guarded.py").write_text(TESTS)
    key = pki.private_key_pem(pki.new_key())
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=line", "-v", str(tests)],
        env={
            "KEY": key,
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT / ".dev" / "collections"),
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    verdicts = dict(re.findall(r"^\S*::(test_\w+) (PASSED|FAILED)", run.stdout, re.MULTILINE))
    assert verdicts.pop("test_is_fine") == "PASSED"
    assert set(verdicts.values()) == {"FAILED"}
    assert len(verdicts) == 3
    assert not set(key.splitlines()) & set(run.stdout.splitlines())


def made_of(*targets: str) -> str:
    """The commands of targets of the Makefile."""
    return subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_what_is_said_to_be_run_is_run() -> None:
    """make test and make check begin these stages, and each of them is more than a name."""
    stages = {"check": "lint types unit", "test": "lint types docs-lint unit integration --beside sanity molecule"}
    for target, words in stages.items():
        assert f"scripts/stages.py {words}\n" in made_of(target)
    programs = {
        "lint": ["ruff check", "ruff format", "yamllint", "shellcheck", "ansible-lint", "antsibull-changelog lint"],
        "types": ["mypy"],
        "docs-lint": ["antsibull-docs lint-collection-docs"],
        "unit": ["pytest", "tests/unit\n"],
        "integration": ["pytest", "tests/integration\n"],
        "sanity": ["scripts/sanity\n"],
        "molecule": ["molecule test --all\n"],
    }
    for stage, wanted in programs.items():
        assert [program for program in wanted if program not in made_of(stage)] == [], stage


def test_a_stage_that_prints_a_key_fails(tmp_path: pathlib.Path) -> None:
    (tmp_path / "key.pem").write_text(pki.private_key_pem(pki.new_key()))
    (tmp_path / "Makefile").write_text("good:\n\t@echo fine\nleaks:\n\t@cat key.pem\nbreaks:\n\t@false\n")
    outcome = {}
    for target in ("good", "leaks", "breaks"):
        command = [sys.executable, str(ROOT / "scripts" / "stages.py"), target]
        run = subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL, check=False)
        outcome[target] = run.returncode
    assert outcome == {"good": 0, "leaks": 1, "breaks": 1}
    assert (tmp_path / ".dev" / "reports" / "summary").read_text() == "0 passed, 1 failed\n"


def test_stages_beside_others_run_meanwhile_are_told_in_one_piece_and_count(tmp_path: pathlib.Path) -> None:
    wait = "@timeout 60 sh -c 'while ! [ -e {} ]; do sleep 0.02; done'"
    recipes = {
        "first": ["@echo first begins", wait.format("begun"), "@touch met", wait.format("over"), "@echo first ends"],
        "last": ["@echo last"],
        "beside": [
            "@echo beside begins",
            "@touch begun",
            wait.format("met"),
            "@echo beside ends",
            "@touch over",
            "@false",
        ],
    }
    makefile = "".join(f"{name}:\n" + "".join(f"\t{line}\n" for line in lines) for name, lines in recipes.items())
    (tmp_path / "Makefile").write_text(makefile)
    command = [sys.executable, str(ROOT / "scripts" / "stages.py"), "first", "last", "--beside", "beside"]
    run = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=False)
    told = [line for line in run.stdout.splitlines() if re.match("(first|last|beside) ?", line) or "===" in line]
    first = ["=== first ===", "first begins", "first ends"]
    beside = ["=== beside ===", "beside begins", "beside ends"]
    last = ["=== last ===", "last"]
    assert told[:3] == first
    assert told[3:] in ([*beside, *last], [*last, *beside])
    assert run.returncode == 1
    assert run.stdout.endswith("\n2 passed, 1 failed\n")


def test_lines_of_others_end_at_newlines_only() -> None:
    """Those of bytes do, and what is masked may be cut more finely."""
    allowed = {
        "plugins/module_utils/_core/push/certdeploy_options.py",
        "plugins/module_utils/_core/text.py",
        "plugins/module_utils/_core/x509/pem.py",
        "plugins/module_utils/_flows/watch/showing.py",
        "plugins/module_utils/_module/masking.py",
        "plugins/plugin_utils/_spool.py",
    }
    found = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "plugins").rglob("*.py"))
        if "splitlines()" in path.read_text() and "modules" not in path.parts
    ]
    assert set(found) - allowed == set(), "use lines_of"
