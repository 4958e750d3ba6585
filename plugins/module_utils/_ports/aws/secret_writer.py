# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes secrets: DescribeSecret, one version's value, and the requests of a plan."""

from __future__ import annotations

import typing as t

from ..._core.secrets.arn import why_elsewhere
from ..._core.secrets.plan import MAX_AGAIN, Request, WantedSecret, label_move, put_version, version_with
from ..._errors import InvalidOption, RotationError, SecretsManagerError
from .secrets_manager import SecretsManager


class SecretWriter(SecretsManager):
    """Every method raises SecretsManagerError."""

    def describe(self, name: str) -> dict[str, t.Any] | None:
        """The reply of DescribeSecret, or None when there is no such secret. Raises InvalidOption for an ARN that is
        none, or of another region."""
        why = why_elsewhere(name, self.place)
        if why:
            raise InvalidOption(why)
        try:
            return self._call("describe_secret", secret=name, SecretId=name)
        except SecretsManagerError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise

    def value_of(self, described: t.Mapping[str, t.Any], version_id: str) -> str | bytes:
        """Of one version. (Asked for by id: which version carries a label may have changed a moment ago.)"""
        reply = self._call(
            "get_secret_value", secret=described["Name"], SecretId=described["ARN"], VersionId=version_id
        )
        value: str | bytes = reply["SecretString"] if "SecretString" in reply else reply.get("SecretBinary", b"")
        return value

    def apply(self, requests: t.Iterable[Request], name: str) -> None:
        """Make the requests, in order."""
        for request in requests:
            self._call(request.operation, secret=name, **request.parameters)

    def tidy(self, request: Request, name: str) -> list[str]:
        """Make a request without which all is well, too. Returns a warning where it fails."""
        try:
            self.apply([request], name)
        except SecretsManagerError as error:
            return [f"A label that an earlier candidate has left was not removed: {error.message}"]
        return []

    def put(self, request: Request, wanted: WantedSecret) -> str:
        """Make the request of PutSecretValue, and see to it that the version carries the label. Returns its id.

        AWS ignores the request where a version with this token has the value already, and moves no label then. A
        candidate becomes a version of its own in that case: its labels come at once with the value, or not at all.
        Raises RotationError when a version with this token has another value.
        """
        try:
            reply = self._call(request.operation, secret=wanted.name, **request.parameters)
        except SecretsManagerError as error:
            if error.code != "ResourceExistsException":
                raise
            raise RotationError(
                f"Secret {wanted.name} has a version {wanted.token} that holds something else, so AWS refuses this one:"
                " somebody has written a version with this id by hand. Change domain_name to get another id.",
                aws_error_code=error.code,
            ) from None
        labels = reply.get("VersionStages") or []
        if wanted.base is not None and not {*wanted.labels} <= {*labels}:
            if wanted.again >= MAX_AGAIN:
                raise RotationError(
                    f"Secret {wanted.name} has {wanted.again} versions with this content that were candidates before."
                    " Have the certificate issued anew."
                )
            again = wanted.once_more
            return self.put(put_version({"SecretId": reply["ARN"]}, again), again)
        if wanted.label not in labels:
            holder = version_with(self.describe(wanted.name), wanted.label)
            self.apply([label_move({"SecretId": reply["ARN"]}, wanted, holder)], wanted.name)
        return str(reply.get("VersionId") or wanted.token)
