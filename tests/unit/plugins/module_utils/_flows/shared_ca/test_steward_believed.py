# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is stored or installed of a shared authority, peers believe: by handshakes, and by the program openssl."""

from __future__ import annotations

import datetime
import pathlib
import tempfile

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import key_pem, quick_key
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.names import alternative_names
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import KeySpec, Profile, Subject
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.shared import PENDING
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.material import Identity, Material, pem
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.state import Names, observe
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.member import (
    MemberWish,
    ServerWish,
    take,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.overlay import Overlay
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.present import Wish, bring_about
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.rotation import AuthorityRotation
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.steward import ClientWish, Steward
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.odd_authorities import (
    name,
    odd_authority,
    odd_leaf,
    openssl_verifies,
)
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

AT = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
EC = KeySpec("ec", 256)
NAMES = Names("joblet")
CLIENTS = ("admin", "ci")
SERVER = ServerWish(alternative_names(["joblet"]), Profile(Subject("joblet-server", "Server").name(), EC, 365 * DAY))


def steward(store):
    return Steward(store, NAMES, AT, quick_key, pause=lambda seconds: None)


def present(store, *revoked, **options):
    clients = [
        ClientWish(client, Profile(Subject(f"{client}-client", client).name(), EC, 365 * DAY), client in revoked)
        for client in CLIENTS
    ]
    wish = Wish(Profile(Subject("Joblet-CA", "CA").name(), EC, 1095 * DAY), tuple(clients), **options)
    someone = steward(store)
    return bring_about(someone, wish, someone.look(CLIENTS), CLIENTS)


def step(store, which):
    return getattr(AuthorityRotation(steward(store), [ClientWish(client) for client in CLIENTS]), which)()


def seen(store):
    return observe(store, NAMES, CLIENTS)


def stored(store):
    """All of it, to be compared."""
    return {
        secret: (found.labels, found.versions) for secret in NAMES.secrets(CLIENTS) if (found := store.fetch(secret))
    }


class Host:
    """A member: server with a certificate, or client alone. outsiders: leaves of others, which it has to believe."""

    def __init__(self, store, directory, *, is_server):
        self.material, self.reason = Material(), None
        self._store, self._directory, self._is_server = store, directory, is_server

    def take(self, *, successor=False):
        wish = MemberWish(SERVER if self._is_server else None, () if self._is_server else ("admin",), successor)
        taken = take(steward(self._store), quick_key, wish, self.material)
        self.material, self.reason = taken.material, taken.reason

    def refuses(self, leaf, purpose):
        """What openssl says with the files of this host; "" for a leaf that it believes."""
        bundle = "".join(map(pem, self.material.authorities))
        crl = self.material.crl if purpose == "client" else None
        return openssl_verifies(leaf, purpose, bundle, self._directory, AT, crl)


class Fleet:
    """A server, and a host that is only a client."""

    def __init__(self, store, directory):
        self.server = Host(store, directory, is_server=True)
        self.client = Host(store, directory, is_server=False)

    def follow(self, *, successor=False):
        """As rotate_ca leads them: all trust first, then the server gets its certificate. They believe each other."""
        self.client.take()
        self.server.take()
        self.assert_accepted()
        if successor:
            self.server.take(successor=True)
            self.assert_accepted()

    def assert_accepted(self):
        if self.server.material.server and self.client.material.clients:
            assert not self.client.refuses(self.server.material.server.certificate, "server")
            assert not self.server.refuses(self.client.material.clients["admin"].certificate, "client")


@pytest.mark.parametrize("revoked", [(), ("ci",)])
def test_the_successor_of_an_authority_without_key_identifier_cuts_nobody_off(tmp_path, revoked):
    """Hosts that are only clients included, and leaves that others have issued and that name no key."""
    old = odd_authority(at=AT, key_identifier=None)
    outsiders = [odd_leaf(old, "client", at=AT, identifying=how)[0] for how in ("", "key", "serial")]
    store = Overlay()
    present(store, imported=old)
    if revoked:
        present(store, *revoked, imported=old)
    fleet = Fleet(store, tmp_path)
    fleet.follow()
    for which in ("publish", "promote"):
        step(store, which)
        fleet.follow(successor=which == "publish")
        assert [fleet.server.refuses(leaf, "client") for leaf in outsiders] == ["", "", ""]
    step(store, "finish")
    fleet.follow()
    authority = seen(store).current.certificate
    assert authority.subject_name != old.certificate.subject_name
    assert authority.subject_name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == "Joblet-CA"
    step(store, "publish")
    assert seen(store).successor.certificate.subject_name == authority.subject_name, "both have key identifiers"


def test_leaves_that_name_no_key_find_the_older_authority_first(tmp_path):
    """Also when the younger one issues."""
    old = odd_authority(at=AT)
    outsider, _key = odd_leaf(old, "client", at=AT)
    store = Overlay()
    present(store, imported=old)
    fleet = Fleet(store, tmp_path)
    for which in ("publish", "promote"):
        step(store, which)
        fleet.follow(successor=which == "publish")
        assert not fleet.server.refuses(outsider, "client")
        assert seen(store).trusted[0] == old.certificate


def test_an_authority_without_an_end_is_replaced(tmp_path):
    """9999-12-31 says that it has none (RFC 5280, 4.1.2.5): so has its successor, which is made like it."""
    no_end = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)
    store = Overlay()
    present(store, imported=odd_authority(at=AT, end=no_end))
    fleet = Fleet(store, tmp_path)
    for which in ("publish", "promote", "finish"):
        step(store, which)
        fleet.follow(successor=which == "publish")
    assert seen(store).current.certificate.not_after == no_end


