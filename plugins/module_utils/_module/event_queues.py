# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""event_queues: parameters to a blueprint, what was done to the result."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.events.blueprint import Blueprint, EventAccount
from .._core.events.patterns import KINDS, EventChoice, event_patterns
from .._errors import InvalidOption
from .._flows.events.queues import make_queues, remove_queues
from .._ports.aws.event_services import EventServices
from .boundary import module_boundary
from .options import duration_option, tag_texts

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "default": "certificates"},
    "queues": {"type": "list", "elements": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "kinds": {"type": "list", "elements": "str", "choices": [*KINDS], "default": ["label"]},
    "labels": {"type": "list", "elements": "str", "default": ["AWSCURRENT", "CANDIDATE"]},
    "name_prefix": {"type": "list", "elements": "str", "default": []},
    "objects": {"type": "list", "elements": "str", "default": []},
    "retention": {"type": "str", "default": "4d"},
    "visibility_timeout": {"type": "str", "default": "2m"},
    "max_receives": {"type": "int", "default": 10},
    "kms_key_id": {"type": "str", "default": ""},
    "tags": {"type": "dict", "default": {}},
    "prune": {"type": "bool", "default": False},
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        name = params["name"]
        queues = tuple(dict.fromkeys(params["queues"] or [name]))
        wanted = _blueprint(params, queues)  # what is wrong with options is told before anything is asked
        services = EventServices(module.client, module.retry)
        account = services.account()
        if params["state"] == "absent":
            result = remove_queues(services, account, name, queues, check_mode=module.check_mode)
        else:
            here = dataclasses.replace(wanted, account=account)
            result = make_queues(services, here, prune=params["prune"], check_mode=module.check_mode)
        diff = result.pop("diff")
        shown = {"diff": diff} if module._diff else {}
        module.exit_json(**result, api_calls=services.api_calls, **shown)


def _blueprint(params: t.Mapping[str, t.Any], queues: tuple[str, ...]) -> Blueprint:
    """Of no account yet. Raises InvalidOption."""
    prefixes = tuple(params["name_prefix"])
    if "" in prefixes:
        raise InvalidOption("name_prefix: an empty one is the beginning of all names. Leave it out if you mean all.")
    choice = EventChoice(tuple(params["kinds"]), tuple(params["labels"]), prefixes, tuple(params["objects"]))
    return Blueprint(
        EventAccount("", ""),
        params["name"],
        queues,
        event_patterns(choice),
        int(duration_option(params, "retention").total_seconds()),
        int(duration_option(params, "visibility_timeout").total_seconds()),
        params["max_receives"],
        params["kms_key_id"],
        tag_texts(params["tags"]),
    )
