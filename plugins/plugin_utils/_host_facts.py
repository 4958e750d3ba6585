# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of a host that take the place of variables of ours."""

from __future__ import annotations

import re
import typing as t

from ansible import constants
from ansible_collections.certops.rotation.plugins.module_utils._core.text import shown

# Variables of the roles, playbooks and the callback.
_VARIABLES = re.compile(
    r"_*(acme_certificates|haproxy_certificates|certificate_push|certificate_receiver|endpoint_monitor|rotation|shared_ca)_\w+"
    r"|_*(rotate_ca|reissue|promotion|events)_\w+"
    r"|rollback_(names|expired|secrets|delegate|versions)|status_max_age|(issue|push|monitor)_\w+|endpoint|domains"
)
_MOST_NAMED = 5


def shadowing_facts(host: t.Any, variables: t.Mapping[str, t.Any]) -> str:
    """What is wrong with the facts of a host, "" for nothing. variables: all that are known of it, by name.

    Ansible makes variables of facts unless it is told not to, and those win over the inventory.
    """
    facts = variables.get("ansible_facts")
    if not constants.INJECT_FACTS_AS_VARS or not isinstance(facts, t.Mapping):
        return ""
    names = sorted(shown(str(name)) for name in facts if _VARIABLES.fullmatch(str(name)))
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (
        f"Host {host} sent facts that are named like variables of certops.rotation:"
        f" {', '.join(names[:_MOST_NAMED])}{more}. They would decide in the inventory's place what is done, so"
        " nothing is done. Find out what on the host sends them (or in the cache of facts). With"
        " inject_facts_as_vars=false in ansible.cfg no fact becomes a variable."
    )
