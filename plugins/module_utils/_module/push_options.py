# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option targets: the hosts that get lineages."""

from __future__ import annotations

import typing as t

from .._core.push.given_targets import TargetDefaults, push_targets
from .._errors import InvalidOption, ProbeError
from .._ports.tls.endpoint import parse_endpoint

if t.TYPE_CHECKING:
    from .._core.push.targets import PushTarget

#: Of one host.
TARGET_OPTIONS: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str"},
    "port": {"type": "int", "default": 22},
    "user": {"type": "str", "default": "certdeploy"},
    "domains": {"type": "list", "elements": "str", "required": True},
    "wildcards": {"type": "bool", "default": False},
    "host_key": {"type": "list", "elements": "str", "required": True, "no_log": False},
    "private_key_file": {"type": "path"},
    "protocol": {"type": "str", "choices": ["receiver", "directory"], "default": "receiver"},
    "path": {"type": "str"},
    "receipts": {"type": "str", "default": "/receipts"},
    "files": {
        "type": "list",
        "elements": "str",
        "choices": ["fullchain", "privkey", "chain", "cert"],
        "default": ["fullchain", "privkey"],
    },
    "retries": {"type": "int"},
    "retry_interval": {"type": "float"},
    "timeout": {"type": "float", "default": 60.0},
    "receipt_timeout": {"type": "float", "default": 60.0},
    "endpoints": {"type": "list", "elements": "raw", "default": []},
    "canary": {"type": "bool", "default": False},
}
#: Of modules that know the hosts; the rest is what a host has that does not say otherwise.
TARGETS_OPTIONS: dict[str, dict[str, t.Any]] = {
    "targets": {"type": "list", "elements": "dict", "options": TARGET_OPTIONS, "required": True},
    "private_key_file": {"type": "path"},
    "passphrase": {"type": "str", "no_log": True},
    "retries": {"type": "int", "default": 1},
    "retry_interval": {"type": "float", "default": 30.0},
}


def targets_of(params: t.Mapping[str, t.Any]) -> list[PushTarget]:
    """From TARGETS_OPTIONS; a module without the options beside targets has the defaults. Raises InvalidOption."""
    defaults = TargetDefaults(
        private_key_file=params.get("private_key_file"),
        retries=params.get("retries", TargetDefaults.retries),
        retry_interval=params.get("retry_interval", TargetDefaults.retry_interval),
    )
    targets = push_targets(params["targets"], defaults)
    for target in targets:
        for position, entry in enumerate(target.endpoints):
            try:
                parse_endpoint(entry, position)
            except ProbeError as error:
                raise InvalidOption(f"targets: {target.name}: {error.message}") from None
    return targets


def names_of(option: str, given: t.Iterable[str]) -> tuple[str, ...]:
    """() for all. What is no name must not become all by being left out: raises InvalidOption."""
    names = tuple(dict.fromkeys(map(str.strip, given)))
    if not {"", ".", ".."}.isdisjoint(names):
        raise InvalidOption(f"option {option}: one of them is no name. Leave the option out for all of them.")
    return names