def test_what_is_made_here_is_believed_by_the_strictest_of_peers(tmp_path):
    """As Python 3.13 asks for RFC 5280 to the letter."""
    store = Overlay()
    present(store)
    present(store, "ci")
    server, client = (Host(store, tmp_path, is_server=is_server) for is_server in (True, False))
    for which in ("", "publish", "promote"):
        if which:
            step(store, which)
        server.take(successor=which == "publish")
        client.take()
        bundle, crl = "".join(map(pem, client.material.authorities)), server.material.crl
        for leaf, purpose, lists in (
            (server.material.server.certificate, "server", None),
            (client.material.clients["admin"].certificate, "client", crl),
        ):
            assert not openssl_verifies(leaf, purpose, bundle, tmp_path, AT, lists, "-x509_strict")


def published(store, old, successor):
    """As another version has stored it."""
    present(store, imported=old)
    store.succeed(NAMES.ca_key, key_pem(successor.key), token="key", label=PENDING)
    store.succeed(NAMES.ca_cert, pem(successor.certificate), token="certificate", label=PENDING)


def test_a_successor_of_the_same_name_is_put_first(tmp_path):
    """One that was published before authorities were told apart by name; lists are the other way round."""
    old, successor = odd_authority(at=AT, key_identifier=None), odd_authority(at=AT, age=DAY)
    store = Overlay()
    published(store, old, successor)
    present(store, "ci")
    step(store, "publish")
    assert seen(store).trusted == [successor.certificate, old.certificate]
    fleet = Fleet(store, tmp_path)
    fleet.follow(successor=True)
    step(store, "promote")
    fleet.follow()


def test_a_successor_that_would_be_mistaken_for_the_one_before_is_not_promoted():
    old, successor = odd_authority(at=AT, key_identifier=None), odd_authority(at=AT, key_identifier=None, age=DAY)
    store = Overlay()
    published(store, old, successor)
    before = stored(store)
    with pytest.raises(RotationError, match=r"Nothing below joblet is changed.*certificate signature failure"):
        step(store, "promote")
    assert stored(store) == before
    with pytest.raises(RotationError, match="certificate signature failure"):
        take(steward(store), quick_key, MemberWish(SERVER, successor=True), Material())
    assert step(store, "abort").phase == "settled"


def test_a_successor_that_may_not_issue_for_servers_is_not_promoted():
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    store = Overlay()
    published(store, odd_authority(at=AT), odd_authority(name("Other"), at=AT, extensions=[(usage, False)]))
    before = stored(store)
    with pytest.raises(RotationError, match=r"for a server is refused"):
        step(store, "promote")
    assert stored(store) == before


