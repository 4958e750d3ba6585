# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A shared authority in memory: killed between any two writes, raced against, replaced step by step."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.judge import is_issued_by
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import quick_key
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import KeySpec, Profile, Subject
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.plan import CURRENT
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.state import Names, observe
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError, SecretsManagerError
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca import steward as steward_module
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.overlay import Overlay
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.present import Wish, bring_about
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.rotation import AuthorityRotation
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.steward import ClientWish, Steward

AT = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
EC = KeySpec("ec", 256)
NAMES = Names("joblet")
CLIENTS = ("admin", "ci")
SECRETS = [f"joblet/{name}-{kind}" for name in ("ca", "client") for kind in ("key", "cert")]


@pytest.fixture
def unrehearsed(monkeypatch):
    """For tests of hundreds of runs, which are about writes alone."""
    monkeypatch.setattr(Steward, "_rehearse", lambda *_asked: None)
    monkeypatch.setattr(steward_module, "why_not_believed", lambda _question: None)


class Killed(BaseException):
    """The process is gone."""


class Doomed:
    """A store whose user is killed after so many writes."""

    def __init__(self, store, writes):
        self._store, self._left = store, writes
        self.fetch, self.every_text = store.fetch, store.every_text

    def __getattr__(self, name):
        def write(*args, **options):
            if self._left == 0:
                raise Killed
            self._left -= 1
            return getattr(self._store, name)(*args, **options)

        return write


class Raced:
    """A store that lets another one run to its end before the write of this number."""

    def __init__(self, store, number, other):
        self._store, self._left, self._other = store, number, other
        self.fetch, self.every_text = store.fetch, store.every_text

    def __getattr__(self, name):
        def write(*args, **options):
            if self._left == 0:
                self._other()
            self._left -= 1
            return getattr(self._store, name)(*args, **options)

        return write


