# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What receivers of events are told, which events they want, and what their answers mean. Pure; time is an argument."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import typing as t
from datetime import datetime, timedelta

from ..instants import isoformat_utc
from .events import WatchEvent, WatchEventKind, WatchSeverity

if t.TYPE_CHECKING:
    from ..._errors import DeliveryFault

SEVERITIES: t.Final[tuple[WatchSeverity, ...]] = t.get_args(WatchSeverity)
EVENT_KINDS: t.Final[tuple[WatchEventKind, ...]] = t.get_args(WatchEventKind)
#: ``event``: all of it; ``text``: the sentence for people alone, as incoming webhooks of chat services take it.
BODY_FORMATS: t.Final = ("event", "text")
#: RFC 9110, section 15.5: what is wrong is in this request, and another one may pass.
_OF_THE_REQUEST: t.Final = frozenset({400, 409, 413, 415, 422})


class EventReceiver(t.Protocol):
    """Somebody who is told of events. The ones there are: _ports.delivery."""

    def send(self, event: WatchEvent, timeout: float) -> None:
        """Returns when the receiver has confirmed it. timeout: seconds for all of it. Raises DeliveryError."""


class EventOutbox(t.Protocol):
    """The part of a registry that delivering needs. Both raise RegistryError."""

    def undelivered(self, receiver: str, limit: int) -> list[WatchEvent]:
        """Events that this receiver has not confirmed, oldest first."""

    def delivered(self, receiver: str, ids: t.Sequence[str], now: datetime) -> None: ...


@dataclasses.dataclass(frozen=True)
class EventFilter:
    """What a receiver wants. kinds: empty for all; give_up_after: None to try for ever."""

    kinds: frozenset[str] = frozenset()
    least_severity: WatchSeverity = "info"
    give_up_after: timedelta | None = None

    def wants(self, event: WatchEvent) -> bool:
        is_severe = SEVERITIES.index(event.severity) >= SEVERITIES.index(self.least_severity)
        return is_severe and (not self.kinds or event.kind in self.kinds)

    def is_too_old(self, event: WatchEvent, now: datetime) -> bool:
        return self.give_up_after is not None and now - event.at > self.give_up_after


def event_document(event: WatchEvent) -> dict[str, t.Any]:
    """The event as JSON values, its instant in UTC to the second."""
    return {
        "id": event.id,
        "kind": event.kind,
        "severity": event.severity,
        "at": isoformat_utc(event.at),
        "name": event.name,
        "host": event.host,
        "port": event.port,
        "address": event.address,
        "message": event.message,
        "details": dict(event.details),
    }


def event_body(event: WatchEvent, body_format: str = "event") -> bytes:
    """ASCII, in one line. body_format: one of BODY_FORMATS."""
    document = {"text": f"{event.severity}: {event.message}"} if body_format == "text" else event_document(event)
    return json.dumps(document, sort_keys=True).encode()


def signature_of(body: bytes, secret: str) -> str:
    """HMAC-SHA256 (RFC 2104) of the body, as the header X-Hub-Signature-256 has it."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def fault_of_status(status: int) -> DeliveryFault | None:
    """What an HTTP status (RFC 9110) means for an event. None: it is delivered."""
    if 200 <= status < 300:
        return None
    return "refused" if status in _OF_THE_REQUEST else "unavailable"
