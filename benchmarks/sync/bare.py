# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The baseline: a bare boto3 script that makes the same calls and the same durable writes, and checks nothing.

Usage: bare.py cold|unchanged PREFIX DIRECTORY
"""

# The plain calls of os, for pathlib would only slow the baseline down.
# ruff: noqa: PTH103, PTH104, PTH123

from __future__ import annotations

import hashlib
import json
import os
import sys
import typing as t

import boto3

PAGE_SIZE = 100
BATCH_SIZE = 20


def listed(client: t.Any, prefix: str) -> list[str]:
    """ARNs of all secrets with that prefix."""
    request: dict[str, t.Any] = {"MaxResults": PAGE_SIZE, "Filters": [{"Key": "name", "Values": [prefix]}]}
    arns: list[str] = []
    while True:
        reply = client.list_secrets(**request)
        arns += [secret["ARN"] for secret in reply["SecretList"]]
        if "NextToken" not in reply:
            return arns
        request["NextToken"] = reply["NextToken"]


def write(path: str, content: bytes) -> None:
    descriptor = os.open(f"{path}.tmp", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    os.rename(f"{path}.tmp", path)


def cold(client: t.Any, prefix: str, directory: str) -> None:
    os.makedirs(directory)
    arns = listed(client, prefix)
    for start in range(0, len(arns), BATCH_SIZE):
        for value in client.batch_get_secret_value(SecretIdList=arns[start : start + BATCH_SIZE])["SecretValues"]:
            document = json.loads(value["SecretString"])
            content = document["certificate"] + document["certificate_chain"] + document["private_key"]
            write(f"{directory}/{value['Name'].replace('/', '_')}.pem", content.encode())
    descriptor = os.open(directory, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def unchanged(client: t.Any, prefix: str, directory: str) -> None:
    listed(client, prefix)
    for entry in os.scandir(directory):
        with open(entry.path, "rb") as file:
            hashlib.sha256(file.read()).hexdigest()


if __name__ == "__main__":
    {"cold": cold, "unchanged": unchanged}[sys.argv[1]](boto3.client("secretsmanager"), sys.argv[2], sys.argv[3])
