# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever's clock is wrong: what a host installs is believed at once, by OpenSSL and by the host's clock."""

from __future__ import annotations

import contextlib
import datetime
import subprocess

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.crl import build_crl
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import quick_key
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.names import alternative_names
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import KeySpec, Profile, Subject
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.facts import facts
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.material import Material
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.state import Names, observe
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.embedded import bring_about_embedded
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.member import (
    MemberWish,
    ServerWish,
    problems,
    take,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.overlay import Overlay
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.present import Wish, bring_about
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.rotation import AuthorityRotation
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.steward import ClientWish, Steward
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.peers import why_not_believed
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

AT = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.timezone.utc)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
EC = KeySpec("ec", 256)
NAMES = Names("joblet")
SERVER = ServerWish(alternative_names(["joblet"]), Profile(Subject("joblet-server", "Server").name(), EC, 365 * DAY))
WISH = MemberWish(SERVER, ("admin",))
CRL = "joblet/crl"


class Fleet:
    """A store, and all who have a clock of their own: their offset from the true time, and how long it is true."""

    def __init__(self):
        self.store = Overlay()
        self.now = AT
        self.installed = Material()

    def steward(self, offset=0 * HOUR):
        return Steward(self.store, NAMES, self.now + offset, quick_key, pause=lambda seconds: None)

    def present(self, *revoked, offset=0 * HOUR, **options):
        clients = [
            ClientWish(name, Profile(Subject(f"{name}-client", name).name(), EC, 365 * DAY), name in revoked)
            for name in ("admin", "old")
        ]
        wish = Wish(Profile(Subject("Joblet-CA", "CA").name(), EC, 1095 * DAY), tuple(clients), **options)
        someone = self.steward(offset)
        bring_about(someone, wish, someone.look(["admin", "old"]), ["admin", "old"])
        return someone.changed

    def rotate(self, step, offset=0 * HOUR):
        rotation = AuthorityRotation(self.steward(offset), [ClientWish(name) for name in ("admin", "old")])
        getattr(rotation, step)()

    def take(self, offset=0 * HOUR):
        self.installed = take(self.steward(offset), quick_key, WISH, self.installed).material
        return self.installed

    def state(self):
        return observe(self.store, NAMES, ["admin", "old"])

    def put_crl(self, text):
        secret = self.store.fetch(CRL)
        if secret is None:
            self.store.create(CRL, text)
        else:
            self.store.succeed(CRL, text, token=f"somebody-{len(secret.versions)}", label="AWSCURRENT")
        before = self.store.fetch(CRL).versions[:-1]
        if before:  # as AWS does
            held = self.store.fetch(CRL).labels.get("AWSPREVIOUS")
            self.store.move(CRL, "AWSPREVIOUS", before[-1].version_id, held)


@pytest.fixture
def fleet():
    made = Fleet()
    made.present()
    return made


