# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account is found, registered, given another key and deactivated; whoever dies where, and whoever else is at it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account_secret import (
    AccountDocument,
    read_account,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import quick_key
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError, InvalidOption, RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.account import (
    AccountKeeper,
    AccountReport,
    AccountWish,
    find_or_register,
)
from ansible_collections.certops.rotation.tests.support.account_authority import DIRECTORY, TERMS, MemoryAccounts
from ansible_collections.certops.rotation.tests.support.memory_secrets import Killed, MemorySecrets

AT = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)
SECRET, EAB = "acme/account", "acme/eab"
ALICE, BOB = ("mailto:alice@example.com",), ("mailto:bob@example.com",)
WISH = AccountWish(DIRECTORY, SECRET, eab_secret=EAB, contacts=ALICE, terms_agreed=True)
ROLL_OVER = dataclasses.replace(WISH, key_lifetime=timedelta(0))


class Scene:
    def __init__(self, **authority: bool) -> None:
        self.secrets = MemorySecrets()
        self.secrets.put(EAB, json.dumps({"kid": "kid-1", "hmac": "c2VjcmV0LWtleQ"}))
        self.authority = MemoryAccounts(**authority)

    def keeper(self, wish: AccountWish = WISH, *, at: datetime = AT, dry: bool = False) -> AccountKeeper:
        return AccountKeeper(
            self.secrets, self.authority, wish, at, dry=dry, make_key=quick_key, pause=lambda seconds: None
        )

    def present(self, wish: AccountWish = WISH, **options: t.Any) -> AccountReport:
        return self.keeper(wish, **options).present()

    @property
    def document(self) -> AccountDocument:
        return read_account(self.secrets.current(SECRET), SECRET, DIRECTORY)

    def assert_whole(self, *, accounts: int = 1) -> None:
        """The stored key is the one that the CA knows, and nothing is left of what was begun."""
        assert set(self.authority.accounts) >= {self.document.key_pem}
        assert self.document.url == self.authority.accounts[self.document.key_pem].url
        assert len(self.authority.accounts) == accounts, "no account was lost"
        assert "AWSPENDING" not in self.secrets.labels[SECRET]

    def kill_at(self, number: int) -> t.Callable[[], bool]:
        """Just before, or just after, the change of this number. Returns whether there was one."""
        counter = itertools.count()

        def reach(change: str) -> None:
            if next(counter) == number:
                raise Killed(change)

        hooks = (self.secrets, self.authority)
        for each in hooks:
            each.before = each.after = reach

        def heal() -> bool:
            for each in hooks:
                each.before = each.after = lambda change: None
            return next(counter) > number

        return heal


def four_times(scene: Scene, call: t.Callable[[AccountKeeper], AccountReport], wish: AccountWish) -> AccountReport:
    """Check, run, check, run."""
    before = (len(scene.secrets.writes), dict(scene.authority.accounts))
    check = call(scene.keeper(wish, dry=True))
    assert before == (len(scene.secrets.writes), scene.authority.accounts)
    run = call(scene.keeper(wish))
    after = (len(scene.secrets.writes), dict(scene.authority.accounts))
    rest = [call(scene.keeper(wish, dry=True)), call(scene.keeper(wish))]
    assert after == (len(scene.secrets.writes), scene.authority.accounts)
    assert [each.action for each in rest] == ["unchanged", "unchanged"]
    assert check.action == run.action
    return run


@pytest.mark.parametrize("eab_required", [False, True])
@pytest.mark.parametrize("keeps_contacts", [False, True])
def test_register(eab_required: bool, keeps_contacts: bool) -> None:
    """A CA that does not say the contacts (Let's Encrypt keeps none) is not told them again in each run."""
    scene = Scene(eab_required=eab_required, keeps_contacts=keeps_contacts)
    report = four_times(scene, AccountKeeper.present, WISH)
    assert (report.action, report.status) == ("registered", "valid")
    scene.assert_whole()
    assert (scene.document.contacts, scene.document.eab_key_id) == (ALICE, "kid-1")
    assert report.document == scene.document
    assert scene.authority.calls.count("register") == 1


def test_the_key_is_stored_before_the_ca_hears_of_it() -> None:
    scene = Scene()
    seen: list[str] = []
    scene.authority.before = lambda change: seen.append(scene.secrets.current(SECRET))
    scene.present()
    assert read_account(seen[0], SECRET, DIRECTORY).key_pem == scene.document.key_pem


def test_a_key_that_is_there_is_looked_for_first() -> None:
    """An account that was registered with the CA before keeps its key, and its binding is not used again."""
    scene = Scene(eab_required=True)
    scene.present()
    scene.secrets.put(SECRET, scene.document.key_pem)
    scene.authority.calls.clear()
    report = scene.present()
    assert (report.action, scene.authority.calls) == ("found", ["find"])
    scene.assert_whole()


def test_a_run_that_changes_nothing_asks_once() -> None:
    scene = Scene()
    scene.present()
    scene.authority.calls.clear()
    writes = len(scene.secrets.writes)
    report = find_or_register(scene.secrets, scene.authority, WISH, AT)
    assert (report.changed, scene.authority.calls, len(scene.secrets.writes)) == (False, ["find"], writes)
    assert report.document == scene.document


