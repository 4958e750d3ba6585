# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca: one authority and its clients for all hosts, created once, however many begin at the same moment."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._errors import InvalidOption
from .._ports.aws.instance_metadata import look_up_instance
from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .given import given_content, is_certificate_alone
from .shared_ca_common import (
    CLIENT_NAME_CHARACTERS,
    CREATION_OPTIONS,
    PREFIX_OPTION,
    SUBJECT_DEFAULTS,
    WARN_OPTION,
    failures_told_apart,
    key_spec,
    now,
    renewal_option,
    secret_names,
    shared_secrets,
    warn_before,
)

if t.TYPE_CHECKING:
    from .._core.ca.issue import SigningAuthority
    from .._core.ca.profiles import Subject
    from .._flows.shared_ca.present import Wish
    from .._flows.shared_ca.steward import ClientWish
    from .._flows.shared_ca.stored_authority import Presence, Removal, Restoration
    from .._ports.aws.shared_secrets import SharedSecrets
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **PREFIX_OPTION,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "use_secrets_manager": {"type": "str", "choices": ["auto", "true", "false"], "default": "true"},
    "clients": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "role": {"type": "str"},
            "common_name": {"type": "str"},
            "validity_days": {"type": "int", "default": 365},
            "state": {"type": "str", "choices": ["present", "revoked"], "default": "present"},
        },
    },
    "renew_before": {"type": "str", "default": "auto"},
    "force": {"type": "bool", "default": False},
    "renew_expired": {"type": "bool", "default": False},
    **WARN_OPTION,
    "validity_days": {"type": "int", "default": 1095},
    "key_type": {"type": "str", "choices": ["rsa", "ec"], "default": "rsa", "no_log": False},
    "key_size": {"type": "int", "no_log": False},
    "client_key_size": {"type": "int", "no_log": False},
    "subject": {
        "type": "dict",
        "options": {
            **SUBJECT_DEFAULTS,
            "organizational_unit": {"type": "str", "default": "CA"},
            "common_name": {"type": "str", "default": "Joblet-CA"},
        },
    },
    "import_from": {
        "type": "dict",
        "options": {
            "certificate": {"type": "str", "no_log": True},
            "certificate_src": {"type": "path"},
            "private_key": {"type": "str", "no_log": True},
            "private_key_src": {"type": "path", "no_log": False},
            "passphrase": {"type": "str", "no_log": True},
        },
    },
    **CREATION_OPTIONS,
    "on_deleted": {"type": "str", "choices": ["fail", "restore"], "default": "fail"},
    "recovery_window_days": {"type": "int", "default": 30},
}
_CA_SIZES = {"rsa": 4096, "ec": 256}
_CLIENT_SIZES = {"rsa": 2048, "ec": 256}
_DEFAULT_CLIENT = {"name": "admin", "role": None, "common_name": None, "validity_days": 365, "state": "present"}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module), failures_told_apart():
        if not _uses_secrets_manager(module):
            module.exit_json(changed=False, skipped=True, prefix=module.params["prefix"], items={}, api_calls={})
        require_library("cryptography")
        source = shared_secrets(module)
        report = _report(module, source)
        diff = {"diff": report.diff()} if module._diff else {}
        module.exit_json(**report.as_result(), api_calls=dict(source.api_calls), **diff)


def _uses_secrets_manager(module: AwsModule) -> bool:
    """By the option use_secrets_manager. Takes the region from the instance metadata, where there is no other one."""
    choice: str = module.params["use_secrets_manager"]
    if choice == "false" or (choice == "true" and module.region):
        return choice == "true"
    instance = look_up_instance(os.environ)
    if instance and not module.region:
        module.params["region"] = instance.region
    return choice == "true" or instance is not None


def _report(module: AwsModule, source: SharedSecrets) -> Presence | Removal | Restoration:
    """Raises RotationError; InvalidOption before anything is stored."""
    from .._flows.shared_ca.stored_authority import AuthorityProvider

    params = module.params
    authority = AuthorityProvider(source, secret_names(params), now, module.warn, module.check_mode)
    if params["state"] == "absent":
        listed = [client["name"] for client in params["clients"] or [_DEFAULT_CLIENT]]
        return authority.remove(listed, _recovery_window(params))
    warn = warn_before(params)
    return authority.provide(
        _wish(module),
        warn,
        properties=any(params[name] is not None for name in CREATION_OPTIONS),
        restore=params["on_deleted"] == "restore",
    )


def _recovery_window(params: t.Mapping[str, t.Any]) -> int:
    """Days. Raises InvalidOption."""
    window: int = params["recovery_window_days"]
    if not 7 <= window <= 30:
        raise InvalidOption("recovery_window_days: AWS keeps a deleted secret for 7 to 30 days.")
    return window


def _wish(module: AwsModule) -> Wish:
    """Raises InvalidOption, or MaterialError for an authority to import that cannot be read."""
    from .._core.ca.profiles import Profile, Subject, days
    from .._flows.shared_ca.present import Wish

    params = module.params
    given = {name: text for name, text in (params["subject"] or {}).items() if text is not None}
    key = key_spec(params["key_type"], params["key_size"], _CA_SIZES)
    subject = Subject(**{"common_name": "Joblet-CA", "organizational_unit": "CA", **given})
    clients = params["clients"] if params["clients"] is not None else [_DEFAULT_CLIENT]
    names = [client["name"] for client in clients]
    if len(set(names)) < len(names):
        raise InvalidOption("clients: a name is there more than once.")
    return Wish(
        authority=Profile(subject.name(), key, days(params["validity_days"])),
        clients=tuple(_client_wish(params, client, subject) for client in clients),
        imported=_imported(module),
        force=params["force"],
        renew_expired=params["renew_expired"],
    )


def _client_wish(params: t.Mapping[str, t.Any], client: t.Mapping[str, t.Any], authority: Subject) -> ClientWish:
    """Raises InvalidOption."""
    from .._core.ca.profiles import Profile, days
    from .._flows.shared_ca.steward import ClientWish

    name = client["name"]
    if not name or not set(name) <= CLIENT_NAME_CHARACTERS:
        raise InvalidOption(f"clients: {name!r} cannot be part of a secret's name: use letters, digits and _.@+=-.")
    subject = dataclasses.replace(
        authority,
        organizational_unit=client["role"] or name,
        common_name=client["common_name"] or f"{name}-client",
    )
    key = key_spec(params["key_type"], params["client_key_size"], _CLIENT_SIZES)
    profile = Profile(subject.name(), key, days(client["validity_days"], "clients: validity_days"))
    return ClientWish(name, profile, client["state"] == "revoked", renewal_option(params))


def _imported(module: AwsModule) -> SigningAuthority | None:
    """Raises InvalidOption, MaterialError when it cannot be read, or RotationError."""
    from .._flows.shared_ca.present import authority_to_import
    from .._ports.openssl.opener import ProcessOpener

    given = module.params["import_from"]
    if given is None:
        return None
    if given["certificate"] and is_certificate_alone(given["certificate"]):
        # Hidden only in case that somebody pastes the key along: the certificate itself is returned.
        module.no_log_values.discard(given["certificate"])
    content = given_content({**given, "certificate_chain": None, "certificate_chain_src": None})
    return authority_to_import(content, ProcessOpener(given["passphrase"]))
