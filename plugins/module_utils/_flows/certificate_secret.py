# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A given certificate into a secret: verified first, and a new version only when it is another one."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

from .._core.secrets.plan import (
    CURRENT,
    WantedSecret,
    plan_absent,
    plan_present,
    secret_document,
    tags_of,
    version_with,
)
from .._core.x509.document import parse_secret
from .._core.x509.opener import Opener
from .._core.x509.problems import MaterialError, Problem
from .._core.x509.verify import VerificationPolicy, build_bundle
from .._errors import RotationError, SecretsManagerError
from .._ports.aws.secret_writer import SecretWriter
from .._ports.openssl.loadable import why_not_loaded

if t.TYPE_CHECKING:
    from .._core.x509.bundle import CertificateBundle

_UNREADABLE = ("AccessDeniedException", "ResourceNotFoundException", "InvalidRequestException", "DecryptionFailure")


@dataclasses.dataclass(frozen=True)
class GivenSecret:
    """What is to be stored. content: as a secret may hold it; opener: of what is encrypted, also in
    what is stored now; domain_name: that the certificate has to cover."""

    content: str | bytes
    opener: Opener
    domain_name: str | None
    policy: VerificationPolicy
    at: datetime

    def verified(self) -> tuple[CertificateBundle | None, list[Problem]]:
        """None when it must not be served."""
        try:
            material = parse_secret(self.content, self.opener)
        except MaterialError as error:
            return None, [error.problem]
        material = dataclasses.replace(material, domain_name=self.domain_name or material.domain_name)
        bundle, problems = build_bundle(material, self.policy, at=self.at, why_not_loaded=why_not_loaded)
        return bundle, list(problems)

    def document(self, bundle: CertificateBundle) -> str:
        """Raises RotationError when AWS would not take it."""
        files = {part: data.decode() for part, data in bundle.render("lineage").items()}
        parts = {
            "certificate": files["cert"],
            "certificate_chain": files["chain"],
            "private_key": files["privkey"],
            "domain_name": self.domain_name or bundle.subject_alternative_names[0],
        }
        return secret_document(parts)


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
    """restore: take back a deletion. Returns the result, with what a diff shows."""
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
    holder = version_with(described, wanted.label)
    stored, same = _stored(source, described, holder, wanted, given, bundle)
    requests = plan_present(described, wanted, same_content=same)
    if not check_mode:
        for request in requests:
            if request.operation == "put_secret_value":
                source.put(request, wanted)
            else:
                source.apply([request], wanted.name)
    version = holder if holder and (same or holder == wanted.token) else wanted.token
    summary = bundle.summary()
    before = _facts(described, holder, stored) if described else {}
    after = _wanted_facts(before, wanted, version, summary)
    return {
        "changed": bool(requests),
        "name": wanted.name,
        "arn": described["ARN"] if described else (source.describe(wanted.name) or {}).get("ARN"),
        "version_id": version,
        "previous_version_id": holder if holder != version else None,
        "stage": wanted.label,
        "action": "created" if described is None else "updated" if requests else "unchanged",
        "changes": [request.name for request in requests],
        **summary,
        "diff": {"before": before, "after": after} if requests else {"before": {}, "after": {}},
    }


def _stored(
    source: SecretWriter,
    described: dict[str, t.Any] | None,
    holder: str | None,
    wanted: WantedSecret,
    given: GivenSecret,
    bundle: CertificateBundle,
) -> tuple[dict[str, t.Any], bool]:
    """Facts of what is stored now, and whether it means the same. Who may only write, writes."""
    if described is None or holder is None:
        return {}, False
    if holder == wanted.token:
        return bundle.summary(), True
    try:
        material = parse_secret(source.value_of(described, holder), given.opener)
    except MaterialError:
        return {}, False
    except SecretsManagerError as error:
        if error.code in _UNREADABLE:
            return {}, False
        raise
    stored, _problems = build_bundle(material, given.policy, at=given.at, why_not_loaded=why_not_loaded)
    if stored is None:
        return material.certificates[0].summary() if len(material.certificates) == 1 else {}, False
    asked = given.domain_name
    return stored.summary(), stored == bundle and (not asked or asked == material.domain_name)


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
    before: t.Mapping[str, t.Any], wanted: WantedSecret, version: str, summary: t.Mapping[str, t.Any]
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
    names = ("fingerprint_sha256", "not_before", "not_after", "subject_alternative_names")
    return {name: summary[name] for name in names if name in summary}
