# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option stores: where issued certificates are kept. Documented in plugins/doc_fragments/certificate_stores.py."""

from __future__ import annotations

import functools
import re
import typing as t

from .._errors import InvalidOption, RotationError
from .options import exact_text, tag_texts

if t.TYPE_CHECKING:
    from .._core.acme.stores import CertificateStore
    from .._flows.issue.stores import CertificateStores
    from .._flows.issue.truth import SecretsTruth
    from .aws import AwsModule

TRUTH: t.Final = "secrets_manager"
#: Suboptions of the option stores.
STORE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "type": {"type": "str", "choices": [TRUTH, "acm", "s3"], "required": True},
    "name": {"type": "str"},
    "prefix": {"type": "str"},
    "bucket": {"type": "str"},
    "bucket_owner": {"type": "raw"},
    "region": {"type": "str"},
    "kms_key_id": {"type": "str", "no_log": False},
    "tags": {"type": "dict"},
    "replica_regions": {"type": "list", "elements": "str"},
    "on_deleted": {"type": "str", "choices": ["fail", "restore"], "default": "fail"},
}
_OF: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    TRUTH: ("prefix", "region", "kms_key_id", "tags", "replica_regions", "on_deleted"),
    "acm": ("region", "tags"),
    "s3": ("prefix", "bucket", "bucket_owner", "region", "kms_key_id", "tags"),
}
_DEFAULTS: t.Final = {"on_deleted": "fail"}
_ACCOUNT = re.compile(r"[0-9]{12}")
_Options = t.Mapping[str, t.Any]


def check_stores(stores: t.Sequence[_Options]) -> list[_Options]:
    """The truth first, which is always there, and each with a name. Raises InvalidOption."""
    named = [{**store, "name": store.get("name") or store["type"]} for store in stores]
    truths = [store for store in named if store["type"] == TRUTH] or [{"type": TRUTH, "name": TRUTH}]
    if len(truths) > 1:
        raise InvalidOption("stores: certificates are kept in one place in Secrets Manager, so list it once.")
    others = [store for store in named if store["type"] != TRUTH]
    for store in (*truths, *others):
        _check(store)
    names = [store["name"] for store in (*truths, *others)]
    for name in names:
        if names.count(name) > 1:
            raise InvalidOption(f"stores: two of them are called {name}. Give each a name of its own (name).")
    _check_apart(others)
    return [*truths, *others]


def secrets_truth(
    module: AwsModule,
    stores: t.Sequence[_Options],
    *,
    kms_key_id: str | None = None,
    restore: bool = True,
    label: str | None = None,
) -> SecretsTruth:
    """stores: of check_stores; kms_key_id: for who names none; restore: whether on_deleted counts, which in check mode
    it does not; label: of new versions, None for the current one. Raises RotationError when the options give no
    client."""
    from .._core.pipeline.verify import SecretVerifier
    from .._core.x509.verify import VerificationPolicy
    from .._flows.issue.truth import SecretsTruth
    from .._ports.aws.certificate_secrets import CertificateSecrets
    from .._ports.aws.shared_secrets import Properties
    from .._ports.openssl.loadable import why_not_loaded
    from .._ports.openssl.opener import ProcessOpener

    store = stores[0]
    regions = store.get("replica_regions")
    properties = Properties(
        tags=tag_texts(store.get("tags") or {}),
        kms_key_id=store.get("kms_key_id") or kms_key_id,
        replica_regions=None if regions is None else tuple(regions),
    )
    return SecretsTruth(
        CertificateSecrets(_client(module, "secretsmanager", store), module.retry),
        SecretVerifier(VerificationPolicy(), ProcessOpener(None), why_not_loaded),
        properties,
        prefix=store.get("prefix") or "",
        on_deleted="fail" if store.get("on_deleted") != "restore" else "restore" if restore else "predict",
        **({"label": label} if label else {}),
    )


