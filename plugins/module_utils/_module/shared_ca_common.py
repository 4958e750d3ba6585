# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules of the shared authority have in common: its options, its store, how it fails."""

from __future__ import annotations

import contextlib
import typing as t
from datetime import datetime, timedelta, timezone

from .._errors import InvalidOption, RotationError, SecretsManagerError
from .._ports.aws.shared_secrets import Properties, SharedSecrets, failure_kind
from .options import duration_option, tag_texts

if t.TYPE_CHECKING:
    from .._core.ca.profiles import KeySpec, Subject
    from .._core.shared_ca.state import Names
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
SERVER_SUBJECT_OPTION: dict[str, dict[str, t.Any]] = {
    "subject": {
        "type": "dict",
        "options": {
            **SUBJECT_DEFAULTS,
            "organizational_unit": {"type": "str", "default": "Server"},
            "common_name": {"type": "str", "default": "joblet-server"},
        },
    }
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


def renewal_option(params: t.Mapping[str, t.Any]) -> timedelta | None:
    """renew_before; None for the renewal policy. Raises InvalidOption."""
    return None if params["renew_before"] == "auto" else duration_option(params, "renew_before")


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


def server_subject(params: t.Mapping[str, t.Any]) -> Subject:
    """By SERVER_SUBJECT_OPTION."""
    from .._core.ca.profiles import Subject

    given = {name: text for name, text in (params["subject"] or {}).items() if text is not None}
    return Subject(**{"organizational_unit": "Server", "common_name": "joblet-server", **given})


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


@contextlib.contextmanager
def failures_told_apart() -> t.Iterator[None]:
    """Add ``reason`` to the result when AWS fails: "denied", "unreachable", "deleted", "absent" or "other"."""
    try:
        yield
    except SecretsManagerError as error:
        raise RotationError(error.message, **error.details, reason=failure_kind(error)) from None
