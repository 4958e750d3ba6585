# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_secret_info: what is stored, and whether it may be served."""

from __future__ import annotations

import math
import typing as t
from datetime import datetime, timedelta, timezone

from .._core.instants import isoformat_utc
from .._core.pipeline.source import Discovery, SecretFailure, SecretVersion, Selection
from .._errors import InvalidOption
from .._flows.rotate.deployed import NOT_SELECTED, selection_text
from .._ports.aws.secrets_manager import SecretsManager
from .boundary import module_boundary
from .masking import can_mask, mask_private_key
from .selection import CONTENT_OPTIONS, SELECTION_OPTIONS, secret_selection, secret_verifier

if t.TYPE_CHECKING:
    from .._core.pipeline.verify import SecretVerifier
    from .._core.x509.bundle import CertificateBundle
    from .._core.x509.certificate import Certificate
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **SELECTION_OPTIONS,
    "server_name": {"type": "str"},
    "include_tags": {"type": "bool", "default": True},
    "verify": {"type": "bool", "default": True},
    "include_private_key": {"type": "bool", "default": False, "no_log": False},
    **CONTENT_OPTIONS,
}
REQUIRED_ONE_OF = [["names", "name_prefix", "tags"]]
_DATES = {
    "created_at": "CreatedDate",
    "last_changed_at": "LastChangedDate",
    "last_accessed_at": "LastAccessedDate",
    "deleted_at": "DeletedDate",
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        with_key = params["include_private_key"]
        if with_key and not (module.no_log or can_mask()):
            raise InvalidOption(
                "include_private_key: set no_log: true on this task, or Ansible prints the private keys it returns."
            )
        if params["server_name"] and not (params["verify"] or with_key):
            raise InvalidOption("server_name: names are known from the values alone. Leave verify at true.")
        source = SecretsManager(module.client("secretsmanager"), module.retry)
        selection = secret_selection(params, empty_prefix_is_all=True)
        discovery = source.discover(selection or Selection())
        for warning in discovery.warnings:
            module.warn(warning)
        items = {secret.arn: _item(secret, params["include_tags"]) for secret in discovery.secrets}
        items.update(
            {failure.arn or failure.name: _item(failure, params["include_tags"]) for failure in discovery.failures}
        )
        if params["verify"] or with_key:
            verifier = secret_verifier(params)
            now = datetime.now(timezone.utc)
            for result in source.read(discovery.secrets):
                if isinstance(result, SecretFailure):
                    items[result.arn or result.name]["problems"] = [result.problem.as_dict()]
                    continue
                bundle, problems = verifier.verify(result.value, at=now)
                item = items[result.secret.arn]
                item["version_id"] = result.secret.version_id
                item["valid"] = bundle is not None
                item["problems"] = [problem.as_dict() for problem in problems]
                leaf = bundle.leaf if bundle else _unaccepted_leaf(verifier, result.value)
                if leaf is not None:
                    item.update(leaf.summary(), days_remaining=math.floor((leaf.not_after - now) / timedelta(days=1)))
                if params["server_name"] and not _serves(leaf, params["server_name"]):
                    del items[result.secret.arn]
                if bundle is not None and with_key:
                    mask_private_key(bundle.private_key_pem.decode())
                    item.update(pem_parts(bundle))
        if not items:
            module.warn(_nothing(selection, discovery, params["server_name"]))
        module.exit_json(
            changed=False,
            secrets=sorted(items.values(), key=lambda item: str(item["name"])),
            api_calls=dict(source.api_calls),
        )


def _nothing(selection: Selection | None, discovery: Discovery, server_name: str | None) -> str:
    """An empty answer looks like one to a question that was not asked."""
    if selection is None:
        return NOT_SELECTED
    if discovery.secrets:
        return f"None of the {len(discovery.secrets)} secrets that were found has a certificate for {server_name}."
    return f"No secret was found by {selection_text(selection)} in {discovery.where}."


def pem_parts(bundle: CertificateBundle) -> dict[str, str]:
    """The content, private key included."""
    files = {part: data.decode() for part, data in bundle.render("lineage").items()}
    return {
        "certificate": files["cert"],
        "certificate_chain": files["chain"],
        "fullchain": files["fullchain"],
        "private_key": files["privkey"],
    }


def _unaccepted_leaf(verifier: SecretVerifier, value: str | bytes) -> Certificate | None:
    """Of content that failed verification: what has expired, say, is still to be told by its names and dates."""
    from .._core.x509.chain import find_leaf
    from .._core.x509.problems import MaterialError, Problem
    from .._core.x509.reading import material_errors

    try:
        with material_errors():
            leaf = find_leaf(tuple(dict.fromkeys(verifier.parse(value).certificates)))
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
