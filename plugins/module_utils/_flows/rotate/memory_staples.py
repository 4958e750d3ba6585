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
from ..._errors import InvalidOption, StoreError
from ..._ports.haproxy.certificates import CertificateMemory
from ..._ports.haproxy.errors import UnsupportedCommand
from ..._ports.haproxy.ocsp_file import ISSUER_SUFFIX, SUFFIX, find_stale_response
from ..._ports.haproxy.timestamps import find_timestamps
from .memory_items import NOT_GIVEN, MemoryItem, MemoryOutcome


def find_staple(wanted: MemoryItem, content: CertificateContent, at: datetime.datetime) -> Staple | None:
    """Raises InvalidOption and MaterialError for a given one; one beside the file that is not good is none."""
    response = wanted.ocsp or wanted.beside(SUFFIX)
    if not response:
        return None
    issuer = wanted.issuer or (wanted.beside(ISSUER_SUFFIX) if content.issuer is None else NOT_GIVEN)
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


def remove_stale_response(
    wanted: MemoryItem, outcome: MemoryOutcome, content: CertificateContent, *, check_mode: bool
) -> None:
    """One that was given by the task is not taken away, but refused."""
    stale = find_stale_response(wanted.source or "", content)
    if stale is None or (wanted.ocsp.source and os.path.realpath(wanted.ocsp.source) == os.path.realpath(stale.path)):
        return
    try:
        if not check_mode:
            stale.remove()
    except (OSError, StoreError) as error:
        reason = error.message if isinstance(error, StoreError) else f"{error.strerror or error}."
        told = "is for another certificate, so HAProxy will not use it, but it could not be removed"
        outcome.warning = f"{stale.path} {told}: {reason}"
        return
    outcome.removed_ocsp = stale.path
    outcome.removed = {stale.path: {"serial_numbers": list(stale.serial_numbers)}}
