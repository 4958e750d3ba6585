# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.faults import (
    consequence,
    is_paused,
    kept_message,
    new_message,
    note_error,
    stored_message,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.ledger import AccountKey, Ledger
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.limits import RateLimits
from ansible_collections.certops.rotation.plugins.module_utils._errors import (
    AcmeError,
    AcmeFault,
    DnsError,
    RotationError,
)
from ansible_collections.certops.rotation.tests.support.issuance import ACCOUNT, NOW, ONE, days, wanted

ONES = AccountKey(ONE.directory, ACCOUNT)
PORTAL = "https://portal.one.example/sfe/v1/unpause?jwt=abc"
PAUSED = AcmeError(
    f"Your account is temporarily prevented from requesting certificates for a.example.com. Visit {PORTAL}",
    "rate_limited",
    url=PORTAL,
)


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (AcmeError("no answer", "authority"), "failover"),
        (AcmeError("slow down", "rate_limited", retry_after=60), "hold"),
        (AcmeError("no TXT record", "identifier"), "failure"),
        (AcmeError("badCSR", "request"), "failure"),
        (AcmeError("order unknown", "gone"), "failure"),
        (AcmeError("deactivated", "account"), "account"),
        (PAUSED, "failure"),
        (DnsError("zone unknown"), "failure"),
        (RotationError("anything"), "failure"),
        (ValueError("a bug"), "failure"),
    ],
)
def test_only_the_cas_own_fault_leads_to_another_ca(error: Exception, what: str) -> None:
    assert consequence(error) == what


def test_every_fault_has_a_consequence() -> None:
    for fault in t.get_args(AcmeFault):
        assert consequence(AcmeError("x", fault))


def hold_after(error: Exception, later: datetime.timedelta = datetime.timedelta(0), times: int = 1) -> t.Any:
    ledger = Ledger()
    for _time in range(times):
        note_error(ledger, ONES, wanted(), error, NOW)
    return ledger.hold(ONES, wanted(), RateLimits(), NOW + later)


def test_what_is_remembered() -> None:
    limited = hold_after(AcmeError("slow down", "rate_limited", retry_after=60, url="https://one.example/limits"))
    assert (limited.until, limited.by_ca) == (NOW + datetime.timedelta(minutes=1), True)
    failed = hold_after(AcmeError("no TXT record", "identifier", url="https://one.example/why"), times=2)
    assert (failed.failures, failed.url) == (2, "https://one.example/why")
    assert "no TXT record" in failed.why
    assert hold_after(DnsError("zone unknown"), times=2).failures == 2
    assert "ValueError" in hold_after(ValueError(""), times=2).why


@pytest.mark.parametrize("fault", ["authority", "account", "gone"])
def test_what_may_be_over_by_the_next_run_is_not(fault: t.Any) -> None:
    assert hold_after(AcmeError("x", fault), times=20) is None


def test_a_paused_name_waits_for_a_person_and_its_page_is_shown() -> None:
    assert is_paused(PAUSED)
    assert is_paused(AcmeError("not now", "rate_limited", url=PORTAL))
    assert is_paused(AcmeError("temporarily prevented from requesting", "rate_limited"))
    assert not is_paused(AcmeError("see the page to unpause it", "identifier"))
    assert not is_paused(AcmeError("slow down", "rate_limited"))
    hold = hold_after(PAUSED, days(30))
    assert (hold.until, hold.url) == (None, PORTAL)


# What users are told


def test_the_messages_of_the_lets_encrypt_cert_manager() -> None:
    stores = ["secrets_manager", "acm", "s3"]
    assert new_message("x.example.com", stores) == (
        "A new certificate has been provisioned and uploaded to both S3 and ACM for: x.example.com"
    )
    assert kept_message("x.example.com", days(40.5), stores, days(30)) == (
        "A certificate with at least 30 days until expiration already exists in both S3 and ACM for: x.example.com"
    )


@pytest.mark.parametrize(
    ("stores", "places"),
    [
        ([], "Secrets Manager"),
        (["secrets_manager"], "Secrets Manager"),
        (["acm"], "Secrets Manager and ACM"),
        (["s3"], "Secrets Manager and S3"),
        (["s3", "acm", "s3"], "both S3 and ACM"),
    ],
)
def test_messages_name_the_stores_that_there_are(stores: list[str], places: str) -> None:
    assert new_message("x", stores).endswith(f" uploaded to {places} for: x")
    assert kept_message("x", days(31), stores).endswith(f" already exists in {places} for: x")


def test_stores_that_were_filled() -> None:
    assert stored_message("x", ["s3"]).endswith("exists already has been uploaded to S3 for: x")
    assert stored_message("x", ["s3", "acm"]).endswith("uploaded to both S3 and ACM for: x")


@pytest.mark.parametrize(
    ("remaining", "threshold", "told"),
    [
        (days(59.9), None, "59 days"),
        (days(1), None, "1 day"),
        (days(0.99), None, "23 hours"),
        (datetime.timedelta(minutes=70), None, "1 hour"),
        (days(-3), None, "0 hours"),
        (days(30), days(30), "30 days"),
        (days(29.9), days(30), "29 days"),  # it is held: nobody promises more than there is
        (days(2.5), days(2), "2 days"),
    ],
)
def test_at_least_is_true(remaining: datetime.timedelta, threshold: datetime.timedelta | None, told: str) -> None:
    assert f"with at least {told} until" in kept_message("x", remaining, [], threshold)
