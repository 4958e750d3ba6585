# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policies of docs/iam, as IAM decides by them, for the few elements that they have."""

from __future__ import annotations

import fnmatch
import json
import pathlib
import typing as t

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "iam"


class Policy:
    """statements: of a file of docs/iam. A denial goes before all that is allowed."""

    def __init__(self, name: str) -> None:
        self.statements: list[dict[str, t.Any]] = json.loads((DOCS / name).read_text(encoding="utf-8"))["Statement"]

    def allows(self, operation: str, secret: str) -> bool:
        """operation: of Secrets Manager; secret: a name, "" for none, or an ARN."""
        arn = secret
        if secret and not secret.startswith("arn:"):
            arn = f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{secret}-AbCdEf"
        effects = {
            statement["Effect"]
            for statement in self.statements
            if _matches(f"secretsmanager:{operation}", statement["Action"]) and _matches(arn, statement["Resource"])
        }
        return effects == {"Allow"}


def _matches(text: str, patterns: str | list[str]) -> bool:
    return any(fnmatch.fnmatchcase(text, each) for each in ([patterns] if isinstance(patterns, str) else patterns))
