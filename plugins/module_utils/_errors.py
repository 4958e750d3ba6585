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


class AwsError(RotationError):
    """A call of another service than Secrets Manager failed for good. code: AWS's, or the name of botocore's error."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, aws_error_code=code)
        self.code = code


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


class DnsError(RotationError):
    """A DNS zone could not be read or changed, or does not show what was written. names: those concerned, if any."""

    def __init__(self, message: str, names: t.Sequence[str] = ()) -> None:
        super().__init__(message, dns_names=list(names))
        self.names = tuple(names)


class RunOvertaken(RotationError):
    """Another run has taken over what this one was about: this one must not go on."""


AcmeFault = t.Literal["authority", "rate_limited", "identifier", "account", "request", "gone"]


class AcmeError(RotationError):
    """An ACME request failed for good.

    fault: whose it is. ``authority``: the CA's (5xx, no answer, silence, nonsense), so that another CA may do;
    ``rate_limited``: see retry_after; ``identifier``: of a name (validation, CAA, policy); ``account``: it does not
    exist, is deactivated, or the terms or the external account binding are missing; ``request``: ours, such as an
    unknown profile or a bad CSR; ``gone``: the order or certificate is not known (any more). problem_type: the CA's,
    without its prefix, "" when there was none; retry_after: seconds, None when not said; url: the CA's page for
    people, if it named one; identifiers: the names concerned, if told.
    """

    def __init__(
        self,
        message: str,
        fault: AcmeFault,
        *,
        problem_type: str = "",
        retry_after: float | None = None,
        url: str | None = None,
        identifiers: t.Sequence[str] = (),
    ) -> None:
        super().__init__(message, acme_error=problem_type)
        self.fault: AcmeFault = fault
        self.problem_type = problem_type
        self.retry_after = retry_after
        self.url = url
        self.identifiers = tuple(identifiers)


class LineageError(RotationError):
    """A lineage could not be read as one, or not at all."""


PushFault = t.Literal["unreachable", "host_key", "denied", "remote", "local"]


class PushError(RotationError):
    """A host could not be pushed to.

    fault: ``unreachable``: no connection, or silence for too long; ``host_key``: it shows another key than the pinned
    ones; ``denied``: it does not let us in; ``remote``: it let us in and refused what we did (a full disk, no such
    directory); ``local``: a key file, agent or program is missing here.
    """

    def __init__(self, message: str, fault: PushFault) -> None:
        super().__init__(message, push_fault=fault)
        self.fault: PushFault = fault


class ServiceError(RotationError):
    """A service could not be told of its new certificate, or refused. details["log"]: what it printed, if anything."""


class RegistryError(RotationError):
    """The database of endpoints could not be opened, read or written; the text never has its password."""


DeliveryFault = t.Literal["refused", "unavailable"]


class DeliveryError(RotationError):
    """A receiver did not confirm an event.

    fault: ``refused``: it does not want this one; ``unavailable``: it would take no other one now either.
    """

    def __init__(self, message: str, fault: DeliveryFault) -> None:
        super().__init__(message, delivery_fault=fault)
        self.fault: DeliveryFault = fault
