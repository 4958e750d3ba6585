# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A given certificate into a secret: verified first, and a new version only when it is another one."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.promotion import SecretCandidate, candidate_of
from .._core.secrets.candidates import fresh_version, is_unlabelling, plan_candidate, versions_of
from .._core.secrets.plan import (
    CURRENT,
    Request,
    WantedSecret,
    failed_replicas,
    plan_absent,
    plan_present,
    require_other_regions,
    tags_of,
    version_with,
)
from .._errors import RotationError, SecretsManagerError
from .._ports.aws.secret_writer import SecretWriter
from .given_secret import NOT_KEPT, GivenSecret, SecretRenewal

if t.TYPE_CHECKING:
    from .._core.x509.bundle import CertificateBundle

_UNREADABLE = ("AccessDeniedException", "ResourceNotFoundException", "InvalidRequestException", "DecryptionFailure")


def remove(source: SecretWriter, name: str, *, recovery_window: int, force: bool, check_mode: bool) -> dict[str, t.Any]:
    """recovery_window: days. Returns the result, with what a diff shows."""
    described = source.describe(name)
    requests = plan_absent(described, recovery_window=recovery_window, force=force)
    if not check_mode:
        source.apply(requests, name)
    before = _facts(described, version_with(described, CURRENT), {}) if requests else {}
    return {
        "changed": bool(requests),
        "name": name,
        "arn": (described or {}).get("ARN"),
        "action": "removed" if requests else "unchanged",
        "changes": [request.name for request in requests],
        "diff": {"before": before, "after": {}},
    }


def store(
    source: SecretWriter,
    wanted: WantedSecret,
    given: GivenSecret,
    bundle: CertificateBundle,
    *,
    restore: bool,
    check_mode: bool,
) -> dict[str, t.Any]:
    """wanted: with what a new secret gets as its document; restore: take back a deletion. Returns the result, with what
    a diff shows, and warnings."""
    require_other_regions(source.place.region, wanted.replicas)
    described = source.describe(wanted.name)
    try:
        return _bring(source, described, wanted, given, bundle, restore, check_mode)
    except SecretsManagerError as error:
        # Another run was quicker to create it. What that run stored is compared as usual.
        if described is not None or error.code != "ResourceExistsException":
            raise
        return _bring(source, source.describe(wanted.name), wanted, given, bundle, restore, check_mode)


def _bring(
    source: SecretWriter,
    described: dict[str, t.Any] | None,
    wanted: WantedSecret,
    given: GivenSecret,
    bundle: CertificateBundle,
    restore: bool,
    check_mode: bool,
) -> dict[str, t.Any]:
    if described and described.get("DeletedDate") and not restore:
        raise RotationError(
            f"Secret {wanted.name} is marked for deletion. Restore it with on_deleted: restore, use another name,"
            " or remove it for good with state: absent and force: true.",
            changed=False,
        )
    current = version_with(described, CURRENT)
    if described and current and wanted.label != CURRENT:
        return _put_beside(source, described, dataclasses.replace(wanted, base=current), given, bundle, check_mode)
    holder = version_with(described, wanted.label)
    renewal = _renewal(source, described, holder, wanted, given, bundle)
    wanted = dataclasses.replace(wanted, document=renewal.document)
    requests = plan_present(described, wanted, same_content=renewal.same)
    if not check_mode:
        for request in requests:
            if request.operation == "put_secret_value":
                source.put(request, wanted)
            else:
                source.apply([request], wanted.name)
    version = holder if holder and (renewal.same or holder == wanted.token) else wanted.token
    return _result(source, described, wanted, bundle, renewal, requests, holder, version)


def _put_beside(
    source: SecretWriter,
    described: dict[str, t.Any],
    wanted: WantedSecret,
    given: GivenSecret,
    bundle: CertificateBundle,
    check_mode: bool,
) -> dict[str, t.Any]:
    """Beside the current version, whose place it is to take. wanted: with that as its base."""
    renewal = _renewal(source, described, wanted.base, wanted, given, bundle)
    candidate = candidate_of(versions_of(described), wanted.label)
    wanted = fresh_version(described, dataclasses.replace(wanted, document=renewal.document))
    same = renewal.same or _is_staged(source, described, candidate, wanted, given, bundle)
    requests = plan_candidate(described, wanted, same_content=same)
    warnings = list(renewal.warnings)
    version = wanted.base if renewal.same else candidate.version_id if same else wanted.token
    if not check_mode:
        for request in requests:
            if request.operation == "put_secret_value":
                version = source.put(request, wanted)
            elif is_unlabelling(request):
                warnings += source.tidy(request, wanted.name)
            else:
                source.apply([request], wanted.name)
    told = dataclasses.replace(wanted, label=CURRENT, base=None) if renewal.same else wanted
    holder = wanted.base if renewal.same else candidate.version_id
    renewal = renewal._replace(warnings=warnings)
    return _result(source, described, told, bundle, renewal, requests, holder, version)