def certificate_stores(
    module: AwsModule, stores: t.Sequence[_Options], truth: SecretsTruth, *, kms_key_id: str | None = None
) -> CertificateStores:
    """Those beside the truth. stores: of check_stores; kms_key_id: for who names none."""
    from .._flows.issue.stores import CertificateStores

    owner = functools.lru_cache(maxsize=1)(functools.partial(_own_account, module))

    def made(store: _Options) -> CertificateStore:
        if store["type"] == "acm":
            return _acm(module, store, truth)
        return _s3(module, store, kms_key_id=kms_key_id, owner=owner)

    return CertificateStores([made(store) for store in stores[1:]])


def _acm(module: AwsModule, store: _Options, truth: SecretsTruth) -> CertificateStore:
    from .._flows.issue.stores import SecretPointers
    from .._ports.aws.acm import AcmStore

    client = _client(module, "acm", store)
    pointers = SecretPointers(truth, client.meta.region_name)
    return AcmStore(client, module.retry, pointers, name=store["name"], tags=tag_texts(store.get("tags") or {}))


def _s3(module: AwsModule, store: _Options, *, kms_key_id: str | None, owner: t.Callable[[], str]) -> CertificateStore:
    from .._ports.aws.s3_lineages import S3Lineages, S3Settings

    given = store.get("bucket_owner")
    settings = S3Settings(
        store["bucket"],
        owner if given is None else lambda: _account(given),
        _prefix(store),
        store.get("kms_key_id") or kms_key_id,
        tag_texts(store.get("tags") or {}),
    )
    return S3Lineages(_client(module, "s3", store), module.retry, settings, name=store["name"])


def _own_account(module: AwsModule) -> str:
    """Raises RotationError."""
    from .._ports.aws.calls import AwsCalls

    try:
        return str(AwsCalls(module.client("sts"), module.retry, "sts").call("get_caller_identity")["Account"])
    except RotationError as error:
        raise RotationError(f"{error.message} Or name the account that the bucket belongs to (bucket_owner).") from None


def _client(module: AwsModule, service: str, store: _Options) -> t.Any:
    region = store.get("region")
    return module.client(service, **({"region": region} if region else {}))


def _check(store: _Options) -> None:
    kind = store["type"]
    for option, value in store.items():
        if option not in ("type", "name", *_OF[kind]) and value not in (None, _DEFAULTS.get(option)):
            raise InvalidOption(f"stores: {store['name']}: {option} means nothing to a store of the type {kind}.")
    tag_texts(store.get("tags") or {})
    if kind == "s3":
        if not store.get("bucket"):
            raise InvalidOption(f"stores: {store['name']}: name its bucket (bucket).")
        if store.get("bucket_owner") is not None:
            _account(store["bucket_owner"])
        if _prefix(store).startswith("/") or "//" in _prefix(store):
            raise InvalidOption(f"stores: {store['name']}: prefix must not begin with / or hold //, as in certs/.")


def _check_apart(stores: t.Sequence[_Options]) -> None:
    """Two that write to one place would undo each other."""
    places: dict[tuple[t.Any, ...], str] = {}
    for store in stores:
        is_acm = store["type"] == "acm"
        place = ("acm", store.get("region")) if is_acm else ("s3", store["bucket"], _prefix(store))
        other = places.setdefault(place, store["name"])
        if other != store["name"]:
            raise InvalidOption(
                f"stores: {other} and {store['name']} are the same place. Give them different "
                f"{'regions (region)' if is_acm else 'prefixes (prefix)'}, or leave one out."
            )


def _prefix(store: _Options) -> str:
    """certs and certs/ are the same; "" are the bucket's top folders."""
    prefix = "certs/" if store.get("prefix") is None else str(store["prefix"])
    return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def _account(value: t.Any) -> str:
    """YAML makes numbers of ids, and those with a leading zero would be others."""
    text = exact_text("stores: bucket_owner", value)
    if not isinstance(value, str) or not _ACCOUNT.fullmatch(text):
        raise InvalidOption(f'stores: bucket_owner: {value!r} is no account id. Quote its 12 digits: "012345678901".')
    return text