@pytest.mark.parametrize("eab_required", [False, True])
def test_killed_at_any_point_of_a_registration(eab_required: bool) -> None:
    killed = 0
    for number in itertools.count():
        scene = Scene(eab_required=eab_required)
        heal = scene.kill_at(number)
        try:
            scene.present()
        except Killed:
            killed += 1
        if not heal():
            break
        scene.present()
        scene.assert_whole()
        assert scene.present().action == "unchanged"
    assert killed == 6, "before and after each of three changes"


def test_killed_at_any_point_of_a_rollover() -> None:
    killed = 0
    for number in itertools.count():
        scene = Scene()
        scene.present()
        old = scene.document
        heal = scene.kill_at(number)
        try:
            scene.present(ROLL_OVER)
        except Killed:
            killed += 1
        if not heal():
            break
        usable = find_or_register(scene.secrets, scene.authority, WISH, AT)
        assert usable.document is not None
        assert usable.document.key_pem in scene.authority.accounts, "orders go on with the key that is valid"
        scene.present()
        scene.assert_whole()
        if number:  # a new key was about to be stored
            assert scene.document.key_pem != old.key_pem
        assert scene.document.url == old.url
        assert scene.present().action == "unchanged"
    assert killed == 8, "before and after each of four changes"


def test_killed_at_any_point_of_a_deactivation() -> None:
    killed = 0
    for number in itertools.count():
        scene = Scene()
        scene.present()
        heal = scene.kill_at(number)
        try:
            scene.keeper().absent()
        except Killed:
            killed += 1
        if not heal():
            break
        scene.keeper().absent()
        assert scene.document.deactivated == AT
        assert scene.keeper().absent().action == "unchanged"
    assert killed == 4


def test_roll_over() -> None:
    scene = Scene()
    scene.present()
    old = scene.document
    assert scene.present(dataclasses.replace(WISH, key_lifetime=timedelta(days=30))).action == "unchanged"
    later = AT + timedelta(days=30)
    wish = dataclasses.replace(WISH, key_lifetime=timedelta(days=30))
    assert scene.present(wish, at=later, dry=True).action == "key_changed"
    assert scene.document == old
    report = scene.present(wish, at=later)
    assert report.action == "key_changed"
    scene.assert_whole()
    assert (scene.document.key_pem != old.key_pem, scene.document.key_created) == (True, later)
    assert (scene.document.url, scene.document.created) == (old.url, AT)
    assert scene.present(wish, at=later).action == "unchanged"


def test_an_answer_to_the_rollover_that_never_came() -> None:
    scene = Scene()
    scene.present()

    def lost(change: str) -> None:
        if change == "change_key":
            raise AcmeError("no answer", "authority")

    scene.authority.after = lost
    assert scene.present(ROLL_OVER).action == "key_changed"
    scene.assert_whole()


def test_a_rollover_that_the_ca_refuses_keeps_the_key() -> None:
    scene = Scene()
    scene.present()
    old = scene.document

    def refuse(change: str) -> None:
        raise AcmeError("not today", "request")

    scene.authority.before = refuse
    with pytest.raises(AcmeError, match="not today"):
        scene.present(ROLL_OVER)
    assert scene.document == old
    assert find_or_register(scene.secrets, scene.authority, WISH, AT).document == old
    scene.authority.before = lambda change: None
    assert scene.present().action == "key_changed", "it is ended by the next run"
    scene.assert_whole()


@pytest.mark.parametrize("point", range(6))
def test_two_register_at_once(point: int) -> None:
    """The other one does all of it before, or after, a change of the first one."""
    scene = Scene(eab_required=True)
    counter = itertools.count()

    def reach(change: str) -> None:
        if next(counter) == point:
            scene.secrets.before = scene.secrets.after = lambda change: None
            scene.authority.before = scene.authority.after = lambda change: None
            scene.present()

    for each in (scene.secrets, scene.authority):
        each.before = each.after = reach
    report = scene.present()
    assert report.document is not None
    assert report.document.key_pem == scene.document.key_pem
    scene.assert_whole()
    assert scene.present().action == "unchanged"


@pytest.mark.parametrize("point", range(8))
def test_two_roll_over_at_once(point: int) -> None:
    scene = Scene()
    scene.present()
    counter = itertools.count()

    def reach(change: str) -> None:
        if next(counter) == point:
            scene.secrets.before = scene.secrets.after = lambda change: None
            scene.authority.before = scene.authority.after = lambda change: None
            scene.present(ROLL_OVER)

    for each in (scene.secrets, scene.authority):
        each.before = each.after = reach
    scene.present(ROLL_OVER)
    scene.present()
    scene.assert_whole()


