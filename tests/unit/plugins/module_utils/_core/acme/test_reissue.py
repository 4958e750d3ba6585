# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates an incident concerns, that each is replaced once, and how long it takes by a CA's limits."""

from __future__ import annotations

import hashlib
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme import reissue
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.ledger import AccountKey, Ledger
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.limits import LETS_ENCRYPT, RateLimits
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.plan import Considered, plan_batch
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.reissue import (
    Incident,
    Replacement,
    due_again,
    estimate_reissue,
    issued_at,
    read_incident,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import (
    HeldCertificate,
    Issuer,
    WantedCertificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.when import RenewalPolicy, due
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import load_certificate
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.tests.support import pki
from cryptography.hazmat.primitives import serialization

NOW = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)
INCIDENT = NOW - timedelta(days=10)
DIRECTORY = "https://acme-v02.api.letsencrypt.org/directory"
ACCOUNT = AccountKey(DIRECTORY, "https://acme-v02.api.letsencrypt.org/acme/acct/1")
AUTHORITY = pki.CertificateAuthority("Doomed R3")


def held(
    *, issued: datetime = NOW - timedelta(days=30), directory: str | None = DIRECTORY, **options: t.Any
) -> HeldCertificate:
    made = AUTHORITY.issue("a.example.com", not_before=issued, not_after=issued + timedelta(days=90), **options)
    return HeldCertificate(load(made), directory=directory)


def load(made: pki.IssuedCertificate) -> CertificateBundle:
    leaf = load_certificate(made.certificate.public_bytes(serialization.Encoding.DER))
    return CertificateBundle(leaf, (), b"")


def wanted(number: int) -> WantedCertificate:
    return WantedCertificate(f"n{number}.example.com", (f"n{number}.example.com",))


def incident(**options: t.Any) -> Incident:
    read = read_incident(options, NOW)
    assert read is not None
    return read


BEFORE = {"issued_before": "2026-11-16T08:00:00Z"}


@pytest.mark.parametrize(
    "options",
    [
        {"issuer": DIRECTORY, **BEFORE},
        {"issuer": "HTTPS://acme-v02.api.letsencrypt.org/directory/", **BEFORE},
        {"issuer": "doomed r3", **BEFORE},
        {"all": True, **BEFORE},
        {"key_types": ["ec256", "rsa2048"], **BEFORE},
        {"issuer": "Doomed R3", "key_types": ["ec256"], **BEFORE},
        {"older_than": "10d"},
        {"all": True, "older_than": "10d"},
    ],
)
def test_what_is_replaced_is_replaced_once(options: dict[str, t.Any]) -> None:
    read = incident(**options)
    assert read.concerns(held()) is not None
    assert not read.was_replaced(held())
    again = held(issued=NOW - timedelta(minutes=5))
    assert read.concerns(again) is None
    assert read.was_replaced(again)


@pytest.mark.parametrize(
    "options",
    [
        {"issuer": "https://acme-staging-v02.api.letsencrypt.org/directory", **BEFORE},
        {"issuer": "Doomed", **BEFORE},
        {"issuer": "Doomed R3", "key_types": ["rsa2048"], **BEFORE},
        {"key_types": ["rsa2048", "ec384"], **BEFORE},
        {"older_than": "31d"},
        {"serial_numbers": ["17"]},
        {"fingerprints": ["a" * 64]},
    ],
)
def test_what_is_not_concerned(options: dict[str, t.Any]) -> None:
    assert incident(**options).concerns(held(serial_number=0x18)) is None


def test_what_is_absent_or_unreadable_is_due_anyway() -> None:
    read = incident(all=True, **BEFORE)
    assert read.concerns(None) is None
    assert read.concerns(HeldCertificate(None, why="damaged")) is None
    assert not read.was_replaced(None)


def test_without_a_directory_the_certificate_itself_tells() -> None:
    assert incident(issuer="Doomed R3", **BEFORE).concerns(held(directory=None))
    assert not incident(issuer=DIRECTORY, **BEFORE).concerns(held(directory=None))


@pytest.mark.parametrize("text", ["03a1f2", "03:A1:F2", "0x3a1f2", " 3A1F2 ", "0003a1f2"])
def test_serial_numbers(text: str) -> None:
    read = incident(serial_numbers=[text])
    why = read.concerns(held(serial_number=0x03A1F2))
    assert why is not None
    assert "03a1f2" in why
    assert read.concerns(held(serial_number=0x03A1F3)) is None


def test_fingerprints_of_certificates_and_of_keys() -> None:
    key = pki.new_key()
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    of_key = hashlib.sha256(public).hexdigest()
    one = held(key=key)
    assert one.bundle is not None
    colons = ":".join(of_key[at : at + 2] for at in range(0, 64, 2)).upper()
    assert incident(fingerprints=[colons]).concerns(one)
    assert incident(fingerprints=[one.bundle.fingerprint_sha256]).concerns(one)
    assert incident(fingerprints=[of_key]).concerns(held()) is None, "another key"


def test_what_is_named_is_concerned_whenever_it_was_issued() -> None:
    """A list of revoked serial numbers beside an instant means both."""
    read = incident(serial_numbers=["18"], issuer="Doomed R3", **BEFORE)
    assert read.concerns(held(serial_number=0x18, issued=NOW - timedelta(hours=1)))
    assert read.concerns(held(serial_number=0x19, issued=NOW - timedelta(hours=1))) is None
    assert read.concerns(held(serial_number=0x19))
    named = incident(serial_numbers=["18"], **BEFORE)
    assert named.concerns(held(serial_number=0x19)) is None, "an instant beside a list widens nothing"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"issuer": "R3"}, "issued_before"),
        ({"all": True}, "2026-11-26T08:00:00Z"),
        ({"key_types": ["rsa2048"], "serial_numbers": ["1"]}, "issued_before"),
        (BEFORE, "all: true"),
        ({"all": True, "issued_before": "yesterday"}, "issued_before: "),
        (
            {"all": True, "issued_before": "2026-11-26T08:00:01Z"},
            "issued_before: .*08:00:01Z is still to come, now it is",
        ),
        ({"serial_numbers": ["1"], "issued_before": "2027-01-31T14:00:00Z"}, "issued_before: .* still to come"),
        ({"older_than": "30"}, "older_than: .*30d"),
        ({"serial_numbers": ["x"]}, "serial_numbers"),
        ({"serial_numbers": [""]}, "serial_numbers"),
        ({"serial_numbers": ["1" * 65]}, "serial_numbers"),
        ({"fingerprints": ["ab"]}, "fingerprints"),
    ],
)
def test_what_has_no_meaning(options: dict[str, t.Any], why: str) -> None:
    with pytest.raises(InvalidOption, match=why):
        read_incident(options, NOW)


