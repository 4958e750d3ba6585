# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One word, one thing: in the names of the code, where whoever searches for a word must find the one thing."""

from __future__ import annotations

import ast
import collections
import pathlib
import re
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import argument_matrix

PLUGINS = pathlib.Path(__file__).parents[3] / "plugins"
# By these names Ansible finds what is in a plugin's file.
OF_ANSIBLE = {"ActionModule", "CallbackModule", "FilterModule", "LookupModule", "ModuleDocFragment", "TestModule"}
# What is returned under a name of long ago keeps it.
RETURNED = {"stage_moves"}
# Programs of one role, which no module uses.
OF_A_ROLE = {
    "module_utils/_core/promotion_checks.py",
    "module_utils/_core/promotion_verdict.py",
    "module_utils/_core/schedule.py",
    "module_utils/_core/push/certdeploy.py",
    "module_utils/_core/push/certdeploy_client.py",
    "module_utils/_core/push/pusher.py",
    "module_utils/_core/push/receiving.py",
    "module_utils/_core/watch/monitor_report.py",
    "lookup/_shared_ca_configurations.py",
}


def _trees() -> t.Iterator[tuple[str, ast.Module]]:
    for path in sorted(PLUGINS.rglob("*.py")):
        yield str(path.relative_to(PLUGINS)), ast.parse(path.read_text(encoding="utf-8"))


def _types(tree: ast.Module) -> t.Iterator[str]:
    """Classes, public or not, and public names of other types. (A private one is an abbreviation in its file.)"""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name.lstrip("_")
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Subscript):
            for target in statement.targets:
                if isinstance(target, ast.Name) and not target.id.isupper() and target.id[:1].isupper():
                    yield target.id


def _identifiers(tree: ast.Module) -> t.Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def test_no_two_types_have_one_name() -> None:
    places = collections.defaultdict(set)
    for path, tree in _trees():
        for name in set(_types(tree)) - OF_ANSIBLE:
            places[name].add(path)
    assert len(places) > 150
    assert not {name: sorted(paths) for name, paths in places.items() if len(paths) > 1}


def test_a_stage_is_one_of_the_pipeline() -> None:
    """AWS's versions have labels, a shared authority is in a phase, and a directory puts files aside. What is staged
    lies in a staging directory, and is something else."""
    found = {
        (path, name)
        for path, tree in _trees()
        for name in _identifiers(tree)
        if path.startswith("module_utils/") and re.search("stage(?!d)", name.lower()) and name not in RETURNED
    }
    assert found <= {("module_utils/_module/certificate_secret_stage.py", "stage")}


@pytest.fixture(scope="module")
def specifications() -> dict[str, dict[str, t.Any]]:
    """Module -> its argument specification."""
    return {name: argument_matrix.specification(argument_matrix.load(name)) for name in argument_matrix.module_names()}


def test_an_option_has_the_word_of_the_roles_variables(specifications) -> None:
    """The words of before go on as aliases."""
    aliases = {}
    for name, spec in specifications.items():
        assert not {"executable", "unit"} & set(spec), name
        aliases.update({alias: option for option, facts in spec.items() for alias in facts.get("aliases", ())})
    assert (aliases["executable"], aliases["unit"]) == ("binary", "service")


@pytest.mark.parametrize("option", ["binary", "docker_host", "layout", "service"])
def test_an_option_means_the_same_in_all_modules(specifications, option: str) -> None:
    found = {
        name: {fact: value for fact, value in spec[option].items() if fact != "aliases"}
        for name, spec in specifications.items()
        if option in spec
    }
    assert len(found) > 1
    assert len({repr(sorted(facts.items())) for facts in found.values()}) == 1, found


def test_modules_know_no_role() -> None:
    """They speak of options; who calls a role reads its variables, by plugin_utils/_host_action.py."""
    roles = [path.parent.parent.name for path in (PLUGINS.parent / "roles").glob("*/defaults/main.yml")]
    variables = {
        line.partition(":")[0]
        for role in roles
        for line in (PLUGINS.parent / f"roles/{role}/defaults/main.yml").read_text().splitlines()
        if line.startswith(f"{role}_")
    }
    assert len(variables) > 100
    found = {
        str(path.relative_to(PLUGINS)): sorted(named)
        for folder in ("modules", "module_utils", "lookup")
        for path in (PLUGINS / folder).rglob("*.py")
        if (named := variables & set(re.findall(r"\w+", path.read_text(encoding="utf-8"))))
    }
    assert {path: named for path, named in found.items() if path not in OF_A_ROLE} == {}
