# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OCSP responses that go into HAProxy's memory with their certificates: given ones, and those beside a file.

A hot update makes HAProxy forget the response that it had, so what a reload would read goes along.
"""

from __future__ import annotations

import datetime
import os

from ..._core.haproxy.content import CertificateContent
from ..._core.haproxy.stapling import Staple, parse_staple
from ..._core.x509.problems import MaterialError
from ..._errors import InvalidOption
from ..._ports.haproxy.certificates import CertificateMemory
from ..._ports.haproxy.errors import UnsupportedCommand
from ..._ports.haproxy.ocsp_file import ISSUER_SUFFIX, SUFFIX
from ..._ports.haproxy.timestamps import find_timestamps
from .memory_items import NOT_GIVEN, GivenText, MemoryItem


def find_staple(wanted: MemoryItem, content: CertificateContent, at: datetime.datetime) -> Staple | None:
    """Raises InvalidOption and MaterialError for a given one; one beside the file that is not good is none."""
    response = wanted.ocsp or _beside(wanted, SUFFIX)
    if not response:
        return None
    issuer = wanted.issuer or (_beside(wanted, ISSUER_SUFFIX) if content.issuer is None else NOT_GIVEN)
    try:
        issuer_pem = issuer.read() if issuer else None
        return parse_staple(response.read(), content, issuer_pem, at, is_given=bool(wanted.ocsp))
    except (InvalidOption, MaterialError):
        if wanted.ocsp:
            raise
        return None


def is_lacking(memory: CertificateMemory, name: str, staple: Staple) -> bool:
    """Does HAProxy serve this certificate, which it holds, without it?"""
    try:
        return staple.differs_from(memory.held_response(name))
    except UnsupportedCommand:
        return staple.is_given


def forgotten_timestamps(wanted: MemoryItem) -> str | None:
    """What to say when the SCTs of a new certificate, which no command of HAProxy takes, are beside its file."""
    file = find_timestamps([wanted.source] if wanted.source else [])
    if file is None:
        return None
    return f"HAProxy takes no certificate timestamps at run time: those of {file} are sent from the next reload on."


def _beside(wanted: MemoryItem, suffix: str) -> GivenText:
    path = f"{wanted.source}{suffix}"
    return GivenText(path) if wanted.source and os.path.isfile(path) else NOT_GIVEN
