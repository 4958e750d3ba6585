# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# ruff: noqa: N803 - arguments are named as boto3 names them

"""Secrets Manager in memory, as strict as AWS about tokens and labels, and atomic, which moto's server is not.

It stands for a boto3 client, so that a run can be stopped dead before or after any of its calls.
"""

from __future__ import annotations

import threading
import types
import typing as t
from dataclasses import dataclass, field

from botocore.exceptions import ClientError


class Killed(BaseException):
    """As SIGKILL does it: nothing in the program sees it coming."""


@dataclass
class _Secret:
    arn: str
    properties: dict[str, t.Any]
    texts: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)  # label -> version
    deleted: bool = False


class MemorySecretsManager:
    """calls: the operations that were asked for. before, after: called with each operation, outside the lock."""

    def __init__(self) -> None:
        self.secrets: dict[str, _Secret] = {}
        self.calls: list[str] = []
        self.before: t.Callable[[str], None] = lambda operation: None
        self.after: t.Callable[[str], None] = lambda operation: None
        self.meta = types.SimpleNamespace(
            events=types.SimpleNamespace(register_first=lambda *arguments: None),
            endpoint_url="https://secretsmanager.example",
            region_name="eu-central-1",
            partition="aws",
        )
        self._lock = threading.Lock()

    @property
    def writes(self) -> list[str]:
        return [name for name in self.calls if name not in ("describe_secret", "get_secret_value")]

    def labelled_texts(self) -> dict[tuple[str, str], str]:
        """(secret, label) -> text."""
        return {
            (name, label): secret.texts[version]
            for name, secret in self.secrets.items()
            for label, version in secret.labels.items()
        }

    def kill_at(self, write: int, *, after: bool = False) -> None:
        """Die at the writing call of this number, from 1: before AWS has done it, or after. 0: never."""
        left = [write]

        def count(operation: str) -> None:
            if operation not in ("describe_secret", "get_secret_value"):
                left[0] -= 1
                if left[0] == 0:
                    raise Killed

        self.before = self.after = lambda operation: None
        if after:
            self.after = count
        else:
            self.before = count

    # -- operations, as boto3 names them ------------------------------------------------------------------------

    def describe_secret(self, *, SecretId: str) -> dict[str, t.Any]:
        with self._call("describe_secret"):
            secret = self._secret(SecretId, even_deleted=True)
            versions: dict[str, list[str]] = {}
            for label, version in secret.labels.items():
                versions.setdefault(version, []).append(label)
            reply = {"ARN": secret.arn, "Name": self._name(SecretId), **({"DeletedDate": 1} if secret.deleted else {})}
            return {**reply, **({"VersionIdsToStages": versions} if versions else {})}

    def get_secret_value(self, *, SecretId: str, VersionId: str) -> dict[str, t.Any]:
        with self._call("get_secret_value"):
            return {"SecretString": self._secret(SecretId).texts[VersionId]}

    def create_secret(
        self, *, Name: str, ClientRequestToken: str, SecretString: str, **more: t.Any
    ) -> dict[str, t.Any]:
        with self._call("create_secret"):
            if Name in self.secrets:
                if self.secrets[Name].deleted:
                    raise client_error("InvalidRequestException", "a secret with this name is scheduled for deletion")
                if self.secrets[Name].texts.get(ClientRequestToken) != SecretString:
                    raise client_error("ResourceExistsException")
            else:
                self.secrets[Name] = _Secret(f"arn:aws:secretsmanager:eu-central-1:1:secret:{Name}-AbCdEf", more)
                self._put(self.secrets[Name], ClientRequestToken, SecretString, ["AWSCURRENT"])
            return {"ARN": self.secrets[Name].arn, "VersionId": ClientRequestToken}

    def put_secret_value(
        self,
        *,
        SecretId: str,
        ClientRequestToken: str,
        SecretString: str,
        VersionStages: list[str],
    ) -> dict[str, t.Any]:
        assert 32 <= len(ClientRequestToken) <= 64
        assert len(SecretString.encode()) <= 65536
        with self._call("put_secret_value"):
            secret = self._secret(SecretId)
            if secret.texts.get(ClientRequestToken, SecretString) != SecretString:
                raise client_error("ResourceExistsException")
            if ClientRequestToken not in secret.texts:
                self._put(secret, ClientRequestToken, SecretString, VersionStages)
            return {"ARN": secret.arn}

    def update_secret_version_stage(
        self,
        *,
        SecretId: str,
        VersionStage: str,
        RemoveFromVersionId: str | None = None,
        MoveToVersionId: str | None = None,
    ) -> dict[str, t.Any]:
        with self._call("update_secret_version_stage"):
            secret = self._secret(SecretId)
            holder = secret.labels.get(VersionStage)
            if holder != RemoveFromVersionId:
                raise client_error("InvalidParameterException", f"the label is at {holder}")
            if MoveToVersionId is None:
                assert VersionStage != "AWSCURRENT"
                del secret.labels[VersionStage]
            else:
                secret.labels[VersionStage] = MoveToVersionId
                if VersionStage == "AWSCURRENT" and holder:
                    secret.labels["AWSPREVIOUS"] = holder
            return {"ARN": secret.arn}

    # -- parts --------------------------------------------------------------------------------------------------

    def _call(self, operation: str) -> _Call:
        return _Call(self, operation, self._lock)

    def _name(self, identifier: str) -> str:
        return next((name for name, secret in self.secrets.items() if identifier in (name, secret.arn)), identifier)

    def _secret(self, identifier: str, *, even_deleted: bool = False) -> _Secret:
        secret = self.secrets.get(self._name(identifier))
        if secret is None:
            raise client_error("ResourceNotFoundException")
        if secret.deleted and not even_deleted:
            raise client_error("InvalidRequestException", "the secret is marked for deletion")
        return secret

    @staticmethod
    def _put(secret: _Secret, version: str, text: str, labels: list[str]) -> None:
        secret.texts[version] = text
        for label in labels:
            holder = secret.labels.get(label)
            if label == "AWSCURRENT" and holder is not None:
                secret.labels["AWSPREVIOUS"] = holder
            secret.labels[label] = version


class _Call:
    """What surrounds an operation."""

    def __init__(self, secrets: MemorySecretsManager, operation: str, lock: threading.Lock) -> None:
        self._secrets, self._operation, self._lock = secrets, operation, lock

    def __enter__(self) -> None:
        self._secrets.calls.append(self._operation)
        self._secrets.before(self._operation)
        self._lock.acquire()

    def __exit__(self, _kind: t.Any, error: BaseException | None, _trace: t.Any) -> None:
        self._lock.release()
        if error is None:
            self._secrets.after(self._operation)


def client_error(code: str, message: str = "made up by a test") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")
