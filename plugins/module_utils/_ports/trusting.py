# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust anchors are anchors because somebody says so, also where they are no roots."""

from __future__ import annotations

import ssl
import typing as t

_PARTIAL_CHAIN: t.Final = 0x80000  # ssl.VERIFY_X509_PARTIAL_CHAIN, named from Python 3.10 on


def trust_as_given(context: ssl.SSLContext) -> None:
    """Lets a path end at any certificate that the context trusts, as from Python 3.13 on; before, at a root alone."""
    context.verify_flags |= _PARTIAL_CHAIN
