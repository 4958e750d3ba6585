# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""acme_account: parameters to an account that should be there, or not any more."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._core.acme.wanted import KEY_TYPES
from .._core.instants import isoformat_utc
from .._errors import InvalidOption
from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .options import duration_option

if t.TYPE_CHECKING:
    from .._core.acme.account_secret import AccountDocument
    from .._flows.issue.account import AccountReport, AccountWish
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "directory": {"type": "str", "required": True},
    "account_secret": {"type": "str", "required": True, "no_log": False},
    "eab_secret": {"type": "str", "no_log": False},
    "contacts": {"type": "list", "elements": "str"},
    "terms_agreed": {"type": "bool", "default": False},
    "key_type": {"type": "str", "choices": [*KEY_TYPES], "default": KEY_TYPES[0], "no_log": False},
    "rotate_key_after": {"type": "str", "no_log": False},
    "ca_bundle": {"type": "path"},
    "kms_key_id": {"type": "str", "no_log": False},
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params, now = module.params, datetime.now(timezone.utc).replace(microsecond=0)
        for library in ("cryptography", "acme"):
            require_library(library)
        from .._flows.issue.account import AccountKeeper
        from .._ports.acme.account import AcmeAccounts
        from .._ports.aws.shared_secrets import Properties, SharedSecrets

        wish = _wish(params)
        store = SharedSecrets(
            module.client("secretsmanager"), module.retry, Properties(kms_key_id=params["kms_key_id"])
        )
        with AcmeAccounts(wish.directory, ca_bundle=params["ca_bundle"]) as authority:
            keeper = AccountKeeper(store, authority, wish, now, dry=module.check_mode)
            report = keeper.present() if params["state"] == "present" else keeper.absent()
        for warning in report.warnings:
            module.warn(warning)
        module.exit_json(
            changed=report.changed,
            action=report.action,
            directory=wish.directory,
            account_secret=wish.secret,
            status=report.status,
            **_facts(report.document),
            acme_requests=authority.requests,
            api_calls=dict(store.api_calls),
            **({"diff": _diff(report, wish)} if module._diff else {}),
        )


def _wish(params: t.Mapping[str, t.Any]) -> AccountWish:
    """Raises InvalidOption."""
    from .._core.acme.account_terms import contact_urls
    from .._flows.issue.account import AccountWish

    for name in ("directory", "account_secret"):
        if not params[name].strip():
            raise InvalidOption(f"{name} is empty.")
    if params["eab_secret"] and params["eab_secret"] == params["account_secret"]:
        raise InvalidOption("eab_secret and account_secret are two secrets: what the CA gave, and what is made here.")
    return AccountWish(
        directory=params["directory"].strip(),
        secret=params["account_secret"],
        eab_secret=params["eab_secret"] or None,
        contacts=None if params["contacts"] is None else contact_urls(params["contacts"]),
        terms_agreed=params["terms_agreed"],
        key_type=params["key_type"],
        key_lifetime=duration_option(params, "rotate_key_after") if params["rotate_key_after"] else None,
    )


def _facts(document: AccountDocument | None) -> dict[str, t.Any]:
    if document is None:
        return dict.fromkeys(("account_url", "thumbprint", "contacts", "key_created"))
    return {
        "account_url": document.url,
        "thumbprint": document.thumbprint,
        "contacts": None if document.contacts is None else list(document.contacts),
        "key_created": isoformat_utc(document.key_created) if document.key_created else None,
    }


def _diff(report: AccountReport, wish: AccountWish) -> dict[str, t.Any]:
    before, after = _facts(report.before), _facts(report.document)
    if report.before == report.document:  # check mode, or nothing to do
        contacts = {"contacts": None if wish.contacts is None else list(wish.contacts)}
        predicted: dict[str, dict[str, t.Any]] = {
            "registered": {"account_url": "(of a new account)", **contacts},
            "contacts_changed": contacts,
            "key_changed": {"thumbprint": "(of another key)"},
            "deactivated": {"status": "deactivated"},
        }
        after = {**after, **predicted.get(report.action, {})}
    elif report.status == "deactivated":
        after = {**after, "status": "deactivated"}
    return {"before": before, "after": after}
