# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OCSP responses that go into HAProxy's memory with their certificates: given ones, and those beside a file.

A hot update makes HAProxy forget the response that it had, so what a reload would read goes along.
"""

from __future__ import annotations

import datetime
import os
import typing as t

from ..._core.haproxy.content import CertificateContent
from ..._core.haproxy.stapling import Staple, parse_staple
from ..._core.x509.problems import MaterialError
from ..._errors import InvalidOption
from ..._ports.haproxy.certificates import CertificateMemory
from ..._ports.haproxy.ocsp_file import ISSUER_SUFFIX, SCT_SUFFIX, SUFFIX
from .memory_items import NOT_GIVEN, GivenText, MemoryItem


class FoundStaple(t.NamedTuple):
    """is_given: by the task, so that it has to be this one; one beside the file is served when it is the newer one."""

    staple: Staple
    is_given: bool

    def is_lacking(self, memory: CertificateMemory, name: str) -> bool:
        """Does HAProxy serve this certificate, which it holds, without it?"""
        held = memory.held_response(name)
        if held is None:
            return True
        is_newer = held.this_update is None or self.staple.this_update > held.this_update
        return held.signature != self.staple.signature and (self.is_given or is_newer)


def find_staple(wanted: MemoryItem, content: CertificateContent, at: datetime.datetime) -> FoundStaple | None:
    """Raises InvalidOption and MaterialError for a given one; one beside the file that is not good is none."""
    if wanted.ocsp:
        issuer = wanted.issuer or (_beside(wanted, ISSUER_SUFFIX) if content.issuer is None else NOT_GIVEN)
        return FoundStaple(
            parse_staple(wanted.ocsp.read(), content, issuer.read() if issuer else None, at), is_given=True
        )
    beside = _beside(wanted, SUFFIX)
    if not beside:
        return None
    try:
        issuer = wanted.issuer or (_beside(wanted, ISSUER_SUFFIX) if content.issuer is None else NOT_GIVEN)
        staple = parse_staple(beside.read(), content, issuer.read() if issuer else None, at)
    except (InvalidOption, MaterialError):
        return None
    return FoundStaple(staple, is_given=False)


def forgotten_timestamps(wanted: MemoryItem) -> str | None:
    """What to say when the certificate's SCTs, which no command of HAProxy takes, are beside its file."""
    scts = _beside(wanted, SCT_SUFFIX)
    if not scts:
        return None
    return (
        f"HAProxy takes no certificate timestamps at run time: those of {scts.source} are sent from the next reload on."
    )


def _beside(wanted: MemoryItem, suffix: str) -> GivenText:
    path = f"{wanted.source}{suffix}"
    return GivenText(path) if wanted.source and os.path.isfile(path) else NOT_GIVEN
