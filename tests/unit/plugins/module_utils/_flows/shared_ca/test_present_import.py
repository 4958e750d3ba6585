# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Authorities that others have made become the shared one: tried out first, with those above them, or not at all."""

from __future__ import annotations

import datetime
import json

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import quick_key
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.names import alternative_names
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import KeySpec, Profile, Subject
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.facts import facts, shown
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.material import Material
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.state import Names
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.member import (
    MemberWish,
    ServerWish,
    take,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.overlay import Overlay
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.present import (
    Wish,
    authority_to_import,
    bring_about,
    import_warning,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.rotation import AuthorityRotation
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.steward import ClientWish, Steward
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.opener import ProcessOpener
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.peers import why_not_believed
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

NO = NoEncryption()
DAY = datetime.timedelta(days=1)
EC = KeySpec("ec", 256)
NAMES = Names("joblet")
CLIENTS = ("admin", "ci")
OWN = Subject("Joblet-CA", "CA").name()
ROOT = pki.CertificateAuthority("Root")
MIDDLE = pki.CertificateAuthority("Middle", parent=ROOT)
LAST = pki.CertificateAuthority("Last", parent=MIDDLE)
OF_MIDDLE = {MIDDLE.certificate_pem, ROOT.certificate_pem}


def text(*authorities):
    """The certificates of these, and the key of the first one."""
    return "".join(each.certificate_pem for each in authorities) + pki.private_key_pem(authorities[0].key)


def imported(*authorities):
    return authority_to_import(text(*authorities), ProcessOpener())


def steward(store):
    return Steward(store, NAMES, pki.now(), quick_key, pause=lambda seconds: None)


def wish(*authorities, clients=CLIENTS, revoked=(), subject=OWN, **options):
    wishes = tuple(
        ClientWish(name, Profile(Subject(f"{name}-client", name).name(), EC, 365 * DAY), name in revoked)
        for name in clients
    )
    own = Profile(subject, EC, 1095 * DAY)
    return Wish(own, wishes, imported=imported(*authorities) if authorities else None, **options)


def present(store, *authorities, **options):
    """The state, and whether anything was written."""
    someone, wanted = steward(store), wish(*authorities, **options)
    names = [client.name for client in wanted.clients]
    return bring_about(someone, wanted, someone.look(names), CLIENTS), someone.changed


def member(store, names=("joblet",)):
    server = ServerWish(alternative_names(names), Profile(Subject("joblet-server").name(), EC, 365 * DAY))
    return take(steward(store), quick_key, MemberWish(server, CLIENTS), Material()).material


def pems(certificates):
    return {certificate.pem.decode() for certificate in certificates}


def judged(state):
    return facts(state, pki.now(), DAY, why_not_believed)


def stored(store, name):
    return store.fetch(f"joblet/{name}").labelled("AWSCURRENT").text


def is_empty(store):
    return all(store.fetch(name) is None for name in NAMES.secrets(CLIENTS))


@pytest.mark.parametrize("kind", ["ed25519", "ed448", "ec384", "rsa2048"])
def test_an_authority_with_another_kind_of_key_works_to_the_end(kind):
    store = Overlay()
    present(store, pki.CertificateAuthority("Own", key_type=kind))
    assert member(store).server is not None
    state, changed = present(store, clients=CLIENTS, revoked=("ci",))
    assert changed
    assert [state.is_revoked(client.issued[0]) for client in state.clients.values()] == [False, True]


def test_those_above_are_stored_and_spread():
    store = Overlay()
    state, changed = present(store, LAST, ROOT, MIDDLE)
    assert changed
    way = [LAST.certificate_pem, MIDDLE.certificate_pem, ROOT.certificate_pem]
    assert pems(state.trusted) == set(way)
    assert stored(store, "ca-cert") == "".join(way)
    assert pems(member(store).authorities) == set(way)
    assert present(store, LAST, ROOT, MIDDLE)[1] is False
    assert present(store)[1] is False
    told = judged(state)
    assert told["ca_certificate"] == way[0]
    assert told["certificates"][0]["certificate"] == "".join(way)
    assert told["problems"] == []
    exported = told["certificates"][0]["certificate"] + pki.private_key_pem(LAST.key)
    assert authority_to_import(exported, ProcessOpener()).path == state.current.path


def test_one_that_was_stored_without_its_root_gets_it():
    """As versions before this one stored it."""
    store = Overlay()
    store.create("joblet/ca-key", pki.private_key_pem(MIDDLE.key))
    store.create("joblet/ca-cert", MIDDLE.certificate_pem)
    for name in CLIENTS:
        leaf = MIDDLE.issue(name, usages=[ExtendedKeyUsageOID.CLIENT_AUTH])
        store.create(NAMES.client_key(name), leaf.private_key_pem)
        store.create(NAMES.client_cert(name), leaf.certificate_pem)
    clients = [stored(store, f"client-cert{suffix}") for suffix in ("", "-ci")]
    state, _changed = present(store)
    assert [each["code"] for each in judged(state)["problems"]] == ["chain_broken", "untrusted", "untrusted"]
    with pytest.raises(RotationError, match="with the certificates of all above it"):
        present(store, clients=("new",))
    before = shown(state)
    state, changed = present(store, MIDDLE, ROOT)
    assert changed
    assert shown(state) != before, "a diff shows it"
    assert pems(state.trusted) == OF_MIDDLE
    assert judged(state)["problems"] == []
    assert [stored(store, f"client-cert{suffix}") for suffix in ("", "-ci")] == clients
    assert present(store, MIDDLE, ROOT)[1] is False


def test_a_rotation_leads_away_from_an_imported_intermediate():
    store = Overlay()
    present(store, MIDDLE, ROOT)
    rotation = AuthorityRotation(steward(store), [ClientWish(name) for name in CLIENTS])
    published = rotation.publish()
    assert pems(published.trusted) > OF_MIDDLE
    assert published.current.certificate.pem.decode() == MIDDLE.certificate_pem
    promoted = rotation.promote()
    assert pems(promoted.trusted) == pems(published.trusted)
    last = rotation.finish()
    assert pems(last.trusted) == pems(published.trusted) - OF_MIDDLE
    assert judged(last)["problems"] == []


def test_and_force_to_one():
    store = Overlay()
    present(store)
    before = stored(store, "client-cert")
    state, _changed = present(store, MIDDLE, ROOT, force=True)
    assert pems(state.trusted) == OF_MIDDLE
    assert stored(store, "client-cert") != before
    assert present(store, MIDDLE, ROOT, force=True)[1] is False


def test_a_newer_certificate_of_the_same_authority_takes_the_place_of_the_old_one():
    """Nobody is cut off: whoever trusts one of them believes what either has issued."""
    store = Overlay()
    old = pki.CertificateAuthority("Own", not_before=pki.now() - 300 * DAY, not_after=pki.now() + 30 * DAY)
    new = pki.CertificateAuthority("Own", key=old.key, not_before=pki.now() - DAY)
    present(store, old)
    clients = stored(store, "client-cert")
    state, changed = present(store, new)
    assert changed
    assert pems(state.trusted) == {new.certificate_pem}
    assert stored(store, "client-cert") == clients
    for force in (False, True):
        for given in (new, old):
            assert present(store, given, force=force)[1] is False, "what is there is newer"
    assert judged(state)["problems"] == []
    below = pki.CertificateAuthority("Own", key=old.key, parent=ROOT, not_before=pki.now())
    state, _changed = present(store, below, ROOT)
    assert pems(state.trusted) == {below.certificate_pem, ROOT.certificate_pem}
    assert stored(store, "client-cert") == clients


@pytest.mark.parametrize("step", ["publish", "promote"])
def test_by_force_it_follows_whatever_had_begun(step):
    """And is not taken for the successor that was published already."""
    store = Overlay()
    present(store)
    rotation = AuthorityRotation(steward(store), [ClientWish(name) for name in CLIENTS])
    rotation.publish()
    if step == "promote":
        rotation.promote()
    with pytest.raises(RotationError, match="holds another authority"):
        present(store, MIDDLE, ROOT)
    state, _changed = present(store, MIDDLE, ROOT, force=True)
    assert (state.phase, pems(state.trusted)) == ("settled", OF_MIDDLE)
    assert judged(state)["problems"] == []


def test_a_replacement_by_force_that_was_killed_is_completed():
    store = Overlay()
    present(store)
    rotation = AuthorityRotation(steward(store), [ClientWish(name) for name in CLIENTS], at_once=True)
    rotation.publish(imported=imported(MIDDLE, ROOT))
    rotation.promote()
    state, changed = present(store, MIDDLE, ROOT, force=True)
    assert changed
    assert (state.phase, pems(state.trusted)) == ("settled", OF_MIDDLE)


def test_of_two_who_import_at_once_one_is_told():
    store, other = Overlay(), pki.CertificateAuthority("Other")

    class Quicker(Overlay):
        def create(self, name, text):
            if name == "joblet/ca-key" and text != pki.private_key_pem(other.key):
                present(self, other)
            return super().create(name, text)

    store = Quicker()
    with pytest.raises(RotationError, match="holds another authority"):
        present(store, ROOT)
    assert stored(store, "ca-cert") == other.certificate_pem
    assert stored(store, "ca-key") == pki.private_key_pem(other.key)
    member(store)


def test_an_import_that_was_killed_is_completed_and_never_mixed():
    store = Overlay()
    store.create("joblet/ca-key", pki.private_key_pem(MIDDLE.key))
    with pytest.raises(RotationError, match="another key than the one to import"):
        present(store, ROOT)
    state, _changed = present(store, MIDDLE, ROOT)
    assert pems(state.trusted) == OF_MIDDLE


class Doomed(Overlay):
    """Its user is killed before the write of this number."""

    def __init__(self, left):
        super().__init__()
        self.left = left

    def create(self, name, text):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().create(name, text)


@pytest.mark.parametrize("writes", range(6))
def test_wherever_it_is_killed_the_next_run_completes_it(writes):
    store = Doomed(writes)
    with pytest.raises(KeyboardInterrupt):
        present(store, MIDDLE, ROOT)
    store.left = -1
    state, _changed = present(store, MIDDLE, ROOT)
    assert pems(state.trusted) == OF_MIDDLE
    assert judged(state)["problems"] == []
    assert present(store, MIDDLE, ROOT)[1] is False


def test_an_intermediate_may_be_called_as_its_root():
    """As the two are when an authority has certified its next key."""
    store = Overlay()
    root = pki.CertificateAuthority("Same")
    same = pki.CertificateAuthority("Same", parent=root)
    state, _changed = present(store, same, root)
    assert judged(state)["problems"] == []
    assert member(store).server is not None


def test_an_authority_in_every_form():
    key = pki.private_key_pem(MIDDLE.key)
    document = {"certificate": MIDDLE.certificate_pem, "private_key": key, "certificate_chain": ROOT.certificate_pem}
    container = pkcs12.serialize_key_and_certificates(b"x", MIDDLE.key, MIDDLE.certificate, [ROOT.certificate], NO)
    vault = {"certificate": MIDDLE.certificate_pem, "private_key": key, "ca_chain": [ROOT.certificate_pem]}
    for content in (
        json.dumps(document),
        json.dumps({"data": vault}),
        container,
        key + ROOT.certificate_pem + MIDDLE.certificate_pem * 2,
    ):
        assert pems(authority_to_import(content, ProcessOpener()).path) == OF_MIDDLE


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lambda: ROOT.certificate_pem, "no private key"),
        (lambda: pki.private_key_pem(ROOT.key), "no certificate"),
        (lambda: text(ROOT) + pki.private_key_pem(MIDDLE.key), "2 different private keys"),
        (lambda: "", "empty"),
    ],
)
def test_what_is_no_authority_at_all(content, why):
    with pytest.raises(MaterialError) as raised:
        authority_to_import(content(), ProcessOpener())
    assert raised.value.message.startswith("import_from: ")
    assert why in raised.value.message


