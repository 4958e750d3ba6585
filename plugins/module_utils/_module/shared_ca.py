# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca: one authority and its clients for all hosts, created once, however many begin at the same moment."""

from __future__ import annotations

import os
import typing as t

from .._errors import InvalidOption, RotationError
from .._ports.aws.instance_metadata import look_up_instance
from .._ports.aws.shared_secrets import SharedSecrets
from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .given import given_content
from .shared_ca_common import (
    CLIENT_NAME_CHARACTERS,
    CREATION_OPTIONS,
    PREFIX_OPTION,
    SUBJECT_DEFAULTS,
    WARN_OPTION,
    facts,
    failures_told_apart,
    key_spec,
    known_clients,
    now,
    secret_names,
    shared_secrets,
    shown,
    warn_before,
)

if t.TYPE_CHECKING:
    from .._core.ca.issue import Issuer
    from .._core.ca.profiles import Profile, Subject
    from .._core.shared_ca.state import State
    from .._flows.shared_ca.present import Wish
    from .._flows.shared_ca.steward import ClientWish
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


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module), failures_told_apart():
        if not _uses_secrets_manager(module):
            module.exit_json(changed=False, skipped=True, prefix=module.params["prefix"], items={}, api_calls={})
        require_library("cryptography")
        job = _AuthorityJob(module, shared_secrets(module))
        result = job.absent() if module.params["state"] == "absent" else job.present()
        diff = result.pop("diff")
        module.exit_json(**result, api_calls=dict(job.source.api_calls), **({"diff": diff} if module._diff else {}))


def _uses_secrets_manager(module: AwsModule) -> bool:
    """By the option use_secrets_manager. Takes the region from the instance metadata, where there is no other one."""
    choice: str = module.params["use_secrets_manager"]
    if choice == "false" or (choice == "true" and module.region):
        return choice == "true"
    instance = look_up_instance(os.environ)
    if instance and not module.region:
        module.params["region"] = instance.region
    return choice == "true" or instance is not None


