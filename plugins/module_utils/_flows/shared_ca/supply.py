# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From where a host takes what it shares: from Secrets Manager, else from what it has, else from itself."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..._core.ca.keys import KeyMaker
from ..._core.ca.profiles import Subject
from ..._core.secrets.shared import SecretStore
from ..._core.shared_ca.material import Material
from ..._core.shared_ca.state import Names
from ..._errors import RotationError, SecretsManagerError
from ..._ports.aws.shared_secrets import failure_kind
from ..._ports.store.embedded import EmbeddedAuthority
from .embedded import NAMES, bring_about_embedded, save, stored
from .member import MemberWish, Taken, missing, problems, take
from .signing import SignersAnswer, Signing
from .steward import Steward

_NOT_EC2 = (
    "This host does not seem to be on EC2: no instance metadata (IMDSv2) within 2 seconds. To use Secrets Manager from"
    " here, set use_secrets_manager: true; for an authority of this host alone, false."
)


class Unavailable(Exception):
    """Secrets Manager cannot be used now. reason: "denied", "unreachable", "other", "no_region" or "not_ec2"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def require_a_way(choice: str, *, on_ec2: bool, has_region: t.Callable[[], bool]) -> None:
    """Raises Unavailable when it is clear without asking that Secrets Manager cannot be used.

    choice: "auto" or "true"; has_region: whether one is known, without that of the instance.
    """
    if choice == "auto" and not on_ec2:
        raise Unavailable("not_ec2", _NOT_EC2)
    if not has_region() and not on_ec2:
        raise Unavailable("no_region", "There is no region: give region, or set AWS_REGION.")


class Supply(t.NamedTuple):
    """source: "secrets_manager", "embedded" or "kept"; taken: None for what is kept; why: Secrets Manager was not used;
    warning: for the user, "" for none."""

    source: str
    taken: Taken | None
    why: Unavailable | None = None
    warning: str = ""


@dataclass(frozen=True)
class Supplier:
    """names: of the secrets; store: makes what reads them, or raises Unavailable; None for an authority of the host's
    own, with certificates of this subject and this kind of key. on_unavailable: "keep", "fail" or "embedded".
    answer: of the signer, for a host that does not read the shared authority's key; None for one that does.
    """

    wish: MemberWish
    names: Names
    store: t.Callable[[], SecretStore] | None
    on_unavailable: str
    embedded: EmbeddedAuthority
    subject: Subject
    key_type: str
    at: datetime
    warn_before: timedelta
    make_key: KeyMaker
    check_mode: bool
    answer: SignersAnswer | None = None

    def supply(self, installed: Material, waiting: t.Any = None) -> Supply:
        """waiting: key that waits for the signer's certificate, None where there is none.

        Raises RotationError: for what is absent, deleted, expired or torn, and where the host cannot go on; and
        SignatureNeeded.
        """
        if self.store is None:
            return Supply("embedded", self._take_embedded(installed))
        try:
            return Supply("secrets_manager", self._take_shared(self.store, installed, waiting))
        except Unavailable as why:
            return self._fall_back(installed, why)

    def _take_shared(self, make_store: t.Callable[[], SecretStore], installed: Material, waiting: t.Any) -> Taken:
        store = make_store()
        signing = Signing(waiting, self.answer, self.on_unavailable == "fail") if self.answer else None
        try:
            return take(Steward(store, self.names, self.at), self.make_key, self.wish, installed, signing)
        except SecretsManagerError as error:
            reason = failure_kind(error)
            if reason in ("deleted", "absent"):
                raise RotationError(error.message, **error.details, reason=reason) from None
            raise Unavailable(reason, error.message) from None

    def _fall_back(self, installed: Material, why: Unavailable) -> Supply:
        """What this host has goes on, if it is good; else an authority of its own, if that is allowed."""
        found = problems(installed, self.at, self.warn_before)
        broken = [problem for problem in found if problem.severity == "error"] + missing(installed, self.wish)
        choice, own = self.on_unavailable, self.embedded.authority()
        if choice == "embedded" and (broken or (own and installed.authorities == own.path)):
            warning = f"{why.message} This host uses an authority of its own, which no other host trusts."
            return Supply("embedded", self._take_embedded(installed), why, warning)
        if choice == "fail" or broken:
            has_not = f" And this host cannot go on: {broken[0].message}" if broken and choice != "fail" else ""
            raise RotationError(f"{why.message}{has_not}", reason=why.reason)
        return Supply("kept", None, why, f"{why.message} What this host has is good, and stays as it is.")

    def _take_embedded(self, installed: Material) -> Taken:
        steward = Steward(stored(self.embedded, self.wish.clients), NAMES, self.at, self.make_key)
        state = bring_about_embedded(steward, self.wish.clients, self.subject, self.key_type)
        taken = take(steward, self.make_key, self.wish, installed)
        if steward.changed and not self.check_mode:
            save(self.embedded, state)
        return taken
