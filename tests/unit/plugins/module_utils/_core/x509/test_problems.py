# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import re

from ansible_collections.certops.rotation.plugins.module_utils._core.x509 import problems

SOURCES = pathlib.Path(problems.__file__).parents[1]
RAISED = re.compile(r"""\b(?:error|warning|MaterialError|Problem)\(\s*["']([a-z0-9_]+)["']""")


def test_every_code_that_is_used_is_documented() -> None:
    # The doctor's findings have an error() of their own, which names a check.
    sources = [path for path in SOURCES.rglob("*.py") if "doctor" not in str(path)]
    used = {code for path in sources for code in RAISED.findall(path.read_text(encoding="utf-8"))}
    assert len(used) > 25
    assert used <= set(problems.PROBLEM_CODES)


def test_codes_and_meanings_are_fit_for_documentation() -> None:
    for code, meaning in problems.PROBLEM_CODES.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]+", code)
        assert meaning.endswith(".")


def test_a_problem_becomes_a_plain_dict() -> None:
    assert problems.warning("self_signed", "text").as_dict() == {
        "code": "self_signed",
        "severity": "warning",
        "message": "text",
    }


def test_a_material_error_carries_its_problem() -> None:
    exc = problems.MaterialError("pem_invalid", "text")
    assert str(exc) == "text"
    assert exc.problem == problems.error("pem_invalid", "text")
    assert exc.details == {"code": "pem_invalid"}
