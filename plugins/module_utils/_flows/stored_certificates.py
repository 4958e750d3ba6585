# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates as they are stored in Secrets Manager: what there is, whether it may be served, and their content."""

from __future__ import annotations

import math
import typing as t
from datetime import datetime, timedelta

from .._core.instants import isoformat_utc
from .._core.pipeline.source import Discovery, SecretFailure, SecretValue, SecretVersion, Selection, partial_arn
from .._core.promotion import CURRENT
from .._core.x509.problems import error
from .._errors import RotationError
from .._ports.aws.secrets_manager import SecretsManager
from .rotate.deployed import NOT_SELECTED, selection_text

if t.TYPE_CHECKING:
    from .._core.pipeline.verify import SecretVerifier
    from .._core.x509.bundle import CertificateBundle
    from .._core.x509.certificate import Certificate
    from .._core.x509.problems import Problem

_DATES = {
    "created_at": "CreatedDate",
    "last_changed_at": "LastChangedDate",
    "last_accessed_at": "LastAccessedDate",
    "deleted_at": "DeletedDate",
}
_POLICIES = {
    "secret_missing": "on_missing",
    "secret_no_current_version": "on_missing",
    "secret_access_denied": "on_denied",
    "secret_deleted": "on_deleted",
}


class StoredCertificates(t.NamedTuple):
    """items: one for each secret, by name; warnings: for the user, an empty answer among them."""

    items: t.Sequence[dict[str, t.Any]]
    warnings: t.Sequence[str]


def look_at_secrets(
    source: SecretsManager,
    selection: Selection | None,
    verifier: SecretVerifier | None,
    *,
    server_name: str | None,
    with_tags: bool,
    mask: t.Callable[[str], None] | None,
    now: datetime,
) -> StoredCertificates:
    """verifier: None to read no value; server_name: only certificates for it; mask: told of each private key before it
    is returned, None to return none. Raises SecretsManagerError when the selection itself cannot be read."""
    discovery = source.discover(selection or Selection())
    warnings = list(discovery.warnings)
    items = {secret.arn: _item(secret, with_tags) for secret in discovery.secrets}
    items.update({failure.arn or failure.name: _item(failure, with_tags) for failure in discovery.failures})
    for result in source.read(discovery.secrets) if verifier is not None else ():
        item = items[result.arn or result.name if isinstance(result, SecretFailure) else result.secret.arn]
        if isinstance(result, SecretFailure):
            item["problems"] = [result.problem.as_dict()]
        elif verifier is not None and not _tell(item, result, verifier, server_name, mask, now):
            del items[result.secret.arn]
    if not items:
        warnings.append(_nothing(selection, discovery, server_name))
    return StoredCertificates(sorted(items.values(), key=lambda item: str(item["name"])), warnings)


def _tell(
    item: dict[str, t.Any],
    read: SecretValue,
    verifier: SecretVerifier,
    server_name: str | None,
    mask: t.Callable[[str], None] | None,
    now: datetime,
) -> bool:
    """What the value is, into the item. False for a certificate that is not for the name."""
    bundle, problems = verifier.verify(read.value, at=now)
    item["version_id"] = read.secret.version_id
    item["valid"] = bundle is not None
    item["problems"] = [problem.as_dict() for problem in problems]
    leaf = bundle.leaf if bundle else unaccepted_leaf(verifier, read.value)
    if leaf is not None:
        item.update(leaf.summary(), days_remaining=math.floor((leaf.not_after - now) / timedelta(days=1)))
    if server_name and not _serves(leaf, server_name):
        return False
    if bundle is not None and mask:
        mask(bundle.private_key_pem.decode())
        item.update(_pem_parts(bundle))
    return True


def certificates_of(
    names: t.Sequence[str],
    source: SecretsManager,
    verifier: SecretVerifier,
    policies: t.Mapping[str, str],
    *,
    labels: tuple[str, ...] = (CURRENT,),
    warn: t.Callable[[str], None],
    mask: t.Callable[[str], None],
    now: datetime,
) -> list[dict[str, t.Any]]:
    """One item for each name, in order, without those that a policy skips. One batch read for every 20 names.

    labels: as of a Selection. With others than AWSCURRENT the secrets are listed first.
    policies: on_missing, on_denied, on_deleted, on_invalid -> error, skip or warn; mask: told of
    each private key before it is returned. Raises RotationError.
    """
    items = {}
    unique = list(dict.fromkeys(names))
    for asked, result in _read_by_name(source, unique, labels):
        problems: t.Sequence[Problem]
        if isinstance(result, SecretFailure):
            if result.problem.code in ("secret_unreadable", "secret_elsewhere"):
                raise RotationError(f"{asked.name}: {result.problem.message}")
            problems, bundle = [result.problem], None
        else:
            bundle, found = verifier.verify(result.value, at=now)
            problems = [*result.problems, *found]
        if bundle is None or isinstance(result, SecretFailure):
            errors = [problem for problem in problems if problem.severity == "error"]
            policy = policies[_POLICIES.get(errors[0].code, "on_invalid")]
            text = "\n".join(f"{asked.name}: {problem.message} [{problem.code}]" for problem in errors)
            if policy == "error":
                raise RotationError(text)
            if policy == "warn":
                warn(f"Skipped. {text}")
            continue
        for problem in problems:
            warn(f"{asked.name}: {problem.message} [{problem.code}]")
        parts = _pem_parts(bundle)
        mask(parts["private_key"])
        items[asked.name] = {
            "name": result.secret.name,
            "arn": result.secret.arn,
            "version_id": result.secret.version_id,
            "label": result.secret.label,
            **bundle.summary(),
            "problems": [problem.as_dict() for problem in problems],
            **parts,
            "pem": bundle.render("haproxy")["pem"].decode(),
        }
    if not items:
        warn(
            "No certificate is returned: "
            + (f"all of {len(unique)} secrets were skipped." if unique else "none is named.")
        )
    return [items[name] for name in names if name in items]


