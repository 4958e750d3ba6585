# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Route53 in memory, behind the interface of boto3's client, with the rules that emulators do not keep.

The changes of a request are made all together or not at all; CREATE wants a free name, DELETE exactly what is there;
values and characters of a request are limited; names come back escaped; listings are paged.
"""

from __future__ import annotations

import threading
import types
import typing as t

from botocore.exceptions import ClientError

PAGE = 2


def client_error(code: str, text: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": text}}, operation)


class StrictRoute53:
    """record_sets: zone's id -> (name, type) -> record set, names with the root's dot.

    before_change: called before each change, as if somebody else were faster; pending: how often GetChange says
    PENDING; denied: operations that are not allowed.
    """

    def __init__(self, *zones: tuple[str, str], private: t.Collection[str] = ()) -> None:
        """zones: pairs of a name and an id; private: ids of those that are private."""
        self.zones = [
            {"Id": f"/hostedzone/{id_}", "Name": f"{name}.", "Config": {"PrivateZone": id_ in private}}
            for name, id_ in zones
        ]
        self.record_sets: dict[str, dict[tuple[str, str], dict[str, t.Any]]] = {id_: {} for _name, id_ in zones}
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
        found = [here[key] | {"Name": key[0].replace("*", "\\052")} for key in keys[: int(request["MaxItems"])]]
        return {"ResourceRecordSets": found}

    def change_resource_record_sets(self, **request: t.Any) -> dict[str, t.Any]:
        self._asked("ChangeResourceRecordSets")
        self.before_change()
        changes, zone_id = request["ChangeBatch"]["Changes"], request["HostedZoneId"]
        with self._lock:
            sets = dict(self.record_sets[zone_id])
            zone = next(zone["Name"] for zone in self.zones if zone["Id"] == f"/hostedzone/{zone_id}")
            problems = [problem for change in changes if (problem := _made(sets, change, zone))] or _too_much(changes)
            if problems:
                text = f"[{', '.join(problems)}]"
                raise client_error("InvalidChangeBatch", text, "ChangeResourceRecordSets")
            self.record_sets[zone_id] = sets
            self.requests.append(changes)
            return {"ChangeInfo": {"Id": f"/change/C{len(self.requests)}", "Status": "PENDING"}}

    # -- for tests ----------------------------------------------------------------------------------------------

    def put(self, zone: str, name: str, *values: str, kind: str = "TXT", ttl: int = 300, **more: t.Any) -> None:
        """What somebody else has entered. values: as Route53 has them."""
        records = [{"Value": value} for value in values]
        self.record_sets[zone][(f"{name}.", kind)] = {
            "Name": f"{name}.",
            "Type": kind,
            "TTL": ttl,
            "ResourceRecords": records,
            **more,
        }

    def values(self, zone: str, name: str) -> list[str] | None:
        found = self.record_sets[zone].get((f"{name}.", "TXT"))
        return None if found is None else [record["Value"] for record in found["ResourceRecords"]]


def _made(sets: dict[tuple[str, str], dict[str, t.Any]], change: dict[str, t.Any], zone: str) -> str | None:
    """Make one change, or say what AWS says."""
    wanted = change["ResourceRecordSet"]
    name, kind = wanted["Name"], wanted["Type"]
    there = sets.get((name, kind))
    told = f"resource record set [name='{name}', type='{kind}']"
    if not f".{name}".endswith(f".{zone}"):
        return f"RRSet with DNS name {name} is not permitted in zone {zone}"
    if change["Action"] == "DELETE":
        if there is None:
            return f"Tried to delete {told} but it was not found"
        if _content(there) != _content(wanted):
            return f"Tried to delete {told} but the values provided do not match the current values"
        del sets[(name, kind)]
        return None
    if change["Action"] == "CREATE" and there is not None:
        return f"Tried to create {told} but it already exists"
    if (name, "CNAME") in sets:
        return (
            f"RRSet of type {kind} with DNS name {name} is not permitted because a conflicting RRSet of type  CNAME"
            " with the same DNS name already exists in the zone"
        )
    sets[(name, kind)] = wanted
    return None


def _content(record_set: dict[str, t.Any]) -> tuple[int, list[str]]:
    return record_set["TTL"], sorted(record["Value"] for record in record_set["ResourceRecords"])


def _too_much(changes: list[dict[str, t.Any]]) -> list[str]:
    values = [
        record["Value"]
        for change in changes
        for record in change["ResourceRecordSet"]["ResourceRecords"] * (2 if change["Action"] == "UPSERT" else 1)
    ]
    if len(values) > 1000:
        return ["Number of records limit of 1000 exceeded."]
    return ["Number of characters limit of 32000 exceeded."] if sum(map(len, values)) > 32_000 else []
