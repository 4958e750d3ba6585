# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import hypothesis
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.limits import (
    LETS_ENCRYPT,
    LETS_ENCRYPT_STAGING,
    RateLimit,
    RateLimits,
    available_at,
    is_below,
    left,
    likely_registered_domain,
    limits_of,
    names_digest,
    refused_scope,
    spent,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError
from hypothesis import strategies as st

NOW = 1_800_000_000.0
ORDERS = RateLimit(300, 10800)


def test_the_documented_limits() -> None:
    """One more order every 36 seconds, for a domain every 202 minutes, for one set of names every 34 hours."""
    orders, certificates, names = LETS_ENCRYPT.orders, LETS_ENCRYPT.certificates, LETS_ENCRYPT.same_names
    assert orders is not None
    assert certificates is not None
    assert names is not None
    assert orders.refill == 36
    assert round(certificates.refill / 60) == 202
    assert round(names.refill / 3600) == 34


@pytest.mark.parametrize(
    ("directory", "limits"),
    [
        ("https://acme-v02.api.letsencrypt.org/directory", LETS_ENCRYPT),
        ("https://ACME-v02.api.letsencrypt.org:443/directory", LETS_ENCRYPT),
        ("https://acme-staging-v02.api.letsencrypt.org/directory", LETS_ENCRYPT_STAGING),
        ("https://ca.internal.example/acme/directory", RateLimits()),
        ("https://letsencrypt.org.evil.example/directory", RateLimits()),
        ("", RateLimits()),
    ],
)
def test_limits_are_known_of_lets_encrypt_only(directory: str, limits: RateLimits) -> None:
    assert limits_of(directory) == limits


def test_a_bucket_empties_and_refills() -> None:
    full_at = 0.0
    for _order in range(300):
        assert left(full_at, ORDERS, NOW) > 0
        full_at = spent(full_at, ORDERS, NOW)
    assert left(full_at, ORDERS, NOW) == 0
    assert available_at(full_at, ORDERS, NOW) == NOW + 36
    assert left(full_at, ORDERS, NOW + 35) == 0
    assert left(full_at, ORDERS, NOW + 36) == 1
    assert left(full_at, ORDERS, NOW + 10800) == 300


def test_how_long_many_take() -> None:
    """Of 100 certificates of a domain 50 are had at once, and the others in the seven days after."""
    limit = RateLimit(50, 7 * 86400)
    assert available_at(0, limit, NOW, 50) == NOW
    assert available_at(0, limit, NOW, 100) == NOW + 7 * 86400


@hypothesis.given(st.lists(st.floats(0, 200), max_size=400))
def test_never_more_than_the_limit_in_a_period(pauses: list[float]) -> None:
    limit, full_at, now = RateLimit(5, 100), 0.0, NOW
    taken: list[float] = []
    for pause in pauses:
        now += pause
        if left(full_at, limit, now):
            full_at = spent(full_at, limit, now)
            taken.append(now)
        else:
            assert available_at(full_at, limit, now) > now - 1e-3
    # What Boulder allows: a full bucket, and what flows in meanwhile.
    for first in taken:
        assert sum(first <= each < first + 100 for each in taken) <= 10


def test_sets_of_names_have_no_order() -> None:
    assert names_digest(["b.example", "a.example"]) == names_digest(("a.example", "b.example"))
    assert names_digest(["a.example"]) != names_digest(["*.a.example"])


@pytest.mark.parametrize(
    ("identifier", "domain"),
    [
        ("a.b.example.com", "example.com"),
        ("*.example.com", "example.com"),
        ("example.com", "example.com"),
        ("www.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("a.example.de", "example.de"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_registered_domains_as_far_as_can_be_guessed(identifier: str, domain: str) -> None:
    assert likely_registered_domain(identifier) == domain


SEE = "see https://letsencrypt.org/docs/rate-limits/"
ORDERS_REFUSED = f"too many new orders (300) from this account in the last 3h0m0s: {SEE}#new-orders-per-account"
DOMAIN_REFUSED = (
    'too many certificates (50) already issued for "Example.com" in the last 168h0m0s, retry after 2026-11-27'
    f" 09:18:47 UTC: {SEE}#new-certificates-per-registered-domain"
)
NAMES_REFUSED = (
    "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s:"
    f" {SEE}#new-certificates-per-exact-set-of-identifiers"
)
VALIDATION_REFUSED = (
    'too many failed authorizations (5) for "a.example.com" in the last 1h0m0s:'
    f" {SEE}#authorization-failures-per-identifier-per-account"
)


@pytest.mark.parametrize(
    ("message", "more", "scope"),
    [
        (ORDERS_REFUSED, {}, "account"),
        (DOMAIN_REFUSED, {}, "example.com"),
        (NAMES_REFUSED, {}, "certificate"),
        (VALIDATION_REFUSED, {}, "certificate"),
        ("no", {"url": "https://one.example/limits#new-certificates-per-exact-set-of-identifiers"}, "certificate"),
        ("slow down", {"identifiers": ["a.example.com"]}, "certificate"),
        ("Service busy; retry later.", {}, "account"),
        ("", {}, "account"),
    ],
)
def test_whom_a_refusal_holds_up(message: str, more: dict[str, t.Any], scope: str) -> None:
    found = refused_scope(AcmeError(message, "rate_limited", problem_type="rateLimited", **more))
    assert found == (("domain", scope) if "." in scope else (scope, ""))


def test_below_a_domain() -> None:
    assert is_below("example.com", "example.com")
    assert is_below("*.example.com", "example.com")
    assert is_below("a.example.com", "example.com")
    assert not is_below("notexample.com", "example.com")
    assert not is_below("com", "example.com")