def without_identifiers():
    """As old tools made them."""
    made = own()
    certificate = made.certificate
    builder = x509.CertificateBuilder(
        certificate.subject, certificate.subject, made.key.public_key(), 1, pki.now() - DAY, pki.now() + 900 * DAY
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=False)
    made.certificate = builder.sign(made.key, hashes.SHA256())
    return made


def test_who_is_strict_is_told_of():
    odd, store = without_identifiers(), Overlay()
    before = steward(store).look(CLIENTS)
    state, _changed = present(store, odd)
    assert judged(state)["problems"] == []
    warning = import_warning(wish(odd), before, pki.now())
    assert "Python from 3.13 on, refuse what 'CN=Own' issues (" in warning
    assert import_warning(wish(odd), state, pki.now()) == "", "once is enough"
    assert import_warning(wish(ROOT), before, pki.now()) == ""
    assert import_warning(wish(), before, pki.now()) == ""


# Refused before anything is stored


def usage(*usages):
    return (x509.ExtendedKeyUsage(list(usages)), False)


def constraints(*permitted):
    return (x509.NameConstraints(list(permitted), None), True)


def own(*extensions, **options):
    return pki.CertificateAuthority("Own", extra_extensions=extensions, **options)


def below(authority):
    return [pki.CertificateAuthority("Below", parent=authority), authority]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (lambda: [MIDDLE], "whose certificate is not there"),
        (lambda: [LAST, ROOT], "whose certificate is not there"),
        (lambda: [ROOT, own()], "not on the way"),
        (lambda: [own(usage(ExtendedKeyUsageOID.SERVER_AUTH))], "may not issue for TLS clients"),
        (
            lambda: below(own(path_length=0)),
            "path length constraint exceeded",
        ),
        (lambda: [own(key_type="rsa1024")], "too weak"),
        (lambda: [own(key_type="dsa2048")], "unusable kind"),
        (lambda: [own(not_after=pki.now() - DAY)], "expired"),
        (lambda: below(own(not_after=pki.now() - DAY)), "expired"),
        (lambda: [own(constraints(x509.DirectoryName(Subject("x", country="DE").name())))], "OU=admin,O=Joblet"),
    ],
)
def test_what_peers_would_refuse_is_never_stored(given, why):
    store = Overlay()
    authorities = given()
    with pytest.raises(RotationError) as raised:
        present(store, *authorities)
    assert why in raised.value.message
    assert is_empty(store)


