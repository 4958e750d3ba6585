# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of roles and playbooks: each is specified for each entry point, and is used as the type that it is."""

from __future__ import annotations

import pathlib
import re
import typing as t

import jinja2
import pytest
import yaml
from ansible_collections.certops.rotation.plugins.plugin_utils._misspelt import variables_of_roles
from jinja2 import nodes

ROOT = pathlib.Path(__file__).parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
#: Of the playbooks; "hosts", "strategy" and names of files are text.
OF_PLAYBOOKS = {
    "rotation_batches": "batches",
    "rotation_serial": "batches",
    "rotation_task_timeout": "int",
    "rotation_max_fail_percentage": "percentage",
    "rotate_ca_abort": "bool",
    "rotate_ca_force": "bool",
    "rotate_ca_revoke": "list",
    "rollback_names": "list",
    "rollback_expired": "bool",
    "rollback_secrets": "bool",
    "rollback_versions": "dict",
    "events_aws": "dict",
    "events_kinds": "list",
    "events_labels": "list",
    "events_letters": "int",
    "events_max_receives": "int",
    "events_name_prefix": "list",
    "events_objects": "list",
    "events_prune": "bool",
    "events_queues": "list",
    "events_resource_tags": "dict",
    "issue_rotate": "bool",
    "promotion_result": "raw",  # the role's, and no option
    "reissue_rotate": "bool",
    "reissue_all": "bool",
    "reissue_stage": "bool",
    "reissue_limits": "list",
    "reissue_serial_numbers": "list",
    "reissue_fingerprints": "list",
    "reissue_key_types": "list",
}
TEXTS_OF_PLAYBOOKS = {
    "rotation_hosts",
    "rotation_strategy",
    "rotate_ca_until",
    "rollback_delegate",
    "status_max_age",
    "events_hosts",
    "events_kms_key_id",
    "events_name",
    "events_retention",
    "events_state",
    "events_visibility_timeout",
    "issue_hosts",
    "promotion_canaries",
    "promotion_controller",
    "promotion_fleet",
    "promotion_label",
    "push_hosts",
    "monitor_hosts",
    "monitor_discover",
    "reissue_issuer",
    "reissue_issued_before",
    "reissue_older_than",
    "reissue_since",
}


def loaded(path: pathlib.Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def specifications(role: str) -> dict[str, t.Any]:
    return dict(loaded(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"])


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_specified_with_its_default(role: str) -> None:
    defaults = loaded(ROOT / "roles" / role / "defaults/main.yml")
    options = specifications(role)["main"]["options"]
    assert set(defaults) - set(options) == set()
    assert [name for name, facts in options.items() if "default" in facts and facts["default"] != defaults[name]] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_that_somebody_calls_is_specified(role: str) -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md")]
    tasks = [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("examples/**/*.yml")]
    called = {"main"}
    for path in [*pages, *tasks]:
        text = path.read_text(encoding="utf-8")
        called |= set(re.findall(rf"name: certops\.rotation\.{role}\n\s+tasks_from: (\w+)", text))
    assert called - set(specifications(role)) == set()
    called = set(specifications(role))
    assert [name for name in called if not (ROOT / "roles" / role / f"tasks/{name}.yml").is_file()] == []


def test_the_names_are_found_without_parsing_yaml() -> None:
    found = variables_of_roles(ROOT / "roles")
    assert found == {role: set(specifications(role)["main"]["options"]) for role in ROLES}


# Types

_EXPRESSIONS = {"when", "failed_when", "changed_when", "that", "until", "break_when"}


def templates(content: t.Any, key: str = "") -> t.Iterator[str]:
    """All text of a file of YAML, conditions as the expressions that they are."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from templates(value, name)
    elif isinstance(content, list):
        for value in content:
            yield from templates(value, key)
    elif isinstance(content, str):
        yield f"{{% if {content} %}}{{% endif %}}" if key in _EXPRESSIONS and "{{" not in content else content


_CONVERSIONS = (
    "bool",
    "int",
    "certops.rotation._typed",
    "certops.rotation._rotation_schedule",
    "certops.rotation._certificate_receiver",
    "certops.rotation._certificate_push",
    "certops.rotation._endpoint_monitor",
    "certops.rotation._promotion",
)


def used_as_they_came(text: str, types: t.Mapping[str, str]) -> list[str]:
    """Variables of these types that a template computes with, and neither converts nor passes on as a whole."""
    template = jinja2.Environment().parse(text)
    written = list(template.find_all(nodes.Output))
    fine = [part for each in written if len(each.nodes) == 1 for part in converted_by(each.nodes[0])]
    fine += [
        part
        for each in written
        for part in each.nodes
        if isinstance(part, nodes.Name) and types.get(part.name) == "int"
    ]
    fine += [test.node for test in template.find_all(nodes.Test) if test.name == "defined"]
    for each in template.find_all(nodes.Filter):
        if each.name in _CONVERSIONS and each.node:
            fine += converted_by(each.node)
    found = [
        name for name in template.find_all(nodes.Name) if types.get(name.name, "str") not in ("str", "path", "raw")
    ]
    return [name.name for name in found if not any(name is each for each in fine)]


def converted_by(given: nodes.Node) -> list[nodes.Node]:
    """What a filter is given: a variable, perhaps one with a default, or a dictionary of variables."""
    if isinstance(given, nodes.Dict):
        return [pair.value for pair in given.items]
    if isinstance(given, nodes.Filter) and given.name == "default" and given.node and len(given.args) == 1:
        return [part for each in (given.node, *given.args) for part in converted_by(each)]
    return [given]


@pytest.mark.parametrize("role", ROLES)
def test_text_becomes_the_type_where_a_role_computes_with_it(role: str) -> None:
    types = {name: facts["type"] for each in ROLES for name, facts in specifications(each)["main"]["options"].items()}
    folder = ROOT / "roles" / role
    texts = {path: path.read_text(encoding="utf-8") for path in folder.glob("templates/*.j2")}
    for path in [*folder.glob("[dhtv]*/*.yml")]:
        texts |= {path / str(number): text for number, text in enumerate(templates(loaded(path)))}
    found = [(path.parts[-3:], name) for path, text in texts.items() for name in used_as_they_came(text, types)]
    assert found == []


@pytest.mark.parametrize("playbook", sorted(path.name for path in (ROOT / "playbooks").glob("*.yml")))
def test_text_becomes_the_type_in_the_playbooks(playbook: str) -> None:
    texts = list(templates(loaded(ROOT / "playbooks" / playbook)))
    prefixes = "rotation|rotate_ca|rollback|status|issue|reissue|push|monitor|promotion|events"
    named = set(re.findall(rf"(?<![\w.])(?:{prefixes})_\w+", "\n".join(texts)))
    assert named - set(OF_PLAYBOOKS) - TEXTS_OF_PLAYBOOKS == set()
    assert [name for text in texts for name in used_as_they_came(text, OF_PLAYBOOKS)] == []
    for kind, name in re.findall(r"_typed\('(\w+)', '(\w+)'\)", "\n".join(texts)):
        assert OF_PLAYBOOKS[name] == kind
