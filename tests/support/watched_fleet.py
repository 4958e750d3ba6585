# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry tells of a fleet, without a registry: one endpoint of every condition, and as many as wanted."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t
from datetime import datetime, timedelta

from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.events import (
    WatchEvent,
    WatchEventKind,
    WatchSeverity,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import (
    EndpointView,
    FleetDeployment,
    HistoryEntry,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import (
    AddressState,
    SeenCertificate,
    Sighting,
)

DAY = timedelta(days=1)
ISSUERS = (
    "CN=R11,O=Let's Encrypt,C=US",
    "CN=E6,O=Let's Encrypt,C=US",
    "CN=GTS WR1,O=Google Trust Services,C=US",
    "CN=Example Internal CA 2,O=Example GmbH,C=DE",
)


def certificate(
    names: t.Sequence[str],
    not_before: datetime,
    days: float = 90,
    *,
    issuer: str = ISSUERS[0],
    subject: str | None = None,
    key_type: str = "ecdsa P-256",
    odd: str | None = None,
) -> SeenCertificate:
    """One that no authority has made: its fingerprints are those of its facts."""
    der = f"{names}{not_before}{days}{issuer}".encode("utf-8", "surrogatepass")
    return SeenCertificate(
        fingerprint_sha256=hashlib.sha256(der).hexdigest(),
        fingerprint_sha1=hashlib.sha1(der).hexdigest(),
        fingerprint_md5=hashlib.md5(der).hexdigest(),
        der=der,
        key_sha256=hashlib.sha256(b"key" + der).hexdigest(),
        not_before=None if odd else not_before,
        not_after=None if odd else not_before + timedelta(days=days),
        subject=f"CN={names[0]}" if subject is None else subject,
        issuer=issuer,
        serial_number=hashlib.sha1(b"serial" + der).hexdigest()[:36],
        subject_alternative_names=tuple(names),
        key_type=key_type,
        odd=odd,
    )


class Fleet:
    """now: of all that it tells, aware, whole seconds."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.views: list[EndpointView] = []
        self.events: list[WatchEvent] = []
        self.deployments: list[FleetDeployment] = []
        self.above = certificate(
            ["R11"], now - 400 * DAY, 1000, issuer="CN=ISRG Root X1,O=Internet Security Research Group"
        )

    def add(
        self,
        name: str,
        leaf: SeenCertificate | None,
        *,
        host: str | None = None,
        port: int = 443,
        addresses: t.Sequence[str | None] = ("192.0.2.10",),
        since: timedelta = 20 * DAY,
        former: t.Sequence[SeenCertificate] = (),
        error: str | None = None,
        failures: int = 0,
        trusted: bool | None = True,
        trust_error: str | None = None,
        needed_until: datetime | None = None,
        notes: t.Sequence[str] = (),
        staple: str | None = None,
        **endpoint: t.Any,
    ) -> EndpointView:
        """leaf: served, or with error served last. former: certificates of before, the newest first."""
        watched = WatchedEndpoint(name, host or name, port, **endpoint)
        states, history = [], []
        certificates = {each.fingerprint_sha256: each for each in (leaf, self.above, *former) if each}
        last_seen = self.now - timedelta(minutes=4)
        for address in addresses:
            chain = () if error or leaf is None else (leaf, self.above)
            sighting = Sighting(
                watched.key,
                address,
                last_seen,
                chain,
                error,
                trusted if chain else None,
                trust_error,
                needed_until,
                tuple(notes),
                "TLSv1.3" if chain else None,
                "TLS_AES_256_GCM_SHA384" if chain else None,
                staple=staple,
            )
            states.append(
                AddressState(
                    watched.key,
                    address,
                    sighting.reach,
                    self.now - since,
                    last_seen,
                    leaf.fingerprint_sha256 if leaf else None,
                    sighting.trusted,
                    trust_error,
                    error,
                    failures,
                )
            )
            history.append(HistoryEntry(address, self.now - since, last_seen, True, sighting))
            ended = self.now - since
            for old in [*([leaf] if error and leaf else []), *former]:
                began = max(old.not_before or ended - 60 * DAY, ended - 60 * DAY)
                then = Sighting(watched.key, address, ended - timedelta(minutes=15), (old, self.above), trusted=True)
                history.append(HistoryEntry(address, began, then.at, False, then))
                ended = began
        history.sort(key=lambda entry: entry.since, reverse=True)
        view = EndpointView(watched, self.now - 200 * DAY, tuple(states), tuple(history), certificates)
        self.views.append(view)
        return view

    def pending(self, name: str, **endpoint: t.Any) -> None:
        self.views.append(EndpointView(WatchedEndpoint(name, name, **endpoint), self.now - timedelta(hours=1)))

    def tell(
        self,
        view: EndpointView,
        kind: WatchEventKind,
        severity: WatchSeverity,
        ago: timedelta,
        message: str,
        address: str | None = None,
    ) -> None:
        """address: the first one unless given."""
        at, endpoint = self.now - ago, view.endpoint
        address = address or (view.states[0].address if view.states else None)
        identity = hashlib.sha256(f"{endpoint}{address}{kind}{at}".encode()).hexdigest()[:32]
        self.events.append(
            WatchEvent(identity, kind, severity, at, endpoint.name, endpoint.host, endpoint.port, address, message)
        )
        self.events.sort(key=lambda event: event.at, reverse=True)


def example_fleet(now: datetime) -> Fleet:
    """A dozen and some endpoints of all kinds: each condition, each way to be odd."""
    fleet = Fleet(now)
    hour = timedelta(hours=1)

    def fresh(name: str, left: float, days: float = 90, **facts: t.Any) -> SeenCertificate:
        names = facts.pop("names", [name])
        return certificate(names, now + left * DAY - days * DAY, days, **facts)

    old = fresh("legacy.example.com", -2.3)
    legacy = fleet.add(
        "legacy.example.com",
        old,
        since=87 * DAY,
        trusted=False,
        trust_error="certificate has expired",
        tags=(("team", "billing"),),
    )
    fleet.tell(
        legacy,
        "expired",
        "critical",
        2.3 * DAY,
        "legacy.example.com:443 serves a certificate that has expired. Renew it and have the service load it.",
    )

    mail = fresh("mail.example.com", 41, names=["mail.example.com", "smtp.example.com", "imap.example.com"])
    down = fleet.add(
        "mail.example.com",
        mail,
        port=587,
        starttls="smtp",
        error="connection refused",
        failures=5,
        since=5 * hour,
        tags=(("team", "mail"),),
    )
    fleet.tell(
        down, "unreachable", "critical", 4.5 * hour, "mail.example.com:587 gives no certificate: connection refused."
    )

    before, after = fresh("shop.example.com", 12), fresh("shop.example.com", 88)
    shop = fleet.add(
        "shop.example.com",
        before,
        addresses=("192.0.2.21", "2001:db8::21"),
        since=78 * DAY,
        tags=(("team", "shop"), ("tier", "1")),
    )
    layers = {"source": after.fingerprint_sha256, "file": after.fingerprint_sha256, "memory": before.fingerprint_sha256}
    fleet.deployments.append(FleetDeployment("lb1", "web/shop", layers, (shop.endpoint.key,), now - hour))

    api = fleet.add(
        "api.example.com",
        fresh("api.example.com", 9, issuer=ISSUERS[2]),
        since=60 * DAY,
        addresses=("192.0.2.30", "192.0.2.31"),
    )
    fleet.tell(
        api,
        "expiring",
        "warning",
        18 * hour,
        "api.example.com:443 has 9d left until its certificate ends. Renew it.",
    )
    fleet.add("status.example.com", fresh("status.example.com", 24), since=66 * DAY)
    fleet.add("vpn.example.com", fresh("vpn.example.com", 27, 365, issuer=ISSUERS[3]), port=8443, since=200 * DAY)
    untrusted = fleet.add(
        "intranet.example.com",
        fresh("intranet.example.com", 300, 365, issuer="CN=intranet.example.com"),
        trusted=False,
        trust_error="unable to get local issuer certificate",
        since=3 * DAY,
    )
    fleet.tell(
        untrusted,
        "untrusted",
        "critical",
        3 * DAY,
        "intranet.example.com:443 is not trusted any more: unable to get local issuer certificate.",
    )
    www = fresh("www.example.com", 84, names=["www.example.com", "example.com", "*.example.com"])
    renewed = fleet.add(
        "www.example.com",
        www,
        since=6 * DAY,
        former=[fresh("www.example.com", left) for left in (24, -36, -96)],
        addresses=("192.0.2.10", "2001:db8::10"),
        notes=["A root is sent, too."],
        staple="good",
        tags=(("team", "web"),),
    )
    fleet.deployments.append(
        FleetDeployment(
            "lb1",
            "web/www",
            dict.fromkeys(("source", "file", "memory", "wire"), www.fingerprint_sha256),
            (renewed.endpoint.key,),
            now - hour,
        )
    )
    fleet.tell(
        renewed,
        "renewed",
        "info",
        6 * DAY,
        "www.example.com:443 has a new certificate, valid until " + f"{now + 84 * DAY:%Y-%m-%d}.",
    )
    fleet.tell(
        renewed,
        "issuer_changed",
        "warning",
        6 * DAY,
        "www.example.com:443 has its certificate from 'CN=R11' now, before from 'CN=R10'.",
    )
    db = fleet.add(
        "db1.example.com",
        fresh("db1.example.com", 200, 365, issuer=ISSUERS[3]),
        port=5432,
        starttls="postgres",
        since=100 * DAY,
    )
    fleet.tell(db, "recovered", "info", 9 * hour, "db1.example.com:5432 gives its certificate again.")
    fleet.add("ldap.example.com", fresh("ldap.example.com", 150, 365, issuer=ISSUERS[3]), port=389, starttls="ldap")
    fleet.add("imap.example.com", mail, port=993, tags=(("team", "mail"),))
    fleet.add("chat.example.com", fresh("chat.example.com", 61), port=5222, starttls="xmpp")
    fleet.add(
        "cdn.example.com",
        fresh("cdn.example.com", 77, issuer=ISSUERS[1]),
        addresses=tuple(f"198.51.100.{n}" for n in range(1, 7)),
    )
    fleet.add(
        "edge",
        fresh("edge.example.net", 5.5, 6, issuer=ISSUERS[1]),
        host="2001:db8:1::5",
        addresses=("2001:db8:1::5",),
        since=12 * hour,
    )
    fleet.add(
        "old-printer",
        certificate(["printer"], now, odd="Its validity cannot be read."),
        host="192.0.2.99",
        addresses=("192.0.2.99",),
        trusted=None,
    )
    fleet.add("test.example.com", fresh("test.example.com", 3), enabled=False)
    fleet.pending("new.example.com")
    return fleet


def large_fleet(now: datetime, count: int) -> Fleet:
    """count endpoints, each with a certificate of its own and one that it had before."""
    fleet = Fleet(now)
    for number in range(count):
        name = f"host{number:05}.example.com"
        left = (number * 7919) % 89 - 0.5 + (number % 24) / 24
        leaf = certificate([name, f"www.{name}"], now + (left - 90) * DAY, issuer=ISSUERS[number % len(ISSUERS)])
        former = [certificate([name], now + (left - 150) * DAY)]
        view = fleet.add(
            name,
            leaf,
            addresses=(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",),
            former=former,
            since=(90 - left) * DAY,
        )
        if number % 50 == 0:
            fleet.tell(view, "renewed", "info", (90 - left) * DAY, f"{name}:443 has a new certificate.")
    return fleet


def hostile(text: str, fleet: Fleet) -> None:
    """An endpoint all of whose texts are this one."""
    leaf = dataclasses.replace(
        certificate([text], fleet.now - 30 * DAY, issuer=f"CN={text}", subject=f"CN={text}"),
        key_type=text,
        serial_number=text,
    )
    view = fleet.add(
        text[:64],
        leaf,
        host="hostile.example.com",
        notes=[text],
        error=None,
        trusted=False,
        trust_error=text,
        tags=((text, text),),
    )
    fleet.tell(view, "untrusted", "critical", DAY, text)
    fleet.deployments.append(FleetDeployment(text, text, {"file": "0" * 64}, (view.endpoint.key,), fleet.now))
