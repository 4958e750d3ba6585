# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup certificate_secret: names of secrets to verified certificates, with a policy for each way to fail."""

from __future__ import annotations

import typing as t
from datetime import datetime

from .._core.pipeline.source import SecretFailure, SecretVersion
from .._errors import RotationError
from .._ports.aws.secrets_manager import SecretsManager
from .certificate_secret_info import pem_parts
from .masking import mask_private_key

if t.TYPE_CHECKING:
    from .._core.pipeline.verify import SecretVerifier
    from .._core.x509.problems import Problem

_POLICIES = {
    "secret_missing": "on_missing",
    "secret_no_current_version": "on_missing",
    "secret_access_denied": "on_denied",
    "secret_deleted": "on_deleted",
}


def certificates_of(
    names: t.Sequence[str],
    source: SecretsManager,
    verifier: SecretVerifier,
    policies: t.Mapping[str, str],
    *,
    warn: t.Callable[[str], None],
    now: datetime,
) -> list[dict[str, t.Any]]:
    """One item for each name, in order, without those that a policy skips. One batch read for every 20 names.

    policies: on_missing, on_denied, on_deleted, on_invalid -> error, skip or warn. Raises RotationError.
    """
    unique = [SecretVersion(name, name, "") for name in dict.fromkeys(names)]
    items = {}
    for asked, result in zip(unique, source.read(unique)):
        problems: t.Sequence[Problem]
        if isinstance(result, SecretFailure):
            if result.problem.code == "secret_unreadable":
                raise RotationError(f"{asked.name}: {result.problem.message}")
            problems, bundle = [result.problem], None
        else:
            bundle, problems = verifier.verify(result.value, at=now)
        if bundle is None or isinstance(result, SecretFailure):
            errors = [problem for problem in problems if problem.severity == "error"]
            policy = policies[_POLICIES.get(errors[0].code, "on_invalid")]
            text = "\n".join(f"{asked.name}: {problem.message} [{problem.code}]" for problem in errors)
            if policy == "error":
                raise RotationError(text)
            if policy == "warn":
                warn(f"Skipped. {text}")
            continue
        for problem in problems:
            warn(f"{asked.name}: {problem.message} [{problem.code}]")
        parts = pem_parts(bundle)
        mask_private_key(parts["private_key"])
        items[asked.name] = {
            "name": result.secret.name,
            "arn": result.secret.arn,
            "version_id": result.secret.version_id,
            **bundle.summary(),
            "problems": [problem.as_dict() for problem in problems],
            **parts,
            "pem": bundle.render("haproxy")["pem"].decode(),
        }
    if not items:
        warn(
            "No certificate is returned: "
            + (f"all of {len(unique)} secrets were skipped." if unique else "none is named.")
        )
    return [items[name] for name in names if name in items]
