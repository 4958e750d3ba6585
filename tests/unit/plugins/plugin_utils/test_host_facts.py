# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every variable of ours is one that no fact may be named like."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleFilterError, AnsibleLookupError
from ansible_collections.certops.rotation.plugins.filter._of_inventory import of_inventory
from ansible_collections.certops.rotation.plugins.lookup._shared_ca_configurations import _refuse_facts
from ansible_collections.certops.rotation.plugins.plugin_utils._host_facts import shadowing_facts
from ansible_collections.certops.rotation.plugins.plugin_utils._misspelt import variables_of_roles

ROLES = pathlib.Path(__file__).parents[4] / "roles"
PLAYBOOKS = ROLES.parent / "playbooks"
VARIABLES = sorted(name for names in variables_of_roles(ROLES).values() for name in names)


def test_all_variables_of_all_roles_are_known() -> None:
    assert VARIABLES
    assert [name for name in VARIABLES if not shadowing_facts("web", {"ansible_facts": {name: 1}})] == []


def test_all_variables_of_the_command_line_are_known() -> None:
    """Those that playbooks name in their heads: while they are not given, a fact would be."""
    named = {name for path in PLAYBOOKS.glob("*.yml") for name in re.findall(r"-e (\w+)=", path.read_text())}
    assert {"endpoint", "issue_rotate", "monitor_hosts"} <= named
    assert [name for name in named if not shadowing_facts("web", {"ansible_facts": {name: 1}})] == []


def test_other_facts_are_the_hosts_own_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shadowing_facts("web", {"ansible_facts": {"ssh_host_key_ed25519_public": "AAAA", "local": {}}}) == ""
    assert shadowing_facts("web", {"ansible_facts": "x"}) == shadowing_facts("web", {}) == ""
    monkeypatch.setattr(constants, "INJECT_FACTS_AS_VARS", False)
    assert shadowing_facts("web", {"ansible_facts": {VARIABLES[0]: 1}}) == ""


def test_no_template_is_told_of_another_host_what_that_has_sent() -> None:
    known = {"web": {"ansible_facts": {"shared_ca_address": "evil"}}, "mail": {}}
    _refuse_facts({"hostvars": known, "ansible_play_hosts_all": ["mail"]})
    with pytest.raises(AnsibleLookupError, match=r"^Host web sent facts .*: shared_ca_address[.]"):
        _refuse_facts({"hostvars": known, "ansible_play_hosts_all": ["mail", "web"]})


def test_no_file_of_the_controller_is_read_because_a_host_says_so() -> None:
    assert of_inventory(["/x"], {"hostname": "web"}, "web") == ["/x"]
    with pytest.raises(AnsibleFilterError, match=r"^Host web sent facts .*: certificate_receiver_lineages[.]"):
        of_inventory(["/x"], {"certificate_receiver_lineages": ["/x"]}, "web")


@pytest.mark.parametrize(
    ("role", "variable"),
    [
        ("certificate_receiver", "__certificate_receiver_lineages"),
        ("certificate_receiver", "__certificate_receiver_key_paths"),
        ("certificate_push", "__certificate_push_plan"),
    ],
)
def test_variables_that_name_such_files_are_guarded(role: str, variable: str) -> None:
    variables = yaml.safe_load((ROLES / role / "vars/main.yml").read_text())
    assert "certops.rotation._of_inventory(ansible_facts, inventory_hostname)" in variables[variable]