def test_nor_by_force_in_place_of_a_good_one():
    store = Overlay()
    present(store)
    before = {name: store.fetch(name) for name in NAMES.secrets(CLIENTS)}
    with pytest.raises(RotationError, match="TLS servers"):
        present(store, own(usage(ExtendedKeyUsageOID.CLIENT_AUTH)), force=True)
    of_admins = x509.Name(list(Subject("x", "admin").name())[:5])
    narrow = own(constraints(x509.DirectoryName(of_admins)))
    with pytest.raises(RotationError, match="OU=ci"):  # a client that the wish does not name, and which follows
        present(store, narrow, clients=("admin",), force=True)
    assert {name: store.fetch(name) for name in NAMES.secrets(CLIENTS)} == before


def test_lists_and_an_authority_that_has_others_above_it():
    """HAProxy would ask for the lists of those, too."""
    store = Overlay()
    with pytest.raises(RotationError, match="cannot be revoked"):
        present(store, MIDDLE, ROOT, revoked=("ci",))
    assert is_empty(store)
    present(store, MIDDLE, ROOT)
    with pytest.raises(RotationError, match="cannot be revoked"):
        present(store, revoked=("ci",))
    with_lists = Overlay()
    present(with_lists)
    present(with_lists, revoked=("ci",))
    before = stored(with_lists, "ca-cert")
    with pytest.raises(RotationError, match="Lists are stored in joblet/crl: use another prefix"):
        present(with_lists, MIDDLE, ROOT, force=True)
    assert stored(with_lists, "ca-cert") == before


