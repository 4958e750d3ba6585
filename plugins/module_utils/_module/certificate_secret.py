# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_secret: parameters to what is to be stored, what was done to the result."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._core.promotion import check_label
from .._core.secrets.plan import CURRENT, WantedSecret
from .._core.x509.changes import GUARDED_CHANGES
from .._errors import InvalidOption, RotationError
from .._ports.aws.secret_writer import SecretWriter
from .._ports.host.libraries import require_library
from .boundary import module_boundary
from .given import GIVEN_EXCLUSIVE, GIVEN_OPTIONS, given_content
from .options import VERIFY_OPTIONS, allowed_changes, tag_texts, verification_policy
from .selection import CONTENT_OPTIONS

if t.TYPE_CHECKING:
    from .._core.x509.bundle import CertificateBundle
    from .._flows.given_secret import GivenSecret
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
    "merge": {"type": "bool", "default": True},
    "allow_changes": {"type": "list", "elements": "str", "choices": [*GUARDED_CHANGES, "all"]},
    "fields": CONTENT_OPTIONS["fields"],
    **GIVEN_OPTIONS,
    **VERIFY_OPTIONS,
}
MUTUALLY_EXCLUSIVE = GIVEN_EXCLUSIVE


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        source = SecretWriter(module.client("secretsmanager"), module.retry)
        result = _absent(module, source) if module.params["state"] == "absent" else _present(module, source)
        diff = result.pop("diff")
        for warning in result.pop("warnings", ()):
            module.warn(warning)
        module.exit_json(**result, api_calls=dict(source.api_calls), **({"diff": diff} if module._diff else {}))


def _absent(module: AwsModule, source: SecretWriter) -> dict[str, t.Any]:
    from .._flows.certificate_secret import remove

    params = module.params
    window = params["recovery_window"]
    if not 7 <= window <= 30:
        raise InvalidOption("recovery_window: AWS keeps a deleted secret for 7 to 30 days. Use force for none.")
    return remove(source, params["name"], recovery_window=window, force=params["force"], check_mode=module.check_mode)


def _present(module: AwsModule, source: SecretWriter) -> dict[str, t.Any]:
    """Raises RotationError when it must not be served."""
    require_library("cryptography")
    from .._flows.certificate_secret import store

    params = module.params
    given = _given(params)
    bundle, problems = given.verified()
    dicts = [problem.as_dict() for problem in problems]
    lines = [f"{params['name']}: {problem.message} [{problem.code}]" for problem in problems]
    if bundle is None:
        raise RotationError("\n".join(lines), changed=False, action="refused", problems=dicts)
    for line in lines:
        module.warn(line)
    wanted, restore = _wanted(params, given, bundle), params["on_deleted"] == "restore"
    return {**store(source, wanted, given, bundle, restore=restore, check_mode=module.check_mode), "problems": dicts}


def _given(params: t.Mapping[str, t.Any]) -> GivenSecret:
    """Raises InvalidOption."""
    from .._core.pipeline.verify import field_map
    from .._flows.given_secret import GivenSecret
    from .._ports.openssl.opener import ProcessOpener

    policy = verification_policy(params)
    return GivenSecret(
        content=given_content(params),
        opener=ProcessOpener(params["passphrase"]),
        domain_name=params["domain_name"],
        policy=policy,
        at=datetime.now(timezone.utc),
        fields=field_map(params["fields"] or {}),
        merge=params["merge"],
        allow_changes=None if params["allow_changes"] is None else allowed_changes(params),
    )


def _wanted(params: t.Mapping[str, t.Any], given: GivenSecret, bundle: CertificateBundle) -> WantedSecret:
    """Raises InvalidOption, and RotationError when AWS would not take it."""
    tags, replicas = params["tags"], params["replicas"]
    return WantedSecret(
        name=params["name"],
        document=given.document(bundle),
        label=params["stage"] if params["stage"] == CURRENT else check_label(params["stage"], "stage"),
        description=params["description"],
        tags=None if tags is None else tag_texts(tags),
        purge_tags=params["purge_tags"],
        kms_key_id=params["kms_key_id"],
        replicas=None if replicas is None else {item["region"]: item["kms_key_id"] for item in replicas},
    )
