# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one check that a third-party library is there, before anything imports it."""

from __future__ import annotations

import importlib.metadata
import re
import sys

from ..._errors import RotationError

MINIMUM_VERSIONS = {
    "acme": "5.9.0",
    "boto3": "1.34.0",
    "botocore": "1.34.0",
    "cryptography": "42.0.0",
    "dns-lexicon": "3.17.0",
    "dnspython": "2.4.0",
    "idna": "2.10",
    "jmespath": "0.10.0",
    "prometheus_client": "0.16.0",
    "pyOpenSSL": "24.0.0",
    "sqlalchemy": "2.0.0",
}


def missing_library(name: str) -> str | None:
    """What is wrong with a library of MINIMUM_VERSIONS and what to do, or None."""
    minimum = MINIMUM_VERSIONS[name]
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return (
            f"The Python library {name} (>= {minimum}) is not installed for {sys.executable} on this host. Install it."
        )
    if _numbers(found) < _numbers(minimum):
        return (
            f"The Python library {name} is {found} for {sys.executable} on this host, but {minimum} or newer is needed."
            " Upgrade it, or set ansible_python_interpreter to a virtual environment that has it."
        )
    return None


def require_library(name: str) -> None:
    """Raises RotationError when it is missing or too old."""
    problem = missing_library(name)
    if problem:
        raise RotationError(problem)


def _numbers(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in re.findall(r"\d+", version)[:3]]
    return (*parts, *[0] * (3 - len(parts)))  # 42.0 is 42.0.0
