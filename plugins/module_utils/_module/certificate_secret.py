# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_secret: a given certificate into a secret, verified first, a new version only when it is another one."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timezone

from .._core.secrets.plan import (
    CURRENT,
    WantedSecret,
    plan_absent,
    plan_present,
    secret_document,
    tags_of,
    version_with,
)
from .._errors import InvalidOption, RotationError, SecretsManagerError
from .._ports.aws.secret_writer import SecretWriter
from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .given import GIVEN_EXCLUSIVE, GIVEN_OPTIONS, given_content
from .options import VERIFY_OPTIONS, tag_texts, verification_policy

if t.TYPE_CHECKING:
    from .._core.x509.bundle import CertificateBundle
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "domain_name": {"type": "str"},
    "description": {"type": "str"},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
    "kms_key_id": {"type": "str"},
    "stage": {"type": "str", "default": CURRENT},
    "replicas": {
        "type": "list",
        "elements": "dict",
        "options": {"region": {"type": "str", "required": True}, "kms_key_id": {"type": "str"}},
    },
    "on_deleted": {"type": "str", "choices": ["fail", "restore"], "default": "fail"},
    "recovery_window": {"type": "int", "default": 30},
    "force": {"type": "bool", "default": False},
    **GIVEN_OPTIONS,
    **VERIFY_OPTIONS,
}
MUTUALLY_EXCLUSIVE = GIVEN_EXCLUSIVE
_UNREADABLE = ("AccessDeniedException", "ResourceNotFoundException", "InvalidRequestException", "DecryptionFailure")


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        job = _SecretJob(module, SecretWriter(module.client("secretsmanager"), module.retry))
        result = job.absent() if module.params["state"] == "absent" else job.present()
        diff = result.pop("diff")
        module.exit_json(**result, api_calls=dict(job.source.api_calls), **({"diff": diff} if module._diff else {}))