@pytest.mark.parametrize("point", range(2))
def test_contacts_told_while_another_process_rolls_over(point: int) -> None:
    """Its document, with the key of before, must not take the place of the new one."""
    scene = Scene()
    scene.present()
    counter = itertools.count()

    def reach(change: str) -> None:
        if next(counter) == point:
            scene.secrets.before = scene.authority.before = lambda change: None
            scene.present(ROLL_OVER)

    scene.secrets.before = scene.authority.before = reach
    try:
        scene.present(dataclasses.replace(WISH, contacts=BOB))
    except AcmeError:
        assert point == 0, "the key was another one before the CA was told"
    scene.present()
    scene.assert_whole()


@pytest.mark.parametrize("keeps_contacts", [False, True])
def test_contacts(keeps_contacts: bool) -> None:
    scene = Scene(keeps_contacts=keeps_contacts)
    scene.present()
    changed = four_times(scene, AccountKeeper.present, dataclasses.replace(WISH, contacts=BOB))
    assert (changed.action, scene.document.contacts) == ("contacts_changed", BOB)
    left = four_times(scene, AccountKeeper.present, dataclasses.replace(WISH, contacts=None))
    assert (left.action, scene.document.contacts) == ("unchanged", BOB)
    both = dataclasses.replace(WISH, contacts=(*ALICE, *BOB))
    four_times(scene, AccountKeeper.present, both)
    turned = dataclasses.replace(WISH, contacts=(*BOB, *ALICE))
    assert four_times(scene, AccountKeeper.present, turned).action == "unchanged", "their order means nothing"
    removed = four_times(scene, AccountKeeper.present, dataclasses.replace(WISH, contacts=()))
    assert (removed.action, scene.document.contacts) == ("contacts_changed", ())


def test_deactivate() -> None:
    scene = Scene()
    assert four_times(scene, AccountKeeper.absent, WISH).action == "unchanged"
    assert SECRET not in scene.secrets.texts
    scene.present()
    report = four_times(scene, AccountKeeper.absent, WISH)
    assert (report.action, report.status) == ("deactivated", "deactivated")
    assert [facts.status for facts in scene.authority.accounts.values()] == ["deactivated"]
    calls = len(scene.authority.calls)
    with pytest.raises(RotationError, match="deactivated") as caught:
        scene.present()
    assert SECRET in caught.value.message
    assert len(scene.authority.calls) == calls, "what is known is not asked"


def test_deactivated_elsewhere() -> None:
    scene = Scene()
    scene.present()
    scene.authority.deactivate(scene.document.key_pem, scene.document.url or "")
    with pytest.raises(RotationError, match="deactivated"):
        scene.present()


@pytest.mark.parametrize("dry", [True, False])
def test_the_terms_are_shown(dry: bool) -> None:
    scene = Scene()
    with pytest.raises(InvalidOption, match=TERMS):
        scene.present(dataclasses.replace(WISH, terms_agreed=False), dry=dry)
    assert SECRET not in scene.secrets.texts, "nothing was made yet"


def test_an_account_that_exists_needs_no_terms() -> None:
    scene = Scene()
    scene.present()
    assert scene.present(dataclasses.replace(WISH, terms_agreed=False)).action == "unchanged"


@pytest.mark.parametrize("dry", [True, False])
def test_a_binding_that_is_missing(dry: bool) -> None:
    scene = Scene(eab_required=True)
    with pytest.raises(InvalidOption, match="eab_secret"):
        scene.present(dataclasses.replace(WISH, eab_secret=None), dry=dry)
    assert SECRET not in scene.secrets.texts


def test_a_binding_whose_secret_is_missing() -> None:
    scene = Scene(eab_required=True)
    with pytest.raises(RotationError, match="acme/elsewhere"):
        scene.present(dataclasses.replace(WISH, eab_secret="acme/elsewhere"))


def test_a_binding_that_was_used() -> None:
    scene = Scene(eab_required=True)
    scene.present()
    other = dataclasses.replace(WISH, secret="acme/other")
    with pytest.raises(AcmeError, match="binding"):
        scene.present(other)


def test_an_account_that_the_ca_has_lost() -> None:
    scene = Scene()
    old = scene.present().document
    scene.authority.accounts.clear()
    report = scene.present()
    assert report.action == "registered"
    assert "does not know" in report.warnings[0]
    assert old is not None
    assert scene.document.key_pem == old.key_pem
    scene.assert_whole()


def test_somebody_went_back_to_the_version_before() -> None:
    """The successor of that version exists already, and must not stand in the way."""
    scene = Scene()
    scene.present()
    labels = scene.secrets.labels[SECRET]
    labels["AWSCURRENT"], labels["AWSPREVIOUS"] = labels["AWSPREVIOUS"], labels["AWSCURRENT"]
    assert scene.document.url is None
    assert scene.present().action == "found"
    scene.assert_whole()
    assert scene.present().action == "unchanged"


def test_others_who_never_stop() -> None:
    scene = Scene()
    scene.secrets.after = lambda write: scene.secrets.put(SECRET, scene.document.key_pem)
    with pytest.raises(RotationError, match="does not settle"):
        scene.present()


def test_an_account_of_another_directory() -> None:
    scene = Scene()
    scene.present()
    with pytest.raises(RotationError, match="belongs to one directory"):
        scene.present(dataclasses.replace(WISH, directory="https://acme-staging.example.com/directory"))