@pytest.mark.parametrize("options", [None, {}, {"issuer": None, "serial_numbers": [], "all": False}])
def test_no_incident(options: dict[str, t.Any] | None) -> None:
    assert read_incident(options, NOW) is None


class Stamped:
    """A certificate whose CA has set its begin back by an hour, and that was logged."""

    def __init__(self, not_before: datetime, *stamps: datetime) -> None:
        self.not_before = not_before
        self.x509 = self.extensions = self
        self.value = [type("Stamp", (), {"timestamp": stamp.replace(tzinfo=None)}) for stamp in stamps]

    def get_extension_for_class(self, _kind: type) -> t.Any:
        if not self.value:
            raise reissue.x509.ExtensionNotFound("none", None)  # type: ignore[arg-type]
        return self


def test_the_instant_of_issuing_is_that_of_the_logs() -> None:
    """Let's Encrypt sets the begin back by an hour: with that alone, each run of the first hour would do all again."""
    begin = NOW - timedelta(hours=1)
    assert issued_at(Stamped(begin, NOW - timedelta(seconds=2), NOW)) == NOW
    assert issued_at(Stamped(begin)) == begin
    assert issued_at(held(issued=begin).bundle.leaf) == begin


def test_what_is_due_by_the_cas_window_stays_exempt_from_its_limits() -> None:
    policy = RenewalPolicy()
    one, issuers = held(issued=NOW - timedelta(days=80)), [Issuer(DIRECTORY, "acme/account")]
    certificate = WantedCertificate("a.example.com", ("a.example.com",))
    by_time = due(certificate, one, now=NOW, issuers=issuers, policy=policy)
    assert due_again(by_time, "so", NOW) is by_time
    young = due(certificate, held(), now=NOW, issuers=issuers, policy=policy)
    again = due_again(young, "its key got out", NOW)
    assert (again.is_due(NOW), again.code, "its key got out" in again.text) == (True, "forced", True)


