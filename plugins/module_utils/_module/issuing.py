# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of issuing to what an issuance is told, and to what it touches."""

from __future__ import annotations

import functools
import typing as t
from datetime import timedelta

from .._errors import InvalidOption
from .dns_options import check_dns_options, dns_providers
from .options import exact_text
from .store_options import certificate_stores, check_stores, secrets_truth

if t.TYPE_CHECKING:
    from datetime import datetime

    from .._core.acme.authority import CertificateAuthority
    from .._core.acme.names import WantedCertificates
    from .._core.acme.wanted import Issuer
    from .._core.acme.when import RenewalPolicy
    from .._flows.issue.run_time import RunTime
    from .._flows.issue.settings import IssuePorts, IssueSettings
    from .aws import AwsModule

_Params = t.Mapping[str, t.Any]


def wanted_of(params: _Params) -> WantedCertificates:
    """Of the option certificates. Bad entries are told apart, and stop no others. Raises InvalidOption."""
    from .._core.acme.names import wanted_certificates

    stores = [store["name"] for store in check_stores(params["stores"])]
    profile = params["issuers"][0]["profile"] if params["issuers"] else None
    return wanted_certificates(params["certificates"], challenge=params["challenge"], profile=profile, stores=stores)


def issuers_of(params: _Params) -> tuple[Issuer, ...]:
    """Raises InvalidOption."""
    from .._core.acme.wanted import Issuer
    from .._core.acme.when import same_directory

    made: list[Issuer] = []
    for options in params["issuers"]:
        issuer = Issuer(**{**options, "directory": options["directory"].strip()})
        if not issuer.directory or not issuer.account_secret:
            raise InvalidOption("issuers: directory and account_secret must not be empty.")
        if any(same_directory(other.directory, issuer.directory) for other in made):
            raise InvalidOption(f"issuers: {issuer.directory} is listed twice.")
        made.append(issuer)
    if not made:
        raise InvalidOption("issuers: name at least one.")
    return tuple(made)


def policy_of(params: _Params) -> RenewalPolicy:
    """Raises InvalidOption."""
    from .._core.acme.when import RenewalPolicy, parse_floor

    days = params["renew_before_days"]
    if days is not None and days < 1:
        raise InvalidOption("renew_before_days is a whole number of days from 1.")
    return RenewalPolicy(
        renew_before=None if days is None else timedelta(days=days),
        renewal_info=params["renewal_info"],
        floor=parse_floor(exact_text("emergency_floor", params["emergency_floor"])),
    )


def label_of(given: str) -> str:
    """Raises InvalidOption."""
    from .._core.promotion import CURRENT, check_label

    return CURRENT if given.strip() == CURRENT else check_label(given, "stage")


def settings_of(params: _Params, now: datetime, *, asks: bool = True, locates: bool = True) -> IssueSettings:
    """asks, locates: see IssueSettings. Raises InvalidOption."""
    from .._core.acme.reissue import read_incident
    from .._flows.issue.settings import IssueSettings

    check_dns_options(params["dns"])
    if not 1 <= params["concurrency"] <= 64:
        raise InvalidOption("concurrency is a number of requests at the same time from 1 to 64.")
    return IssueSettings(
        issuers=issuers_of(params),
        challenge=params["challenge"],
        caa=params["caa"],
        policy=policy_of(params),
        force=params["force"],
        threads=params["concurrency"],
        incident=read_incident(params["reissue"], now),
        asks=asks,
        locates=locates,
    )


def ports_of(
    module: AwsModule, params: _Params, issuers: t.Sequence[Issuer], run_time: RunTime, *, dry: bool
) -> IssuePorts:
    """params: certificate_issue's; dry: nothing is written. Raises RotationError."""
    from .._flows.issue.authorities import Authorities
    from .._flows.issue.dns import DnsPublisher
    from .._flows.issue.settings import IssuePorts
    from .._ports.aws.issuance_journal import IssuanceJournal
    from .._ports.aws.issuance_ledger import IssuanceLedger, ledger_place
    from .._ports.dns.resolver import DnsResolver

    stores, key = check_stores(params["stores"]), params["kms_key_id"]
    label = label_of(params["stage"])
    truth = secrets_truth(module, stores, kms_key_id=key, restore=not dry, label=label)
    client = functools.lru_cache(maxsize=None)(module.client)
    resolver = DnsResolver(params["nameservers"])
    return IssuePorts(
        truth=truth,
        stores=certificate_stores(module, stores, truth, kms_key_id=key),
        journal=IssuanceJournal(client("secretsmanager"), module.retry, params["journal_secret"], kms_key_id=key),
        ledger=IssuanceLedger(ledger_place(params["ledger"], client, module.retry, key)),
        authorities=Authorities(issuers, _Accounts(module, params, client, run_time).open),
        publisher=lambda: DnsPublisher(dns_providers(module, params["dns"]), resolver, module.warn),
        resolver=lambda: resolver,
        warn=module.warn,
        truth_name=stores[0]["name"],
        kinds={store["name"]: store["type"] for store in stores},
    )


class _Accounts:
    """CAs with the accounts of their secrets."""

    def __init__(self, module: AwsModule, params: _Params, client: t.Callable[[str], t.Any], run_time: RunTime) -> None:
        from .._ports.aws.shared_secrets import Properties, SharedSecrets

        self._module = module
        self._params = params
        properties = Properties(kms_key_id=params["kms_key_id"])
        self._store = SharedSecrets(client("secretsmanager"), module.retry, properties)
        self._time = run_time

    def open(self, issuer: Issuer, register: bool) -> CertificateAuthority | None:
        """Where one is to be registered, the CA is asked for it; else what the secret says is believed."""
        from .._core.acme.account import AcmeAccount
        from .._core.acme.account_secret import read_account
        from .._core.acme.account_terms import contact_urls
        from .._core.secrets.plan import CURRENT
        from .._flows.issue.account import AccountWish, find_or_register
        from .._ports.acme.account import AcmeAccounts
        from .._ports.acme.authority import AcmeAuthority
        from .._ports.acme.network import AcmeLimits

        params, usual = self._params, AcmeLimits()
        # One request must not take longer than the whole run may.
        limits = AcmeLimits(
            answer=min(usual.answer, params["timeout"] / 3),
            request=min(usual.request, params["timeout"] / 2),
            connections=params["concurrency"],
        )
        if register:
            wish = AccountWish(
                directory=issuer.directory,
                secret=issuer.account_secret,
                eab_secret=issuer.eab_secret,
                contacts=contact_urls(params["contacts"]) or None,
                terms_agreed=params["terms_agreed"],
            )
            with AcmeAccounts(issuer.directory, ca_bundle=issuer.ca_bundle, limits=limits) as accounts:
                report = find_or_register(self._store, accounts, wish, self._time.now())
            for warning in report.warnings:
                self._module.warn(warning)
            document = report.document
        else:
            secret = self._store.fetch(issuer.account_secret)
            current = secret.labelled(CURRENT) if secret else None
            document = read_account(current.text, issuer.account_secret, issuer.directory) if current else None
        if document is None or not document.url or document.deactivated:
            return None
        account = AcmeAccount(issuer.directory, document.url, document.key_pem)
        return AcmeAuthority.open(issuer, account, limits=limits)
