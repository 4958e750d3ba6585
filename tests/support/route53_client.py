# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Route53 in memory, behind the interface of boto3's client, with AWS's rules (route53_rules.py) and paged listings."""

from __future__ import annotations

import threading
import types
import typing as t

from botocore.exceptions import ClientError

from . import route53_rules

PAGE = 2


def client_error(code: str, text: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": text}}, operation)


class Route53Client:
    """record_sets: zone's id -> (name with the root's dot, type) -> (TTL, values).

    before_change: called before each change, as if somebody else were faster; pending: how often GetChange says
    PENDING; denied: operations that are not allowed.
    """

    def __init__(self, *zones: tuple[str, str], private: t.Collection[str] = ()) -> None:
        """zones: pairs of a name and an id; private: ids of those that are private."""
        self.zones = [
            {"Id": f"/hostedzone/{id_}", "Name": f"{name}.", "Config": {"PrivateZone": id_ in private}}
            for name, id_ in zones
        ]
        self.record_sets: dict[str, dict[tuple[str, str], tuple[int, t.Sequence[str]]]] = {
            id_: {} for _name, id_ in zones
        }
        self._more: dict[tuple[str, str], dict[str, t.Any]] = {}
        self.requests: list[list[dict[str, t.Any]]] = []
        self.asked: list[str] = []
        self.before_change: t.Callable[[], None] = lambda: None
        self.pending = 0
        self.denied: set[str] = set()
        self.meta = types.SimpleNamespace(events=types.SimpleNamespace(register_first=self._register))
        self._hooks: dict[str, t.Callable[..., None]] = {}
        self._lock = threading.Lock()

    def _register(self, event: str, function: t.Callable[..., None]) -> None:
        self._hooks[event] = function

    def _asked(self, operation: str) -> None:
        self.asked.append(operation)
        self._hooks["before-send.route53"](event_name=f"before-send.route53.{operation}")
        if operation in self.denied:
            raise client_error("AccessDenied", f"User is not authorized to perform: route53:{operation}", operation)

    def throttle(self, operation: str, code: str = "Throttling") -> None:
        """As botocore tells of one answer, before it tries again by itself."""
        self._hooks["response-received.route53"](
            event_name=f"response-received.route53.{operation}", parsed_response={"Error": {"Code": code}}
        )

    # -- the client's methods -----------------------------------------------------------------------------------

    def list_hosted_zones(self, **request: str) -> dict[str, t.Any]:
        self._asked("ListHostedZones")
        start = int(request.get("Marker", "0"))
        more = start + PAGE < len(self.zones)
        reply = {"HostedZones": self.zones[start : start + PAGE], "IsTruncated": more}
        return reply | ({"NextMarker": str(start + PAGE)} if more else {})

    def get_hosted_zone(self, **request: str) -> dict[str, t.Any]:
        self._asked("GetHostedZone")
        for zone in self.zones:
            if zone["Id"] == f"/hostedzone/{request['Id']}":
                return {"HostedZone": zone}
        raise client_error("NoSuchHostedZone", f"No hosted zone found with ID: {request['Id']}", "GetHostedZone")

    def get_change(self, **request: str) -> dict[str, t.Any]:
        self._asked("GetChange")
        with self._lock:
            self.pending -= 1
            return {"ChangeInfo": {"Id": request["Id"], "Status": "PENDING" if self.pending >= 0 else "INSYNC"}}

    def list_resource_record_sets(self, **request: str) -> dict[str, t.Any]:
        self._asked("ListResourceRecordSets")

        def place(key: tuple[str, str]) -> tuple[list[str], str]:
            return key[0].split(".")[::-1], key[1]

        here = self.record_sets[request["HostedZoneId"]]
        start = place((request["StartRecordName"], request["StartRecordType"]))
        keys = sorted((key for key in here if place(key) >= start), key=place)
        found = [self._described(key, *here[key]) for key in keys[: int(request["MaxItems"])]]
        return {"ResourceRecordSets": found}

    def _described(self, key: tuple[str, str], ttl: int, values: t.Sequence[str]) -> dict[str, t.Any]:
        records = [{"Value": value} for value in values]
        name = key[0].replace("*", "\\052")
        return {"Name": name, "Type": key[1], "TTL": ttl, "ResourceRecords": records, **self._more.get(key, {})}

    def change_resource_record_sets(self, **request: t.Any) -> dict[str, t.Any]:
        self._asked("ChangeResourceRecordSets")
        self.before_change()
        changes, zone_id = request["ChangeBatch"]["Changes"], request["HostedZoneId"]
        with self._lock:
            zone = next(zone["Name"] for zone in self.zones if zone["Id"] == f"/hostedzone/{zone_id}")
            try:
                self.record_sets[zone_id] = route53_rules.change(self.record_sets[zone_id], zone, changes)
            except route53_rules.RefusedBatch as refused:
                raise client_error("InvalidChangeBatch", str(refused), "ChangeResourceRecordSets") from None
            self.requests.append(changes)
            return {"ChangeInfo": {"Id": f"/change/C{len(self.requests)}", "Status": "PENDING"}}

    # -- for tests ----------------------------------------------------------------------------------------------

    def put(self, zone: str, name: str, *values: str, kind: str = "TXT", ttl: int = 300, **more: t.Any) -> None:
        """What somebody else has entered. values: as Route53 has them."""
        self.record_sets[zone][f"{name}.", kind] = (ttl, values)
        self._more[f"{name}.", kind] = more

    def values(self, zone: str, name: str) -> list[str] | None:
        found = self.record_sets[zone].get((f"{name}.", "TXT"))
        return None if found is None else list(found[1])
