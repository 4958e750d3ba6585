# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A field that several modules return is one thing, and told in one wording; what is special to a module follows it."""

from __future__ import annotations

import ast
import collections
import pathlib
import re
import typing as t

import yaml

MODULES = pathlib.Path(__file__).parents[3] / "plugins/modules"
# Words that mean another thing with each module's subject.
DIFFERENT = {
    "address",
    "bind",
    "candidates",
    "certificates",
    "chain",
    "changes",
    "clients",
    "counts",
    "endpoints",
    "entries",
    "error",
    "events",
    "failures",
    "files",
    "host",
    "kind",
    "message",
    "msg",
    "name",
    "ok",
    "old_workers",
    "outcome",
    "reason",
    "secrets",
    "server",
    "source",
    "stage",
    "state",
    "trusted",
}
# Fields of one module that only share their name with those of the others.
OF_ONE_MODULE = {
    ("acme_account", "status"),
    ("certificate_candidate_info", "created_at"),
    ("certificate_candidate_info", "label"),
    ("certificate_deploy", "lineages"),
    ("certificate_deploy", "proven"),
    ("certificate_deploy", "state"),
    ("certificate_deploy", "unasked"),
    ("certificate_issue", "status"),
    ("certificate_proof_info", "path"),
    ("certificate_proof_info", "proven"),
    ("certificate_proof_info", "server_name"),
    ("certificate_push", "counts"),
    ("domain_table", "api_calls"),
    ("domain_table_info", "api_calls"),
    ("endpoint_discovery_info", "tags"),
    ("endpoint_registry", "tags"),
    ("endpoint_registry_info", "asked_key_type"),
    ("endpoint_registry_info", "severity"),
    ("endpoint_registry_info", "tags"),
    ("endpoint_events", "address"),
    ("endpoint_events", "fault"),
    ("endpoint_events", "given_up"),
    ("endpoint_events", "kind"),
    ("endpoint_events", "message"),
    ("endpoint_events", "problems"),
    ("endpoint_events", "severity"),
    ("endpoint_scan", "condition"),
    ("endpoint_scan", "problems"),
    ("endpoint_status_info", "conditions"),
    ("event_queues", "api_calls"),
    ("event_queues", "arn"),
    ("event_queues_info", "api_calls"),
    ("event_queues_info", "arn"),
    ("haproxy_ca_file", "issuer"),
    ("haproxy_rotation", "needs_reload"),
    ("push_doctor_info", "check"),
    ("push_doctor_info", "severity"),
    ("rotation_doctor_info", "severity"),
    ("shared_ca_member_info", "problems"),
}


class Field(t.NamedTuple):
    module: str
    name: str
    type: str
    description: str

    @property
    def first_sentence(self) -> str:
        return re.split(r"(?<=\.)\s", self.description, maxsplit=1)[0]


def fields(module: str, documented: t.Mapping[str, t.Any] | None) -> t.Iterator[Field]:
    for name, facts in (documented or {}).items():
        description = facts["description"]
        yield Field(module, name, facts["type"], description if isinstance(description, str) else " ".join(description))
        yield from fields(module, facts.get("contains"))


def all_fields() -> list[Field]:
    found: list[Field] = []
    for path in sorted(MODULES.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RETURN":
                found += fields(path.stem, yaml.safe_load(ast.literal_eval(node.value)))
    return found


def test_one_field_has_one_wording() -> None:
    wordings: dict[tuple[str, str], dict[str, set[str]]] = collections.defaultdict(lambda: collections.defaultdict(set))
    for field in all_fields():
        if field.name not in DIFFERENT and (field.module, field.name) not in OF_ONE_MODULE:
            wordings[field.name, field.type][field.first_sentence].add(field.module)
    assert len(wordings) > 80
    several = {field: dict(told) for field, told in wordings.items() if len(told) > 1}
    assert not several, "\n".join(f"{field}: {told}" for field, told in several.items())


def test_exceptions_are_needed() -> None:
    """None of a field that is gone, or that has the same wording everywhere by now."""
    told: dict[str, dict[str, set[str]]] = collections.defaultdict(lambda: collections.defaultdict(set))
    for field in all_fields():
        told[field.name][field.first_sentence].add(field.module)
    assert {name for name in DIFFERENT if len(told[name]) < 2} == set()
    for module, name in OF_ONE_MODULE:
        assert any(module in modules for modules in told[name].values()), f"{module} returns no {name}"
        assert len(told[name]) > 1, f"{name} has one wording"