@pytest.mark.parametrize("oid", ["2.5.29.14", "2.5.29.30", "1.3.6.1.5.5.7.1.1"])
def test_a_stored_authority_that_is_malformed_is_refused(oid):
    """Where somebody else has stored it: as one that issues, and as one that is to."""
    damaged = [(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x05\0"), False)]
    malformed = odd_authority(name("Other"), at=AT, key_identifier=None, extensions=damaged)
    store = Overlay()
    published(store, odd_authority(at=AT), malformed)
    for which in ("publish", "promote"):
        with pytest.raises(RotationError, match=r"'CN=Other': one of its extensions is malformed\. Abort the rotation"):
            step(store, which)
    assert step(store, "abort").phase == "settled"

    store = Overlay()
    store.create(NAMES.ca_key, key_pem(malformed.key))
    store.create(NAMES.ca_cert, pem(malformed.certificate))
    with pytest.raises(RotationError, match=r"one of its extensions is malformed.*force: true"):
        present(store)
    with pytest.raises(RotationError, match="one of its extensions is malformed"):
        take(steward(store), quick_key, MemberWish(SERVER), Material())
    assert present(store, force=True).phase == "settled"


@pytest.mark.parametrize("identifying", ["key", "serial"])
def test_a_client_that_servers_refuse_is_issued_anew(identifying):
    """It names another certificate of the same authority: its name and signature are right, and TLS refuses it."""
    old = odd_authority(at=AT, key_identifier=b"somebody's own")
    again = odd_authority(at=AT, key=old.key, key_identifier=b"another's")
    leaf, key = odd_leaf(old, "client", at=AT, identifying=identifying)
    store = Overlay()
    store.create(NAMES.ca_key, key_pem(again.key))
    store.create(NAMES.ca_cert, pem(again.certificate))
    store.create(NAMES.client_key("admin"), key_pem(key))
    store.create(NAMES.client_cert("admin"), pem(leaf))
    with pytest.raises(RotationError, match="TLS servers that trust what is stored"):
        take(steward(store), quick_key, MemberWish(None, ("admin",)), Material())
    state = present(store)
    assert state.clients["admin"].pair.certificate != leaf
    take(steward(store), quick_key, MemberWish(None, ("admin",)), Material())
    before = stored(store)
    present(store)
    assert stored(store) == before


def test_a_server_certificate_that_clients_refuse_is_issued_anew():
    authority = odd_authority(at=AT, key_identifier=b"its own")
    store = Overlay()
    present(store, imported=authority)
    leaf, key = odd_leaf(authority, "server", at=AT, identifying="key")
    taken = take(steward(store), quick_key, MemberWish(SERVER), Material(server=Identity(leaf, key)))
    assert taken.reason == "refused"
    again = take(steward(store), quick_key, MemberWish(SERVER), taken.material)
    assert (again.reason, again.material) == (None, taken.material)


def test_an_authority_that_is_there_and_refused_keeps_nobody_from_revoking():
    """What gets no worse is done; what would be refused is not begun."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    authority = odd_authority(at=AT, extensions=[(usage, False)])
    store = Overlay()
    store.create(NAMES.ca_key, key_pem(authority.key))
    store.create(NAMES.ca_cert, pem(authority.certificate))
    state = present(store)
    leaf = state.clients["ci"].pair.certificate
    assert present(store, "ci").is_revoked(leaf)
    with pytest.raises(RotationError, match=r"a client that trusts joblet/ca-cert would refuse 'joblet'"):
        take(steward(store), quick_key, MemberWish(SERVER), Material())


IDENTIFIERS = st.sampled_from([b"", None, b"its own", b"x" * 20])
EXTENSIONS = st.lists(
    st.sampled_from(
        [
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False),
            (x509.NameConstraints([x509.DNSName("joblet")], None), True),
            (x509.NameConstraints([x509.DNSName("other.example")], None), True),
            (x509.AuthorityKeyIdentifier(b"nobody's", None, None), False),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), True),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.5"), b"\x05\0"), False),
        ]
    ),
    max_size=1,
    unique_by=lambda extension: extension[0].oid.dotted_string,
)
AUTHORITIES = st.builds(
    dict,
    subject=st.sampled_from([name(), name("JOBLET-ca"), name("Ünïcode 漢字"), Subject("Joblet-CA", "CA").name()]),
    key_identifier=IDENTIFIERS,
    extensions=EXTENSIONS,
    usage=st.booleans(),
    key=st.sampled_from([None, "ec384", "rsa2048", "ed25519", "ed448"]).map(lambda kind: kind and pki.shared_key(kind)),
    age=st.sampled_from([-DAY, 0 * DAY, DAY, 900 * DAY]),
)
ACTIONS = st.lists(
    st.sampled_from(["publish", "promote", "finish", "abort", "revoke", "import", "successor"]), max_size=7
)


@settings(deadline=None, max_examples=20)
@given(first=AUTHORITIES, second=AUTHORITIES, same_key=st.booleans(), actions=ACTIONS)
def test_nothing_is_installed_that_a_peer_refuses(first, second, same_key, actions):
    """Whatever the authority is like, whatever is done in whatever order: done so that all believe it, or refused."""
    old = odd_authority(at=AT, **first)
    other = odd_authority(at=AT, **{**second, **({"key": old.key} if same_key else {})})
    store = Overlay()
    with tempfile.TemporaryDirectory() as directory:
        fleet = Fleet(store, pathlib.Path(directory))
        doings = {
            "first": lambda: present(store, imported=old),
            "import": lambda: present(store, imported=other, force=True),
            "revoke": lambda: present(store, "ci"),
            "successor": lambda: published(store, old, other) if seen(store).phase == "settled" else None,
        }
        was_whole = True
        for action in ["first", *actions]:
            before = stored(store)
            if is_refused(doings.get(action, lambda action=action: step(store, action))):
                assert stored(store) == before, "refused, and yet something was written"
            if seen(store).current is None:
                return
            follows = not is_refused(lambda: fleet.follow(successor=seen(store).phase == "published"))
            # What rotate_ca does cuts nobody off. An import by force of one that may not issue for a host does.
            if not follows and was_whole and action not in ("first", "import", "successor"):
                fleet.assert_accepted()
            was_whole = follows


def is_refused(do):
    try:
        do()
    except RotationError as refusal:
        return "PRIVATE" not in refusal.message or pytest.fail("a key is in the message")
    return False
