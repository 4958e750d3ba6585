# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A shared authority in Secrets Manager as it is wanted: there, with its clients, or gone with all of them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..._core.ca.keys import generate_key, quick_key
from ..._core.shared_ca.facts import facts, outcome_items, shown
from ..._core.shared_ca.state import Names, State
from ..._ports.aws.shared_secrets import SharedSecrets
from ..._ports.openssl.peers import why_not_believed
from .known_clients import known_clients
from .overlay import Overlay
from .present import Wish, bring_about, import_warning, refuse_unusable_import
from .steward import Steward


@dataclass(frozen=True)
class Removal:
    """removed: names of the secrets that are now marked for deletion; in check mode, that would be."""

    names: Names
    removed: t.Sequence[str]

    def as_result(self) -> dict[str, t.Any]:
        return {
            "changed": bool(self.removed),
            "prefix": self.names.prefix,
            "items": {self.names.item(name): "removed" for name in self.removed},
        }

    def diff(self) -> dict[str, t.Any]:
        return {"before": {"secrets": self.removed}, "after": {"secrets": []}}


@dataclass(frozen=True)
class Restoration:
    """In check mode: what a deleted secret holds cannot be read, so nobody knows what follows.

    changes: operations of AWS that would be called.
    """

    names: Names
    changes: t.Sequence[str]

    def as_result(self) -> dict[str, t.Any]:
        return {"changed": True, "prefix": self.names.prefix, "items": {}, "changes": self.changes}

    def diff(self) -> dict[str, t.Any]:
        return {"before": {}, "after": {"changes": self.changes}}


@dataclass(frozen=True)
class Presence:
    """told: facts of what is stored; items: outcomes by secret; changes: operations of AWS on secrets' properties.

    before, after: this run; in check mode, after it would have run.
    """

    changed: bool
    told: t.Mapping[str, t.Any]
    items: t.Mapping[str, str]
    changes: t.Sequence[str]
    before: State
    after: State

    def as_result(self) -> dict[str, t.Any]:
        return {"changed": self.changed, **self.told, "items": self.items, "changes": self.changes}

    def diff(self) -> dict[str, t.Any]:
        return {"before": shown(self.before), "after": shown(self.after)}


@dataclass(frozen=True)
class AuthorityProvider:
    """source, names: where it is; now: the clock; warn: told what the user should know.

    check_mode: write nothing, and tell what a run would do.
    """

    source: SharedSecrets
    names: Names
    now: t.Callable[[], datetime]
    warn: t.Callable[[str], None]
    check_mode: bool

    def remove(self, clients: t.Iterable[str], recovery_window: int) -> Removal:
        """Mark all secrets for deletion, those of clients that are stored, but not named, too.

        recovery_window: days in which a deletion can be taken back. Raises SecretsManagerError.
        """
        every = dict.fromkeys([*clients, *known_clients(self.source, self.names, self.warn)])
        secrets = self.names.secrets(every)
        return Removal(
            self.names,
            [name for name in secrets if self.source.delete(name, recovery_window, dry=self.check_mode)],
        )

    def provide(self, wish: Wish, warn_before: timedelta, *, properties: bool, restore: bool) -> Presence | Restoration:
        """properties: those of the source are for existing secrets, too; restore: take back a deletion.

        Raises RotationError, see present.bring_about.
        """
        clients = [client.name for client in wish.clients]
        changes = []
        if restore:
            if wish.imported:  # what is deleted cannot be compared with it
                refuse_unusable_import(wish, wish.imported, self.now())
            changes = self._bring_properties(clients, restore)
        if self.check_mode and "RestoreSecret" in changes:
            return Restoration(self.names, changes)
        store = Overlay(self.source) if self.check_mode else self.source
        steward = Steward(store, self.names, self.now(), quick_key if self.check_mode else generate_key)
        others: list[str] = []
        if wish.force or wish.renew_expired:
            others = known_clients(self.source, self.names, self.warn)
        before = steward.look(clients)
        after = bring_about(steward, wish, before, others)
        warning = import_warning(wish, before, steward.at)
        if warning:
            self.warn(warning)
        if properties and not restore:
            changes = self._bring_properties(clients, restore)
        predicted = self.check_mode and steward.changed
        told = facts(before if predicted else after, steward.at, warn_before, why_not_believed)
        for problem in () if predicted else told["problems"]:
            self.warn(f"{problem['name']}: {problem['message']} [{problem['code']}]")
        return Presence(
            changed=steward.changed or bool(changes),
            told=told,
            items=outcome_items(after, steward.outcomes),
            changes=changes,
            before=before,
            after=after,
        )

    def _bring_properties(self, clients: t.Iterable[str], restore: bool) -> list[str]:
        """Restore what is deleted, and bring tags, key and replicas of existing secrets up to date."""
        secrets = self.names.secrets(clients)
        found = [self.source.bring_properties(name, restore=restore, dry=self.check_mode) for name in secrets]
        return [operation for operations in found for operation in operations]
