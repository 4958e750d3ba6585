# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ministack's application, with PutSecretValue and labels as AWS has them. Run by the Python of ministack.

As the API reference of Secrets Manager says: a token that is known stores nothing again, and fails with another value;
the token becomes the version's id; a label is at one version of a secret, so that one who gets it takes it from
another; the first version is the current one; and all versions have 20 labels together (quotas of Secrets Manager).
"""

from __future__ import annotations

import json
import typing as t

import ministack.app  # type: ignore[import-not-found,unused-ignore]
from ministack.services import secretsmanager  # type: ignore[import-not-found,unused-ignore]

app = ministack.app.app  # for hypercorn
_MAX_LABELS = 20
_put = secretsmanager._put_secret_value
_update = secretsmanager._update_secret_version_stage
_create = secretsmanager._create_secret


def _labels(secret: dict[str, t.Any]) -> set[str]:
    return {label for version in secret["Versions"].values() for label in version["Stages"]}


def _too_many(labels: set[str]) -> t.Any:
    if len(labels) <= _MAX_LABELS:
        return None
    text = f"The secret would have {len(labels)} staging labels, and {_MAX_LABELS} are the most."
    return secretsmanager.error_response_json("LimitExceededException", text, 400)


def _put_secret_value(data: dict[str, t.Any]) -> t.Any:
    _name, secret = secretsmanager._resolve(data.get("SecretId"))
    if not secret or secret.get("DeletedDate") or secretsmanager._is_replica(secret):
        return _put(data)
    wanted = data.get("VersionStages") or ["AWSCURRENT"]
    known = secret["Versions"].get(data.get("ClientRequestToken"))
    if known is not None:
        if any(known.get(kind) != data.get(kind) for kind in ("SecretString", "SecretBinary")):
            text = "You can't use ClientRequestToken, because a version with another value has it."
            return secretsmanager.error_response_json("ResourceExistsException", text, 400)
        reply = {"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": data["ClientRequestToken"]}
        return secretsmanager.json_response({**reply, "VersionStages": list(known["Stages"])})
    wrong = _too_many(_labels(secret) | {*wanted})
    if wrong:
        return wrong
    others = [label for label in wanted if label != "AWSCURRENT"]
    for version in secret["Versions"].values():
        version["Stages"] = [label for label in version["Stages"] if label not in others]
    is_first = not any("AWSCURRENT" in version["Stages"] for version in secret["Versions"].values())
    answer = _put(data)
    status, headers, body = answer
    if status != 200:
        return answer
    reply = json.loads(body)
    stored = secret["Versions"][reply["VersionId"]]
    current = ["AWSCURRENT"] if is_first or "AWSCURRENT" in wanted else []
    stored["Stages"] = list(dict.fromkeys([*current, *others]))
    secretsmanager._sync_replicas(secret)
    return status, headers, json.dumps({**reply, "VersionStages": stored["Stages"]}).encode()


def _create_secret(data: dict[str, t.Any]) -> t.Any:
    """The token becomes the version's id; and without a value there is no version."""
    answer = _create(data)
    status, headers, body = answer
    if status != 200:
        return answer
    reply = json.loads(body)
    _name, secret = secretsmanager._resolve(data["Name"])
    version = secret["Versions"].pop(reply.pop("VersionId"))
    if data.get("SecretString") is None and data.get("SecretBinary") is None:
        return status, headers, json.dumps(reply).encode()
    version_id = data.get("ClientRequestToken") or secretsmanager.new_uuid()
    secret["Versions"][version_id] = version
    secretsmanager._sync_replicas(secret)
    return status, headers, json.dumps({**reply, "VersionId": version_id}).encode()


def _update_secret_version_stage(data: dict[str, t.Any]) -> t.Any:
    _name, secret = secretsmanager._resolve(data.get("SecretId"))
    if secret and data.get("MoveToVersionId"):
        wrong = _too_many(_labels(secret) | {str(data.get("VersionStage"))})
        if wrong:
            return wrong
    return _update(data)


secretsmanager._put_secret_value = _put_secret_value
secretsmanager._update_secret_version_stage = _update_secret_version_stage
secretsmanager._create_secret = _create_secret