def estimate(
    count: int,
    *,
    ledger: Ledger | None = None,
    limits: RateLimits = LETS_ENCRYPT,
    exempt: int = 0,
    one_domain: bool = False,
):
    """one_domain: all below one that is registered, else each below its own."""
    certificates = [
        wanted(number) if one_domain else WantedCertificate(f"a{number}", (f"www.example{number}.com",))
        for number in range(count)
    ]
    replacements = [Replacement(each, number < exempt) for number, each in enumerate(certificates)]
    return estimate_reissue(replacements, ledger or Ledger(), ACCOUNT, limits, NOW)


def test_an_estimate_by_the_limits_of_an_account() -> None:
    """300 orders at once, and 100 in each further hour."""
    assert estimate(0).hours(NOW) == 0
    assert (estimate(300).at_once, estimate(300).hours(NOW)) == (300, 0)
    few = estimate(301)
    assert (few.orders, few.at_once, few.hours(NOW)) == (301, 300, 1)
    many = estimate(1000)
    assert (many.at_once, many.hours(NOW)) == (300, 7)
    assert [count for _at, count in many.batches] == [300, *[100] * 7]
    assert (estimate(1000, exempt=1000).at_once, estimate(1000, exempt=1000).hours(NOW)) == (1000, 0)
    assert estimate(400, exempt=100).at_once == 400
    assert estimate(5000, limits=RateLimits()).hours(NOW) == 0, "of a CA that tells nothing, nothing can be foreseen"


def test_an_estimate_takes_what_was_ordered_before() -> None:
    ledger = Ledger()
    for _number in range(250):
        ledger.note_order(ACCOUNT, LETS_ENCRYPT, NOW)
    found = estimate(100, ledger=ledger)
    assert (found.at_once, found.hours(NOW)) == (50, 1)
    assert ledger.orders_left(ACCOUNT, LETS_ENCRYPT, NOW) == 50, "an estimate counts nothing"


def test_one_domain_may_take_weeks() -> None:
    """50 certificates in seven days, and those in the CA's window count for nothing."""
    many = estimate(150, one_domain=True)
    assert many.at_once == 50
    assert many.hours(NOW) == pytest.approx(14 * 24, abs=1)
    assert estimate(150, one_domain=True, exempt=150).hours(NOW) == 0


def test_one_set_of_names_may_take_days() -> None:
    ledger = Ledger()
    for _number in range(5):
        ledger.note_certificate(ACCOUNT, wanted(0), LETS_ENCRYPT, NOW)
    found = estimate(2, ledger=ledger, one_domain=True)
    assert found.at_once == 1
    assert found.hours(NOW) == pytest.approx(7 * 24 / 5, abs=1)


def test_what_nobody_tries_any_more_has_no_end() -> None:
    ledger = Ledger()
    ledger.note_failure(ACCOUNT, wanted(0), "paused", NOW, for_good=True)
    found = estimate(2, ledger=ledger, one_domain=True)
    assert (found.last_at, found.hours(NOW)) == (None, None)


def test_several_runs_do_all_and_the_last_one_nothing() -> None:
    """What the estimate says is what the plans of those runs do."""
    read = incident(all=True, issued_before="2026-11-26T08:00:00Z")
    issuers, policy, ledger = [Issuer(DIRECTORY, "acme/account")], RenewalPolicy(), Ledger()
    names = [WantedCertificate(f"a{number}", (f"a{number}.example.com", "a.example.com")) for number in range(350)]
    old, new = (
        HeldCertificate(
            load(AUTHORITY.issue(["a.example.com"], not_before=begin, not_after=begin + timedelta(days=90))), DIRECTORY
        )
        for begin in (NOW - timedelta(days=1), NOW + timedelta(minutes=1))
    )
    truth, ordered_by_run = dict.fromkeys(names, old), []
    for run in range(3):
        at = NOW + timedelta(hours=run)
        items = []
        for certificate, one in truth.items():
            plain = due(WantedCertificate("a", ("a.example.com",)), one, now=at, issuers=issuers, policy=policy)
            why = read.concerns(one)
            items.append(Considered(certificate, one, due_again(plain, why, at) if why else plain))
        ordered = [plan.wanted for plan in plan_batch(items, ledger, ACCOUNT, LETS_ENCRYPT, at) if plan.orders]
        ordered_by_run.append(len(ordered))
        for certificate in ordered:
            ledger.note_order(ACCOUNT, LETS_ENCRYPT, at)
            truth[certificate] = new
    assert ordered_by_run == [300, 50, 0]