class _AuthorityJob:
    """One call of the module."""

    def __init__(self, module: AwsModule, source: SharedSecrets) -> None:
        self.source = source
        self._params: t.Mapping[str, t.Any] = module.params
        self._check_mode: bool = module.check_mode
        self._warn = module.warn
        self._hidden: set[str] = module.no_log_values
        self._names = secret_names(module.params)

    def absent(self) -> dict[str, t.Any]:
        window = self._params["recovery_window_days"]
        if not 7 <= window <= 30:
            raise InvalidOption("recovery_window_days: AWS keeps a deleted secret for 7 to 30 days.")
        listed = [client["name"] for client in self._params["clients"] or [{"name": "admin"}]]
        clients = dict.fromkeys([*listed, *known_clients(self.source, self._names, self._warn)])
        removed = [name for name in self._secrets(clients) if self.source.delete(name, window, dry=self._check_mode)]
        return {
            "changed": bool(removed),
            "prefix": self._names.prefix,
            "items": {self._names.item(name): "removed" for name in removed},
            "diff": {"before": {"secrets": removed}, "after": {"secrets": []}},
        }

    def present(self) -> dict[str, t.Any]:
        from .._core.ca.keys import generate_key, quick_key
        from .._flows.shared_ca.overlay import Overlay
        from .._flows.shared_ca.present import bring_about
        from .._flows.shared_ca.steward import Steward

        params, warn = self._params, warn_before(self._params)
        wish = self._wish()
        clients = [client.name for client in wish.clients]
        changes = self._bring_properties(clients)
        store = Overlay(self.source) if self._check_mode else self.source
        steward = Steward(store, self._names, now(), quick_key if self._check_mode else generate_key)
        if self._check_mode and "RestoreSecret" in changes:  # what a deleted secret holds cannot be read
            return self._restored_later(changes)
        others: list[str] = []
        if params["force"] or params["renew_expired"]:
            others = known_clients(self.source, self._names, self._warn)
        before = steward.look(clients)
        after = bring_about(steward, wish, before, others)
        if self._check_mode and steward.changed:
            result = facts(before, steward.at, warn, with_keys=False)
        else:
            result = facts(after, steward.at, warn, with_keys=False)
            for problem in result["problems"]:
                self._warn(f"{problem['name']}: {problem['message']} [{problem['code']}]")
        return {
            "changed": steward.changed or bool(changes),
            **result,
            "items": self._items(after, clients, steward.outcomes),
            "changes": changes,
            "diff": {"before": shown(before), "after": shown(after)},
        }

    def _items(self, state: State, clients: t.Sequence[str], outcomes: t.Mapping[str, str]) -> dict[str, str]:
        """Secret, without the prefix -> generated, retrieved or renewed."""
        there = {self._names.ca_cert, self._names.ca_key, *outcomes}
        there |= {self._names.crl} if state.crl else set()
        for name in clients:
            if state.clients[name].pair:
                there |= {self._names.client_cert(name), self._names.client_key(name)}
        return {self._names.item(name): outcomes.get(name, "retrieved") for name in sorted(there)}

    def _bring_properties(self, clients: t.Iterable[str]) -> list[str]:
        """Restore what is deleted, and bring tags, key and replicas of existing secrets up to date, where asked for."""
        params, restore = self._params, self._params["on_deleted"] == "restore"
        if not restore and all(params[name] is None for name in CREATION_OPTIONS):
            return []
        names = self._secrets(clients)
        found = [self.source.bring_properties(name, restore=restore, dry=self._check_mode) for name in names]
        return [operation for operations in found for operation in operations]

    def _restored_later(self, changes: list[str]) -> dict[str, t.Any]:
        return {
            "changed": True,
            "prefix": self._names.prefix,
            "items": {},
            "changes": changes,
            "diff": {"before": {}, "after": {"changes": changes}},
        }

    def _secrets(self, clients: t.Iterable[str]) -> list[str]:
        """All names, in the reverse order of their making."""
        names = self._names
        pairs = [name for client in clients for name in (names.client_cert(client), names.client_key(client))]
        return [names.crl, *pairs, names.ca_cert, names.ca_key]

    # -- what is wanted -----------------------------------------------------------------------------------------

    def _wish(self) -> Wish:
        """Raises InvalidOption, before anything is stored."""
        from .._core.ca.profiles import Profile, Subject, days
        from .._flows.shared_ca.present import Wish

        params = self._params
        given = {name: text for name, text in (params["subject"] or {}).items() if text is not None}
        own = {"common_name": "Joblet-CA", "organizational_unit": "CA", **given}
        key = key_spec(params["key_type"], params["key_size"], _CA_SIZES)
        subject = Subject(**own)
        clients = params["clients"] if params["clients"] is not None else [_DEFAULT_CLIENT]
        names = [client["name"] for client in clients]
        if len(set(names)) < len(names):
            raise InvalidOption("clients: a name is there more than once.")
        return Wish(
            authority=Profile(subject.name(), key, days(params["validity_days"])),
            clients=tuple(self._client(client, subject) for client in clients),
            imported=self._imported(),
            force=params["force"],
            renew_expired=params["renew_expired"],
        )

    def _client(self, client: t.Mapping[str, t.Any], authority: Subject) -> ClientWish:
        import dataclasses

        from .._flows.shared_ca.steward import ClientWish

        name = client["name"]
        if not name or not set(name) <= CLIENT_NAME_CHARACTERS:
            raise InvalidOption(f"clients: {name!r} cannot be part of a secret's name: use letters, digits and _.@+=-.")
        subject = dataclasses.replace(
            authority,
            organizational_unit=client["role"] or name,
            common_name=client["common_name"] or f"{name}-client",
        )
        return ClientWish(name, self._client_profile(subject, client), client["state"] == "revoked")

    def _client_profile(self, subject: Subject, client: t.Mapping[str, t.Any]) -> Profile:
        from .._core.ca.profiles import Profile, days

        key = key_spec(self._params["key_type"], self._params["client_key_size"], _CLIENT_SIZES)
        return Profile(subject.name(), key, days(client["validity_days"], "clients: validity_days"))

    def _imported(self) -> Issuer | None:
        """Raises InvalidOption, or MaterialError when it cannot be read."""
        from .._core.ca.issue import Issuer
        from .._core.x509.document import parse_secret
        from .._ports.openssl.opener import ProcessOpener

        given = self._params["import_from"]
        if given is None:
            return None
        if given["certificate"] and "PRIVATE KEY" not in given["certificate"]:
            # Hidden only in case that somebody pastes the key along: the certificate itself is returned.
            self._hidden.discard(given["certificate"])
        content = given_content({**given, "certificate_chain": None, "certificate_chain_src": None})
        material = parse_secret(content, ProcessOpener(given["passphrase"]))
        if len(material.certificates) != 1:
            raise RotationError(
                f"import_from: there are {len(material.certificates)} certificates: give one authority."
            )
        return Issuer(material.certificates[0], material.private_key)


_DEFAULT_CLIENT = {"name": "admin", "role": None, "common_name": None, "validity_days": 365, "state": "present"}