class Labelled:
    """A store that shows versions with a label only, as AWS does."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def fetch(self, name):
        found = self._store.fetch(name)
        if found is None:
            return None
        current = found.labels[CURRENT]
        former = [version.version_id for version in found.versions]
        former = former[: former.index(current)][-1:]  # what AWS labels AWSPREVIOUS
        shown = {*found.labels.values(), *former}
        versions = tuple(version for version in found.versions if version.version_id in shown)
        return dataclasses.replace(found, versions=versions)


def steward(store, at=AT):
    return Steward(store, NAMES, at, quick_key, pause=lambda seconds: None)


def wish(*revoked, renew_before=None, validity=365 * DAY, **options):
    clients = [
        ClientWish(name, Profile(Subject(f"{name}-client", name).name(), EC, validity), name in revoked, renew_before)
        for name in CLIENTS
    ]
    return Wish(Profile(Subject("Joblet-CA", "CA").name(), EC, 1095 * DAY), tuple(clients), **options)


def present(store, *revoked, at=AT, **options):
    someone = steward(store, at)
    return bring_about(someone, wish(*revoked, **options), someone.look(CLIENTS), CLIENTS), someone


def rotation(store):
    return AuthorityRotation(steward(store), [ClientWish(name) for name in CLIENTS])


def seen(store):
    return observe(store, NAMES, CLIENTS)


def assert_whole(state, revoked=()):
    """Each certificate has its key, and each client is of a trusted authority, but those that are revoked."""
    assert state.current is not None
    assert state.current.key is not None
    for pair in (state.successor, state.retiring):
        assert pair is None or pair.key is not None
    for client in state.clients.values():
        if client.pair is not None and client.name not in revoked:
            assert client.pair.key is not None
            assert any(is_issued_by(client.pair.certificate, authority) for authority in state.trusted)


def prepared(*steps, revoked=()):
    store = Overlay()
    present(store)
    if revoked:
        present(store, *revoked)
    for step in steps:
        getattr(rotation(store), step)()
    return store


def fingerprint(store):
    return seen(store).current.certificate.fingerprint_sha256


# Bootstrap


def test_made_once():
    store = Overlay()
    state, first = present(store)
    assert_whole(state)
    assert set(first.outcomes.values()) == {"generated"}
    assert len(first.outcomes) == 6
    again, second = present(store)
    assert (again, second.changed, second.outcomes) == (state, False, {})
    assert state.phase == "settled"


@pytest.mark.usefixtures("unrehearsed")
def test_killed_at_any_point_and_completed():
    for writes in range(7):
        store = Overlay()
        if writes < 6:
            with pytest.raises(Killed):
                present(Doomed(store, writes))
        state, _someone = present(store)
        assert_whole(state)
        assert all(client.pair for client in state.clients.values())


@pytest.mark.usefixtures("unrehearsed")
def test_another_one_is_quicker_at_any_point():
    for number in range(6):
        store = Overlay()
        state, loser = present(Raced(store, number, lambda store=store: present(store)))
        assert_whole(state)
        assert {len(secret.versions) for secret in map(store.fetch, SECRETS)} == {1}
        assert len(loser.outcomes) == number


@pytest.mark.usefixtures("unrehearsed")
def test_two_alternate_at_any_two_points():
    for first, second in itertools.product(range(6), repeat=2):
        store = Overlay()

        def other(store=store, second=second):
            with contextlib.suppress(Killed):
                present(Doomed(store, second))

        state, _someone = present(Raced(store, first, other))
        assert_whole(state)
        assert state == seen(store)


def test_a_certificate_without_its_key_is_told():
    full = prepared()
    for lost in ("joblet/ca-key", "joblet/client-key-ci"):
        store = Overlay(Without(full, lost))
        with pytest.raises(RotationError, match=r"private key is not stored.*force: true"):
            present(store)
        state, _someone = present(store, force=True)
        assert_whole(state)
        assert state.phase == "settled"


class Without:
    """A store of which somebody has deleted a secret."""

    def __init__(self, store, name):
        self._store, self._name = store, name

    def fetch(self, name):
        return None if name == self._name else self._store.fetch(name)


def test_a_key_alone_gets_its_certificate():
    full = prepared()
    key = full.fetch("joblet/ca-key")
    store = Overlay()
    store.create("joblet/ca-key", key.versions[0].text)
    state, _someone = present(store)
    assert_whole(state)
    assert store.fetch("joblet/ca-key").versions[0].text == key.versions[0].text


# Dates


def test_an_expired_client_keeps_its_key():
    store = prepared()
    before = seen(store)
    state, someone = present(store, at=AT + 366 * DAY)
    assert set(someone.outcomes) == {"joblet/client-cert", "joblet/client-cert-ci"}
    for name in CLIENTS:
        assert state.clients[name].pair.certificate.not_after == AT + 731 * DAY
        assert state.clients[name].keys == before.clients[name].keys
    assert_whole(state)


def ends(state):
    return [(state.clients[name].pair.certificate.not_after - AT).days for name in CLIENTS]


@pytest.mark.parametrize(
    ("renew_before", "due"),
    [(None, 336), (10 * DAY, 356), (0 * DAY, 366), (300 * DAY, 183)],  # at most half of its lifetime
)
def test_clients_are_renewed_before_their_end_with_the_same_key(renew_before, due):
    store = prepared()
    keys = [client.keys for client in seen(store).clients.values()]
    state, someone = present(store, at=AT + (due - 2) * DAY, renew_before=renew_before)
    assert not someone.changed
    state, someone = present(store, at=AT + due * DAY, renew_before=renew_before)
    assert set(someone.outcomes) == {"joblet/client-cert", "joblet/client-cert-ci"}
    assert ends(state) == [due + 365] * 2
    assert [client.keys for client in state.clients.values()] == keys
    again, someone = present(store, at=AT + due * DAY, renew_before=renew_before)
    assert (again, someone.changed) == (state, False)


def test_of_all_who_renew_a_client_at_once_one_wins():
    later = AT + 340 * DAY
    for number in range(2):
        store = prepared()
        state, _someone = present(Raced(store, number, lambda store=store: present(store, at=later)), at=later)
        assert ends(state) == [340 + 365] * 2
        assert len({version.text for version in store.fetch("joblet/client-cert").versions}) == 2


def test_clients_that_end_with_their_authority_are_not_renewed_for_the_same_end():
    store = prepared()
    state, someone = present(store, at=AT + 800 * DAY)
    assert ends(state) == [1095, 1095]
    assert someone.changed
    for day in (1000, 1070, 1090, 1094):
        again, someone = present(store, at=AT + day * DAY, renew_before=100 * DAY)
        assert (again, someone.changed) == (state, False)


def test_an_authority_that_nears_its_end_is_replaced_where_nobody_else_trusts_it():
    store = prepared()
    before = fingerprint(store)
    present(store, at=AT + 1060 * DAY, renew_ending=True)
    assert fingerprint(store) == before
    state, _someone = present(store, at=AT + 1066 * DAY, renew_ending=True)
    assert fingerprint(store) != before
    assert_whole(state)
    assert not present(store, at=AT + 1067 * DAY, renew_ending=True)[1].changed


def test_an_expired_authority_is_replaced_on_demand_only():
    store = prepared()
    before = fingerprint(store)
    with pytest.raises(RotationError, match=r"expired on 2029-11-21.*renew_expired"):
        present(store, at=AT + 1096 * DAY)
    assert fingerprint(store) == before
    state, _someone = present(store, at=AT + 1096 * DAY, renew_expired=True)
    assert_whole(state)
    assert fingerprint(store) != before
    assert state.phase == "settled"
    again, someone = present(store, at=AT + 1097 * DAY, renew_expired=True)
    assert again == state
    assert not someone.changed


# Force


@pytest.mark.usefixtures("unrehearsed")
def test_force_replaces_everything_however_often_it_is_killed():
    before = seen(prepared())
    for writes in range(40):
        store = prepared()
        try:
            present(Doomed(store, writes), force=True)
        except Killed:
            assert_whole(seen(store))
            present(store, force=True)
            state = seen(store)
            assert_whole(state)
            assert state.phase == "settled"
            assert len(state.trusted) == 1
        else:
            break
    else:
        pytest.fail("force never came to its end")
    assert writes > 15
    state = seen(store)
    assert state.current.certificate != before.current.certificate


# Revocation


def test_revoked_and_let_in_again():
    store = prepared()
    state, _someone = present(store, "ci")
    leaf = state.clients["ci"].pair.certificate
    assert state.is_revoked(leaf)
    assert not state.is_revoked(state.clients["admin"].pair.certificate)
    again, someone = present(store, "ci")
    assert again == state
    assert not someone.changed
    state, someone = present(store)
    assert set(someone.outcomes) == {"joblet/client-cert-ci", "joblet/client-key-ci"}
    assert state.is_revoked(leaf)
    assert not state.is_revoked(state.clients["ci"].pair.certificate)
    assert_whole(state)


def test_all_certificates_of_a_client_are_revoked():
    store = prepared()
    first = seen(store).clients["ci"].pair.certificate
    later = AT + 366 * DAY
    second = present(store, at=later)[0].clients["ci"].pair.certificate
    state, _someone = present(store, "ci", at=later)
    assert state.is_revoked(first)
    assert state.is_revoked(second)


def test_certificates_that_are_valid_still_and_have_lost_their_label_are_revoked():
    """Renewed early, then followed a new authority: the first one has neither AWSCURRENT nor AWSPREVIOUS."""
    store = Labelled(prepared())
    first = seen(store).clients["ci"].pair.certificate
    now = AT + 336 * DAY
    second = present(store, at=now)[0].clients["ci"].pair.certificate
    for step in ("publish", "promote"):
        getattr(AuthorityRotation(steward(store, now), [ClientWish(name) for name in CLIENTS]), step)()
    state = seen(store)
    assert first not in state.clients["ci"].issued
    third = state.clients["ci"].pair.certificate
    assert first.not_after > now
    state, _someone = present(store, "ci", at=now)
    assert [state.is_revoked(each) for each in (first, second, third)] == [True] * 3
    assert not state.is_revoked(state.clients["admin"].pair.certificate)
    assert not present(store, "ci", at=now)[1].changed


def test_nothing_is_revoked_while_not_all_certificates_of_a_client_can_be_known():
    store = prepared()

    def denied(name):
        raise SecretsManagerError("ListSecretVersionIds is denied.", "AccessDeniedException", name)

    store.every_text = denied
    with pytest.raises(RotationError, match=r"^Nothing is revoked: .* client ci .*ListSecretVersionIds is denied"):
        present(store, "ci")
    assert seen(store).crl is None


def test_a_revoked_client_does_not_come_back_with_the_next_authority():
    store = prepared("publish", "promote", "finish", "publish", "promote", "finish", revoked=["ci"])
    state = seen(store)
    assert is_issued_by(state.clients["admin"].pair.certificate, state.current.certificate)
    assert not is_issued_by(state.clients["ci"].pair.certificate, state.current.certificate)
    assert state.revocations[0].is_for(state.trusted)
    state, someone = present(store, "ci")
    assert not someone.changed
    state, someone = present(store)
    assert set(someone.outcomes) == {"joblet/client-cert-ci", "joblet/client-key-ci"}
    assert_whole(state)


# AuthorityRotation

WAYS = [
    (("publish",), "published", 2),
    (("publish", "promote"), "promoted", 2),
    (("publish", "promote", "finish"), "settled", 1),
    (("publish", "abort"), "settled", 1),
    (("publish", "promote", "abort"), "promoted", 2),
    (("publish", "promote", "abort", "finish"), "settled", 1),
    (("publish", "promote", "abort", "finish", "publish", "promote", "finish"), "settled", 1),
    (("publish", "abort", "publish", "promote", "finish"), "settled", 1),
]


@pytest.mark.parametrize(("steps", "stage", "trusted"), WAYS, ids=["-".join(way[0]) for way in WAYS])
def test_rotation(steps, stage, trusted):
    store = prepared(revoked=["ci"])
    before = fingerprint(store)
    for step in steps:
        getattr(rotation(store), step)()
        state = seen(store)
        assert_whole(state, ["ci"])
        assert state.revocations[0].is_for(state.trusted)
        again = rotation(store)
        getattr(again, step)()
        assert seen(store) == state, f"{step} changes something when it is repeated"
    assert (state.phase, len(state.trusted)) == (stage, trusted)
    back = "abort" in steps and steps[-3:] != ("publish", "promote", "finish")
    assert (fingerprint(store) == before) == (back or steps == ("publish",))
    assert is_issued_by(state.clients["admin"].pair.certificate, state.current.certificate)


@pytest.mark.usefixtures("unrehearsed")
@pytest.mark.parametrize("steps", [way[0] for way in WAYS], ids=["-".join(way[0]) for way in WAYS])
def test_a_step_that_is_killed_anywhere_is_completed_by_the_next_one(steps):
    expected = seen(prepared(*steps)).phase
    for writes in range(40):
        store = prepared(*steps[:-1])
        step = steps[-1]
        try:
            getattr(rotation(Doomed(store, writes)), step)()
        except Killed:
            state = seen(store)
            assert_whole(state)
            assert len(state.trusted) >= 1
            present(store)  # a host that boots meanwhile
            assert_whole(seen(store))
            getattr(rotation(store), step)()
            state = seen(store)
            assert_whole(state)
            assert state.phase == expected
        else:
            break
    else:
        pytest.fail("it never came to its end")
    assert writes > 0


@pytest.mark.usefixtures("unrehearsed")
def test_no_authority_is_dropped_while_something_depends_on_it():
    """After every single write of a rotation, whoever has a bundle of the step before trusts all that is issued."""
    store = prepared()
    bundle = {fingerprint(store)}
    for step in ("publish", "promote", "finish"):
        for _write in range(40):
            try:
                getattr(rotation(Doomed(store, 1)), step)()
            except Killed:
                assert fingerprint(store) in bundle
            else:
                break
        bundle = {authority.fingerprint_sha256 for authority in seen(store).trusted}


def test_steps_out_of_order_say_what_to_do():
    store = prepared()
    with pytest.raises(RotationError, match="publish one first"):
        rotation(store).promote()
    rotation(store).publish()
    with pytest.raises(RotationError, match="promote it, or abort"):
        rotation(store).finish()
    rotation(store).promote()
    with pytest.raises(RotationError, match="finish it"):
        rotation(store).publish()
    with pytest.raises(RotationError, match="create one first"):
        rotation(Overlay()).publish()


def test_a_given_up_successor_is_not_published_again():
    store = prepared("publish")
    given_up = seen(store).successor.certificate
    rotation(store).abort()
    rotation(store).publish()
    assert seen(store).successor.certificate != given_up


def test_two_who_publish_agree():
    for number in range(2):
        store = prepared()
        other = rotation(store)
        state = rotation(Raced(store, number, other.publish)).publish()
        assert state.successor.certificate == other.publish().successor.certificate
        assert len(store.fetch("joblet/ca-cert").versions) == 2
