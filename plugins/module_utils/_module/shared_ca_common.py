# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules of the shared authority have in common: its options, its store, what they return of it."""

from __future__ import annotations

import contextlib
import typing as t
from datetime import datetime, timedelta, timezone

from .._errors import InvalidOption, RotationError, SecretsManagerError
from .._ports.aws.shared_secrets import Properties, SharedSecrets, failure_kind
from .options import tag_texts

if t.TYPE_CHECKING:
    from .._core.ca.profiles import KeySpec
    from .._core.shared_ca.state import Client, Names, Pair, State
    from .._core.x509.problems import Problem
    from .aws import AwsModule

DEFAULT_TAGS = {"Application": "Joblet", "Type": "Certificate"}
PREFIX_OPTION: dict[str, dict[str, t.Any]] = {"prefix": {"type": "str", "default": "joblet"}}
WARN_OPTION: dict[str, dict[str, t.Any]] = {"warn_days": {"type": "int", "default": 30}}
#: Of those parts of a subject that all certificates have in common.
SUBJECT_DEFAULTS: dict[str, dict[str, t.Any]] = {
    "country": {"type": "str", "default": "US"},
    "state": {"type": "str", "default": "CA"},
    "locality": {"type": "str", "default": "Los Angeles"},
    "organization": {"type": "str", "default": "Joblet"},
}
CLIENT_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@+=-")
CREATION_OPTIONS: dict[str, dict[str, t.Any]] = {
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "kms_key_id": {"type": "str"},
    "replica_regions": {"type": "list", "elements": "str"},
}


def now() -> datetime:
    """Whole seconds, as certificates hold them."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def warn_before(params: t.Mapping[str, t.Any]) -> timedelta:
    """Raises InvalidOption."""
    if params["warn_days"] < 0:
        raise InvalidOption("warn_days must be 0 or more.")
    return timedelta(days=params["warn_days"])


def secret_names(params: t.Mapping[str, t.Any]) -> Names:
    """Raises InvalidOption."""
    from .._core.shared_ca.state import Names

    if not params["prefix"].strip("/"):
        raise InvalidOption("prefix: give what the names of the secrets begin with.")
    return Names(params["prefix"])


def key_spec(kind: str, size: int | None, default_sizes: t.Mapping[str, int]) -> KeySpec:
    """Raises InvalidOption."""
    from .._core.ca.profiles import KeySpec

    return KeySpec(t.cast("t.Any", kind), size or default_sizes[kind])


def shared_secrets(module: AwsModule) -> SharedSecrets:
    """The store, with the properties that CREATION_OPTIONS ask for, where the module has them."""
    from .._core.shared_ca.state import LABELS

    params = module.params
    tags = params.get("tags")
    properties = Properties(
        tags=tag_texts(DEFAULT_TAGS if tags is None else tags),
        tags_given=tags is not None,
        kms_key_id=params.get("kms_key_id"),
        replica_regions=None if params.get("replica_regions") is None else tuple(params["replica_regions"]),
    )
    return SharedSecrets(module.client("secretsmanager"), module.retry, properties, LABELS)


def known_clients(source: SharedSecrets, names: Names, warn: t.Callable[[str], None]) -> list[str]:
    """Those that are stored, as far as a listing is allowed."""
    try:
        return names.clients(source.names(f"{names.prefix}/client-cert"))
    except SecretsManagerError as error:
        if failure_kind(error) != "denied":
            raise
        warn(
            "secretsmanager:ListSecrets is denied, so only the clients that are named are seen. Allow it on resource *,"
            " or name all of them."
        )
        return []


@contextlib.contextmanager
def failures_told_apart() -> t.Iterator[None]:
    """Add ``reason`` to the result when AWS fails: "denied", "unreachable", "deleted", "absent" or "other"."""
    try:
        yield
    except SecretsManagerError as error:
        raise RotationError(error.message, **error.details, reason=failure_kind(error)) from None


def facts(state: State, at: datetime, warn: timedelta, *, with_keys: bool) -> dict[str, t.Any]:
    """What results tell of what is stored."""
    certificates = [
        *_authority_facts(state, at, warn, with_keys),
        *(
            _client_facts(state, client, client.pair, at, warn, with_keys)
            for client in state.clients.values()
            if client.pair
        ),
    ]
    current = state.current.certificate if state.current else None
    return {
        "prefix": state.names.prefix,
        "stage": state.phase,
        "ca_certificate": current.pem.decode() if current else None,
        "fingerprint_sha256": current.fingerprint_sha256 if current else None,
        "trust_bundle": state.trust_bundle,
        "trusted_fingerprints": [certificate.fingerprint_sha256 for certificate in state.trusted],
        "crl": state.crl.text if state.crl else None,
        "certificates": certificates,
        "problems": [
            {"name": certificate["name"], **problem}
            for certificate in certificates
            for problem in certificate["problems"]
        ],
    }


def shown(state: State) -> dict[str, t.Any]:
    """For a diff: names, fingerprints and dates."""
    found = facts(state, now(), timedelta(0), with_keys=False)
    keys = ("fingerprint_sha256", "not_after", "revoked")
    return {
        "stage": found["stage"],
        "certificates": {
            f"{each['secret']} ({each['role']})": {key: each[key] for key in keys} for each in found["certificates"]
        },
    }


def _authority_facts(state: State, at: datetime, warn: timedelta, with_keys: bool) -> t.Iterator[dict[str, t.Any]]:
    from .._core.ca.judge import authority_problems

    roles = {"current": state.current, "successor": state.successor, "retiring": state.retiring}
    for role, pair in roles.items():
        if pair:
            certificate = pair.certificate
            found = authority_problems(certificate, pair.key, at, warn) if certificate and pair.key is not None else []
            yield _pair_facts("ca", state.names.ca_cert, role, pair, found, False, with_keys)


def _client_facts(
    state: State, client: Client, pair: Pair, at: datetime, warn: timedelta, with_keys: bool
) -> dict[str, t.Any]:
    from .._core.ca.judge import leaf_problems

    certificate, found, revoked = pair.certificate, [], False
    if certificate and pair.key is not None:
        found = leaf_problems(certificate, pair.key, "client", state.trusted, at, warn)
        revoked = state.is_revoked(certificate)
    secret = state.names.client_cert(client.name)
    return _pair_facts(client.name, secret, "client", pair, found, revoked, with_keys)


def _pair_facts(
    name: str, secret: str, role: str, pair: Pair, found: t.Sequence[Problem], revoked: bool, with_keys: bool
) -> dict[str, t.Any]:
    problems = [*pair.problems, *found]
    item: dict[str, t.Any] = {
        "name": name,
        "secret": secret,
        "role": role,
        "version_id": pair.version_id,
        "valid": not revoked and not any(problem.severity == "error" for problem in problems),
        "revoked": revoked,
        "problems": [problem.as_dict() for problem in problems],
        "subject": None,
        "fingerprint_sha256": None,
        "not_before": None,
        "not_after": None,
        "serial_number": None,
        "key": None,
        "certificate": None,
    }
    if pair.certificate:
        summary = pair.certificate.summary()
        item.update({key: summary[key] for key in summary if key in item})
        item.update(subject=pair.certificate.subject, certificate=pair.certificate.pem.decode())
    if with_keys:
        item["private_key"] = None
        if pair.key is not None:
            from .._core.ca.keys import key_pem
            from .masking import mask_private_key

            item["private_key"] = key_pem(pair.key)
            mask_private_key(item["private_key"])
    return item