def verdicts(directory, material, at):
    """What OpenSSL says of the server and of the client at that moment, "" for what it believes."""
    trusted = directory / "ca.pem"
    trusted.write_bytes(b"".join(each.pem for each in material.authorities))
    checks = []
    if material.crl is not None:
        (directory / "crl.pem").write_text(material.crl)
        checks = ["-crl_check_all", "-CRLfile", str(directory / "crl.pem")]
    said = []
    for identity, purpose, lists in (
        (material.server, "sslserver", []),
        (material.clients["admin"], "sslclient", checks),
    ):
        leaf = directory / "leaf.pem"
        leaf.write_bytes(identity.certificate.pem)
        command = ["openssl", "verify", "-no-CAfile", "-no-CApath", "-CAfile", str(trusted), "-x509_strict"]
        command += ["-purpose", purpose, "-attime", str(int(at.timestamp())), *lists, str(leaf)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        said.append("" if run.returncode == 0 else run.stderr)
    return said


# Fast and slow controllers


@pytest.mark.parametrize("offset", [4 * MINUTE, 50 * MINUTE, -50 * MINUTE], ids=str)
def test_a_controller_whose_clock_is_less_than_an_hour_wrong_harms_nobody(fleet, tmp_path, offset):
    fleet.now += 2 * HOUR
    fleet.present("old", offset=offset)
    assert verdicts(tmp_path, fleet.take(), fleet.now) == ["", ""]
    fleet.rotate("publish", offset)
    fleet.rotate("promote", offset)
    assert verdicts(tmp_path, fleet.take(), fleet.now) == ["", ""]


def test_lists_of_a_controller_that_is_hours_fast_stay_out_until_they_are_signed_anew(fleet, tmp_path):
    fleet.now += DAY
    fleet.present("old", offset=MINUTE)
    before = fleet.take()
    fleet.now += DAY
    fleet.present("old", "admin", offset=3 * HOUR)
    with pytest.raises(RotationError, match=r"joblet/crl cannot be used.*check this host's clock") as raised:
        fleet.take()
    assert "Run certops.rotation.shared_ca where the clock is right" in raised.value.message
    assert fleet.installed == before
    # As advised: nothing is asked for but what there is.
    assert fleet.present("old", "admin")
    assert not fleet.present("old", "admin")
    with pytest.raises(RotationError, match="the client admin any more"):
        fleet.take()
    fleet.present("old")
    assert verdicts(tmp_path, fleet.take(), fleet.now) == ["", ""]
    assert len(fleet.state().revoked(fleet.state().trusted[0])) == 2


def test_clients_of_a_fast_controller_are_renewed_by_a_right_one(fleet, tmp_path):
    fleet.now += 400 * DAY  # they have expired
    fleet.present(offset=5 * HOUR)
    with pytest.raises(RotationError, match="check this host's clock"):
        fleet.take()
    key = fleet.state().clients["admin"].pair.key_version_id
    assert fleet.present()
    assert fleet.state().clients["admin"].pair.key_version_id == key
    assert verdicts(tmp_path, fleet.take(), fleet.now) == ["", ""]
    assert not fleet.present()


def test_an_authority_that_is_to_come_issues_nothing(tmp_path):
    fleet = Fleet()
    fleet.present(offset=30 * DAY)
    for call in (fleet.present, fleet.take):
        with pytest.raises(RotationError, match=r"valid from 2026-12-22T02:00:00Z on.*check this\s+host's clock"):
            call()
    fleet.present(force=True)  # as advised
    assert verdicts(tmp_path, fleet.take(), fleet.now) == ["", ""]


def test_a_successor_that_is_to_come_is_not_promoted(fleet):
    fleet.rotate("publish", 30 * DAY)
    with pytest.raises(RotationError, match="abort the rotation"):
        fleet.rotate("promote")
    fleet.rotate("abort")
    fleet.rotate("publish")
    fleet.rotate("promote")


def test_a_slow_controller_issues_nothing(fleet):
    with pytest.raises(RotationError, match="check this host's clock"):
        fleet.present("old", offset=-2 * HOUR)


# A host's own clock


def test_a_host_that_was_fast_gets_another_server_certificate(fleet, tmp_path):
    first = fleet.take(3 * HOUR).server.certificate
    assert [each.code for each in problems(fleet.installed, fleet.now, DAY)] == ["not_yet_valid"]
    second = fleet.take().server.certificate
    assert first != second
    assert verdicts(tmp_path, fleet.installed, fleet.now) == ["", ""]
    assert fleet.take().server.certificate == second


def test_an_authority_of_a_host_alone_that_is_to_come_is_replaced(tmp_path):
    fleet = Fleet()
    subject = Subject("joblet-server", "Server")
    bring_about_embedded(fleet.steward(30 * DAY), ["admin"], subject, "ec")
    bring_about_embedded(fleet.steward(), ["admin"], subject, "ec")
    assert verdicts(tmp_path, fleet.take(), fleet.now) == ["", ""]
    again = fleet.steward()
    bring_about_embedded(again, ["admin"], subject, "ec")
    assert not again.changed


# Lists that others have stored


def others_list(issuer, start, end):
    builder = x509.CertificateRevocationListBuilder(issuer.certificate.x509.subject, start, end)
    builder = builder.add_extension(x509.CRLNumber(9), False)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def test_a_list_that_ends_is_signed_anew_before(fleet):
    issuer = fleet.state().current.issuer
    fleet.put_crl(others_list(issuer, AT - HOUR, AT + 30 * DAY))
    assert not fleet.present()
    fleet.take()
    fleet.now += 18 * DAY
    assert [each.code for each in problems(fleet.take(), fleet.now, 30 * DAY)] == ["crl_expires_soon"]
    told = facts(fleet.state(), fleet.now, 30 * DAY, why_not_believed)["problems"]
    assert [(each["name"], each["code"]) for each in told] == [("crl", "crl_expires_soon")]
    fleet.now += 13 * DAY
    assert [each.code for each in problems(fleet.installed, fleet.now, DAY)] == ["crl_expired"]
    with pytest.raises(RotationError, match="expired on"):
        fleet.take()
    assert fleet.present()
    assert problems(fleet.take(), fleet.now, 30 * DAY) == []
    assert fleet.state().revocations[0].number() == 10
    assert not fleet.present()


GARBAGE = ["", "nothing", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "-----BEGIN X509 CRL-----\n"]


@pytest.mark.parametrize("text", [*GARBAGE, "of another authority"])
def test_what_is_no_list_is_replaced_by_what_is_known(fleet, text):
    fleet.present("old")
    known = fleet.state().revoked(fleet.state().trusted[0])
    before = fleet.take()
    if text == "of another authority":
        other = Fleet()
        other.present()
        text = build_crl(other.state().current.issuer, {}, AT, 1)
    fleet.put_crl(text)
    with pytest.raises(RotationError, match="joblet/crl cannot be used"):
        fleet.take()
    assert fleet.installed == before
    assert facts(fleet.state(), AT, DAY, why_not_believed)["problems"]
    assert fleet.present("old")
    assert fleet.state().revoked(fleet.state().trusted[0]) == known
    assert fleet.take().crl == fleet.state().crl.text
    assert not fleet.present("old")


@pytest.mark.parametrize("text", GARBAGE)
def test_where_nothing_is_known_whom_to_refuse_has_to_be_said(fleet, text):
    fleet.put_crl(text)
    told = facts(fleet.state(), AT, DAY, why_not_believed)
    assert (told["crl"], [each["name"] for each in told["problems"]]) == (None, ["crl"])
    with pytest.raises(RotationError, match="state: revoked for each client"):
        fleet.present()
    assert fleet.present("old")
    assert fleet.state().is_revoked(fleet.state().clients["old"].pair.certificate)
    assert fleet.state().revocations[0].number() > AT.timestamp()
    fleet.take()
    assert not fleet.present("old")


def test_a_key_beside_the_lists_goes_nowhere(fleet):
    fleet.present("old")
    lists = fleet.state().crl.text
    key = fleet.store.fetch("joblet/ca-key").versions[0].text
    fleet.put_crl(key + lists)
    assert fleet.take().crl == lists
    assert facts(fleet.state(), AT, DAY, why_not_believed)["crl"] == lists


def test_the_list_of_an_authority_whose_key_is_lost_stays(fleet):
    fleet.present("old")
    fleet.rotate("publish")
    fleet.rotate("promote")
    keys = fleet.store.fetch("joblet/ca-key")
    fleet.store.move("joblet/ca-key", "RETIRING", None, keys.labels["RETIRING"])
    fleet.store._changed["joblet/ca-key"] = type(keys)(  # as AWS forgets versions without a label
        keys.name, keys.arn, fleet.store.fetch("joblet/ca-key").labels, keys.versions[1:]
    )
    assert len(fleet.state().issuers()) == 1
    fleet.present("old", "admin")
    assert fleet.state().revocations[0].is_for(fleet.state().trusted)


# Any clocks

OFFSETS = st.sampled_from([0, 1, 4, 6, 59, 61, 200, 1500, -4, -59, -61, -200, -1500]).map(lambda each: each * MINUTE)
DEEDS = st.sampled_from(["present", "revoke", "publish", "promote", "finish", "abort", "wait", "wait longer"])


@settings(max_examples=12, deadline=None)
@given(first=OFFSETS, deeds=st.lists(st.tuples(DEEDS, OFFSETS, OFFSETS), max_size=6))
def test_what_is_installed_is_believed_whatever_the_clocks_say(tmp_path_factory, first, deeds):
    """By this host's clock: with that one its OpenSSL judges."""
    directory = tmp_path_factory.mktemp("verdicts")
    fleet = Fleet()
    fleet.present(offset=first)
    for deed, offset, hosts_offset in deeds:
        with contextlib.suppress(RotationError):
            if deed in ("present", "revoke"):
                fleet.present(*(["old"] if deed == "revoke" else []), offset=offset)
            elif deed.startswith("wait"):
                fleet.now += 400 * DAY if deed == "wait longer" else 2 * HOUR
            else:
                fleet.rotate(deed, offset)
        before = fleet.installed
        try:
            fleet.take(hosts_offset)
        except RotationError:
            assert fleet.installed is before
        else:
            assert verdicts(directory, fleet.installed, fleet.now + hosts_offset) == ["", ""]
