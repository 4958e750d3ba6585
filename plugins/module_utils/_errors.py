# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, as exceptions whose text is safe to print: none ever carries key material."""

from __future__ import annotations

import typing as t


class RotationError(Exception):
    """Base of every expected failure. Its text says what is wrong and what to do.

    details: extra fields for the module's result (JSON-serialisable, no secrets).
    """

    def __init__(self, message: str, **details: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidOption(RotationError):
    """The user's options contradict each other or have no meaning."""


class SecretsManagerError(RotationError):
    """An AWS call failed for good. code: the AWS error code, secret: name or ARN where one is concerned."""

    def __init__(self, message: str, code: str, secret: str | None = None) -> None:
        super().__init__(message, aws_error_code=code, secret=secret)
        self.code = code
        self.secret = secret


class StoreError(RotationError):
    """The certificate directory could not be read or written."""


class HaproxyError(RotationError):
    """HAProxy's Runtime API refused a command or answered with something undocumented."""


class HaproxyUnavailable(HaproxyError):
    """No answer from the socket: absent, stale, refused, or silent for too long."""


class HaproxyPermissionDenied(HaproxyError):
    """The socket's level is below what the command needs."""


class ReloadError(RotationError):
    """A reload failed or its result could not be learned. details["log"] holds the startup log, if any."""


class ProbeError(RotationError):
    """A TLS endpoint could not be probed because the question was wrong (not because of the endpoint)."""
