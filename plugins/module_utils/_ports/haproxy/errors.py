# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy refuses, told apart so that a caller can choose another way (a reload, another crt-list)."""

from __future__ import annotations

from ..._errors import HaproxyError


class UnsupportedCommand(HaproxyError):
    """This HAProxy does not know the command: too old, or the wrong kind of socket."""


class PayloadTooLarge(HaproxyError):
    """The command with its payload does not fit HAProxy's buffer (tune.bufsize). A reload reads the file instead."""


class TransactionOpen(HaproxyError):
    """HAProxy has one transaction of a kind at a time, and another's is open."""


class NotReferenced(HaproxyError):
    """The configuration that HAProxy runs with names no such file."""


class ReloadRequired(HaproxyError):
    """This HAProxy would crash, or take the change without using it, at run time. A reload reads the file instead."""


class CertificateRefused(HaproxyError):
    """HAProxy looked at the certificate and refused it. What it had before stays in use."""


class CertificateInUse(HaproxyError):
    """The configuration itself names the certificate, so it cannot be taken out of a running process."""


class TrustFileInUse(HaproxyError):
    """A line of the configuration, or an entry of a crt-list, uses the CA or CRL file, so it has to stay."""


class CrtListRequired(HaproxyError):
    """Where a new certificate should be used is not known, or no crt-list of that name is loaded."""