def _is_staged(
    source: SecretWriter,
    described: dict[str, t.Any],
    candidate: SecretCandidate,
    wanted: WantedSecret,
    given: GivenSecret,
    bundle: CertificateBundle,
) -> bool:
    """Whether the candidate that counts, and whoever put it there, means the same."""
    if not candidate.counts or candidate.version_id is None:
        return False
    if candidate.version_id == wanted.token:
        return candidate.base_version_id is not None
    try:
        return given.into(source.value_of(described, candidate.version_id), wanted, bundle).same
    except RotationError:  # it is not what would be stored, or nothing that can be read
        return False


def _result(
    source: SecretWriter,
    described: dict[str, t.Any] | None,
    wanted: WantedSecret,
    bundle: CertificateBundle,
    renewal: SecretRenewal,
    requests: t.Sequence[Request],
    holder: str | None,
    version: str | None,
) -> dict[str, t.Any]:
    """holder: the version that had the label; version: the one that holds the certificate now."""
    summary = bundle.summary()
    before = _facts(described, holder, renewal.before) if described else {}
    after = _wanted_facts(before, wanted, version, {**summary, "domain_name": renewal.domain_name})
    return {
        "changed": bool(requests),
        "name": wanted.name,
        "arn": described["ARN"] if described else (source.describe(wanted.name) or {}).get("ARN"),
        "version_id": version,
        "previous_version_id": holder if holder != version else None,
        "stage": wanted.label,
        "base_version_id": wanted.base,
        "action": "created" if described is None else "updated" if requests else "unchanged",
        "changes": [request.name for request in requests],
        **summary,
        "warnings": [f"{wanted.name}: {text}" for text in (*renewal.warnings, *failed_replicas(described))],
        "diff": {"before": before, "after": after} if requests else {"before": {}, "after": {}},
    }


def _renewal(
    source: SecretWriter,
    described: dict[str, t.Any] | None,
    holder: str | None,
    wanted: WantedSecret,
    given: GivenSecret,
    bundle: CertificateBundle,
) -> SecretRenewal:
    """What the secret holds is read, where anything does; a label that no version has yet stands for the current one.

    Raises RotationError when it must not become this.
    """
    base = holder or version_with(described, CURRENT)
    if described is None or base is None:
        return given.new(wanted, bundle)
    if holder == wanted.token:  # what this module stores by itself, and nobody has added anything
        new = given.new(wanted, bundle)
        return new._replace(same=True, before={**bundle.summary(), "domain_name": new.domain_name})
    try:
        value = source.value_of(described, base)
    except SecretsManagerError as error:  # who may only write, writes
        if error.code in _UNREADABLE:
            return given.new(wanted, bundle)._replace(warnings=[f"{NOT_KEPT} it cannot be read ({error.code})."])
        raise
    renewal = given.into(value, wanted, bundle)
    return renewal if holder else renewal._replace(same=False)


def _facts(
    described: t.Mapping[str, t.Any] | None, version: str | None, summary: t.Mapping[str, t.Any]
) -> dict[str, t.Any]:
    """For the diff: never content."""
    if described is None:
        return {}
    return {
        "description": described.get("Description") or "",
        "tags": tags_of(described),
        "kms_key_id": described.get("KmsKeyId"),
        "replicas": sorted(replica["Region"] for replica in described.get("ReplicationStatus") or []),
        "deleted": bool(described.get("DeletedDate")),
        "version_id": version,
        **_public(summary),
    }


def _wanted_facts(
    before: t.Mapping[str, t.Any], wanted: WantedSecret, version: str | None, summary: t.Mapping[str, t.Any]
) -> dict[str, t.Any]:
    tags = dict(before.get("tags") or {})
    if wanted.tags is not None:
        kept = {key: value for key, value in tags.items() if not wanted.purge_tags or key.startswith("aws:")}
        tags = {**kept, **wanted.tags}
    return {
        "description": wanted.description if wanted.description is not None else before.get("description", ""),
        "tags": tags,
        "kms_key_id": wanted.kms_key_id or before.get("kms_key_id"),
        "replicas": sorted(wanted.replicas) if wanted.replicas is not None else before.get("replicas", []),
        "deleted": False,
        "version_id": version,
        **_public(summary),
    }


def _public(summary: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    names = ("fingerprint_sha256", "not_before", "not_after", "subject_alternative_names", "domain_name")
    return {name: summary[name] for name in names if name in summary}
