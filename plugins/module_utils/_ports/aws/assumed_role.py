# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rights of another account for a while (AWS STS, AssumeRole)."""

from __future__ import annotations

import typing as t

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # who makes the client reports it
    pass

from ..._errors import RotationError

_SECONDS = 3600  # the most that a role may give which was reached by another role


def assume_role(sts: t.Any, role_arn: str, external_id: str | None, session: str) -> t.Mapping[str, str]:
    """Its Credentials: AccessKeyId, SecretAccessKey, SessionToken, for an hour. sts: a client of boto3.

    Raises RotationError.
    """
    request: dict[str, t.Any] = {"RoleArn": role_arn, "RoleSessionName": session, "DurationSeconds": _SECONDS}
    if external_id:
        request["ExternalId"] = external_id
    try:
        credentials: t.Mapping[str, str] = sts.assume_role(**request)["Credentials"]
    except ClientError as error:
        told = error.response.get("Error", {})
        code, text = told.get("Code", "Unknown"), told.get("Message", "")
        raise RotationError(
            f"sts:AssumeRole of {role_arn} failed with {code}: {text.rstrip('.')}. Let the role trust these credentials"
            " (and check external_id), and allow them sts:AssumeRole on it.",
            aws_error_code=code,
        ) from None
    except BotoCoreError as error:  # no credentials, no connection, time-outs, a role that is no ARN
        raise RotationError(f"sts:AssumeRole of {role_arn} failed: {type(error).__name__}: {error}.") from None
    return credentials