def _read_by_name(
    source: SecretsManager, names: t.Sequence[str], labels: tuple[str, ...]
) -> t.Iterator[tuple[SecretVersion, SecretValue | SecretFailure]]:
    """The secret as it was called, and what was read of it, in any order."""
    if labels == (CURRENT,):
        yield from source.answers([SecretVersion(name, name, "") for name in names])
        return
    discovery = source.discover(Selection(names=tuple(names), labels=labels))
    by_id: dict[str, SecretVersion] = {}
    for secret in discovery.secrets:
        by_id.update({secret.name: secret, secret.arn: secret, partial_arn(secret.arn): secret})
    failed = {failure.name: failure for failure in discovery.failures}
    failed.update({failure.arn: failure for failure in discovery.failures if failure.arn})
    wanted: dict[str, list[str]] = {}
    for name in names:
        if name in by_id:
            wanted.setdefault(by_id[name].arn, []).append(name)
        else:
            silent = error("secret_unreadable", f"Secret {name} was not listed. Run it again.")
            yield SecretVersion(name, name, ""), failed.get(name) or SecretFailure(name, silent)
    for secret, result in source.answers([by_id[arn] for arn in wanted]):
        for name in wanted[secret.arn]:
            yield SecretVersion(name, name, ""), result


def _nothing(selection: Selection | None, discovery: Discovery, server_name: str | None) -> str:
    """An empty answer looks like one to a question that was not asked."""
    if selection is None:
        return NOT_SELECTED
    if discovery.secrets:
        return f"None of the {len(discovery.secrets)} secrets that were found has a certificate for {server_name}."
    return f"No secret was found by {selection_text(selection)} in {discovery.where}."


def _pem_parts(bundle: CertificateBundle) -> dict[str, str]:
    """The content, private key included."""
    files = {part: data.decode() for part, data in bundle.render("lineage").items()}
    return {
        "certificate": files["cert"],
        "certificate_chain": files["chain"],
        "fullchain": files["fullchain"],
        "private_key": files["privkey"],
    }


def unaccepted_leaf(verifier: SecretVerifier, value: str | bytes) -> Certificate | None:
    """Of content that failed verification: what has expired, say, is still to be told by its names and dates."""
    from .._core.x509.leaf import find_leaf
    from .._core.x509.problems import MaterialError, Problem
    from .._core.x509.reading import material_errors

    try:
        with material_errors():
            leaf = find_leaf(verifier.parse(value))
    except MaterialError:
        return None
    return None if isinstance(leaf, Problem) or leaf.malformed else leaf


def _serves(leaf: Certificate | None, server_name: str) -> bool:
    from .._core.x509.names import covers

    return leaf is not None and covers(leaf.dns_names, leaf.ip_addresses, server_name)


def _item(secret: SecretVersion | SecretFailure, with_tags: bool) -> dict[str, t.Any]:
    described = secret.described
    item: dict[str, t.Any] = {
        "name": secret.name,
        "arn": secret.arn,
        "description": described.get("Description") or "",
        "kms_key_id": described.get("KmsKeyId"),
        "version_id": secret.version_id if isinstance(secret, SecretVersion) else None,
        "versions": dict(described.get("SecretVersionsToStages") or {}),
        "valid": None,
        "problems": [secret.problem.as_dict()] if isinstance(secret, SecretFailure) else [],
        "fingerprint_sha256": None,
        "not_before": None,
        "not_after": None,
        "days_remaining": None,
        "subject_alternative_names": [],
        "issuer": None,
        "serial_number": None,
        "key": None,
        "extended_key_usage": None,
    }
    for name, field in _DATES.items():
        item[name] = isoformat_utc(described[field]) if described.get(field) else None
    if with_tags:
        item["tags"] = {tag["Key"]: tag.get("Value", "") for tag in described.get("Tags") or []}
    return item