class _SecretJob:
    """One call of the module."""

    def __init__(self, module: AwsModule, source: SecretWriter) -> None:
        self.source = source
        self._params: t.Mapping[str, t.Any] = module.params
        self._check_mode: bool = module.check_mode
        self._warn = module.warn

    def absent(self) -> dict[str, t.Any]:
        window, force = self._params["recovery_window"], self._params["force"]
        if not 7 <= window <= 30:
            raise InvalidOption("recovery_window: AWS keeps a deleted secret for 7 to 30 days. Use force for none.")
        name = self._params["name"]
        described = self.source.describe(name)
        requests = plan_absent(described, recovery_window=window, force=force)
        if not self._check_mode:
            self.source.apply(requests, name)
        before = _facts(described, version_with(described, CURRENT), {}) if requests else {}
        return {
            "changed": bool(requests),
            "name": name,
            "arn": (described or {}).get("ARN"),
            "action": "removed" if requests else "unchanged",
            "changes": [request.name for request in requests],
            "diff": {"before": before, "after": {}},
        }

    def present(self) -> dict[str, t.Any]:
        bundle, problems = self._verified()
        wanted = self._wanted(bundle)
        described = self.source.describe(wanted.name)
        try:
            return self._bring(described, wanted, bundle, problems)
        except SecretsManagerError as error:
            # Another run was quicker to create it. What that run stored is compared as usual.
            if described is not None or error.code != "ResourceExistsException":
                raise
            return self._bring(self.source.describe(wanted.name), wanted, bundle, problems)

    def _verified(self) -> tuple[CertificateBundle, list[dict[str, str]]]:
        """Raises RotationError when it must not be served."""
        require_library("cryptography")
        from .._core.x509.document import parse_secret
        from .._core.x509.problems import MaterialError
        from .._core.x509.verify import build_bundle
        from .._ports.openssl.loadable import why_not_loaded
        from .._ports.openssl.opener import ProcessOpener

        policy = verification_policy(self._params)
        try:
            material = parse_secret(given_content(self._params), ProcessOpener(self._params["passphrase"]))
        except MaterialError as error:
            bundle, problems = None, [error.problem]
        else:
            domain_name = self._params["domain_name"] or material.domain_name
            material = dataclasses.replace(material, domain_name=domain_name)
            bundle, problems = build_bundle(
                material, policy, at=datetime.now(timezone.utc), why_not_loaded=why_not_loaded
            )
        dicts = [problem.as_dict() for problem in problems]
        lines = [f"{self._params['name']}: {problem.message} [{problem.code}]" for problem in problems]
        if bundle is None:
            raise RotationError("\n".join(lines), changed=False, action="refused", problems=dicts)
        for line in lines:
            self._warn(line)
        return bundle, dicts

    def _wanted(self, bundle: CertificateBundle) -> WantedSecret:
        params = self._params
        files = {part: data.decode() for part, data in bundle.render("lineage").items()}
        document = {
            "certificate": files["cert"],
            "certificate_chain": files["chain"],
            "private_key": files["privkey"],
            "domain_name": params["domain_name"] or bundle.subject_alternative_names[0],
        }
        tags, replicas = params["tags"], params["replicas"]
        return WantedSecret(
            name=params["name"],
            document=secret_document(document),
            label=params["stage"],
            description=params["description"],
            tags=None if tags is None else tag_texts(tags),
            purge_tags=params["purge_tags"],
            kms_key_id=params["kms_key_id"],
            replicas=None if replicas is None else {item["region"]: item["kms_key_id"] for item in replicas},
        )

    def _bring(
        self,
        described: dict[str, t.Any] | None,
        wanted: WantedSecret,
        bundle: CertificateBundle,
        problems: list[dict[str, str]],
    ) -> dict[str, t.Any]:
        if described and described.get("DeletedDate") and self._params["on_deleted"] == "fail":
            raise RotationError(
                f"Secret {wanted.name} is marked for deletion. Restore it with on_deleted: restore, use another name,"
                " or remove it for good with state: absent and force: true.",
                changed=False,
            )
        holder = version_with(described, wanted.label)
        stored, same = self._stored(described, holder, wanted, bundle)
        requests = plan_present(described, wanted, same_content=same)
        if not self._check_mode:
            for request in requests:
                if request.operation == "put_secret_value":
                    self.source.put(request, wanted)
                else:
                    self.source.apply([request], wanted.name)
        version = holder if holder and (same or holder == wanted.token) else wanted.token
        summary = bundle.summary()
        before = _facts(described, holder, stored) if described else {}
        after = _wanted_facts(before, wanted, version, summary)
        return {
            "changed": bool(requests),
            "name": wanted.name,
            "arn": described["ARN"] if described else (self.source.describe(wanted.name) or {}).get("ARN"),
            "version_id": version,
            "previous_version_id": holder if holder != version else None,
            "stage": wanted.label,
            "action": "created" if described is None else "updated" if requests else "unchanged",
            "changes": [request.name for request in requests],
            **summary,
            "problems": problems,
            "diff": {"before": before, "after": after} if requests else {"before": {}, "after": {}},
        }

    def _stored(
        self, described: dict[str, t.Any] | None, holder: str | None, wanted: WantedSecret, bundle: CertificateBundle
    ) -> tuple[dict[str, t.Any], bool]:
        """Facts of what is stored now, and whether it means the same. Who may only write, writes."""
        if described is None or holder is None:
            return {}, False
        if holder == wanted.token:
            return bundle.summary(), True
        from .._core.x509.document import parse_secret
        from .._core.x509.problems import MaterialError
        from .._core.x509.verify import build_bundle
        from .._ports.openssl.loadable import why_not_loaded
        from .._ports.openssl.opener import ProcessOpener

        try:
            value = self.source.value_of(described, holder)
            material = parse_secret(value, ProcessOpener(self._params["passphrase"]))
        except MaterialError:
            return {}, False
        except SecretsManagerError as error:
            if error.code in _UNREADABLE:
                return {}, False
            raise
        policy = verification_policy(self._params)
        stored, _problems = build_bundle(material, policy, at=datetime.now(timezone.utc), why_not_loaded=why_not_loaded)
        if stored is None:
            return material.certificates[0].summary() if len(material.certificates) == 1 else {}, False
        asked = self._params["domain_name"]
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