def test_an_authority_that_is_bound_to_directory_names_is_good_for_those():
    """It is itself called otherwise."""
    store = Overlay()
    country = x509.DirectoryName(x509.Name(list(Subject("x").name())[:1]))
    present(store, own(constraints(country)))
    assert member(store).server is not None


def test_an_authority_for_servers_alone_may_have_no_clients():
    store = Overlay()
    present(store, own(usage(ExtendedKeyUsageOID.SERVER_AUTH)), clients=())
    assert stored(store, "ca-cert")


def test_a_generated_authority_is_tried_out_as_well():
    store = Overlay()
    with pytest.raises(InvalidOption, match="subject"):
        present(store, subject=x509.Name([]))
    assert is_empty(store)
    present(store, subject=Subject("admin-client", "admin").name())  # its client is called the same
    assert not is_empty(store)


# Names outside of its constraints


def test_a_member_is_told_the_names_that_it_cannot_have():
    store = Overlay()
    present(store, own(constraints(x509.DNSName("example.com"))))
    assert member(store, ["a.example.com", "10.0.0.1"]).server is not None
    with pytest.raises(RotationError) as raised:
        member(store, ["a.example.com", "joblet", "localhost"])
    assert "'joblet', 'localhost'" in raised.value.message
    assert "a.example.com" not in raised.value.message
