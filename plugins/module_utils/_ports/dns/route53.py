# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT values in the public zones of one AWS account, in few calls and without harm to others' values.

Facts used here (API reference of Route53): the changes of one request are made all together or not at all; CREATE fails
where the name has such a set, DELETE where the set is not exactly the one given; while a change of a zone is being
worked on, another one may be refused (PriorRequestNotComplete); an account has a few requests a second.
"""

from __future__ import annotations

import collections
import re
import threading
import time
import typing as t

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # who makes the client reports it
    pass

from ..._core.acme.dns import TxtRecord, Zone
from ..._core.acme.txt import (
    TxtBatch,
    TxtChange,
    TxtSet,
    batches,
    changes_to_add,
    changes_to_remove,
    created,
    unescaped_name,
)
from ..._errors import DnsError

#: For boto3's client: botocore paces itself by the throttling it sees, and repeats PriorRequestNotComplete, too.
CLIENT_CONFIG: t.Final[t.Mapping[str, t.Any]] = {
    "retries": {"mode": "adaptive", "total_max_attempts": 10},
    "connect_timeout": 10,
    "read_timeout": 30,
    "max_pool_connections": 16,
}
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "PriorRequestNotComplete", "RequestLimitExceeded"})
_CREDENTIALS = frozenset(
    {"InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "UnrecognizedClientException"}
)
# Others may change a name between our reading and our writing; more often than this in a row, nobody does by chance.
_ROUNDS = 9
# What AWS says where somebody was quicker; that the same is there again may be somebody's doing, too.
_OVERTAKEN = re.compile("but it was not found|but it already exists|do not match the current values")
_POLL = (0.5, 1, 2, 3, 5)
_SHOWN_NAMES = 5

#: Of one name: from what is there (None: nothing, or not known yet) to the changes that are needed.
_Step = t.Callable[[TxtRecord, t.Optional[TxtSet]], t.Sequence[TxtChange]]


class Route53:
    """A DnsProvider. May be used from many threads; the changes of one zone are made one after the other.

    client: of boto3, for ``route53``, made with CLIENT_CONFIG; hosted_zone_ids: only these zones, which are described
    one by one, so that ListHostedZones is not needed; account: for people, whose zones these are; warn: is told once
    when AWS throttles.
    api_calls: requests sent so far by operation, repeated ones included.
    """

    def __init__(
        self,
        client: t.Any,
        *,
        hosted_zone_ids: t.Sequence[str] = (),
        account: str = "",
        warn: t.Callable[[str], None] = lambda _warning: None,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._ids = tuple(dict.fromkeys(id_.removeprefix("/hostedzone/") for id_ in hosted_zone_ids))
        self._of_account = f" of {account}" if account else ""
        self._warn = warn
        self._sleep = sleep
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._writers: collections.defaultdict[str, threading.Lock] = collections.defaultdict(threading.Lock)
        self._zones: tuple[Zone, ...] | None = None
        self._throttled = False
        self.api_calls: collections.Counter[str] = collections.Counter()
        client.meta.events.register_first("before-send.route53", self._count)
        client.meta.events.register_first("response-received.route53", self._look_for_throttling)

    # -- zones --------------------------------------------------------------------------------------------------

    def zones(self) -> tuple[Zone, ...]:
        """Raises DnsError, also for a private zone among hosted_zone_ids."""
        with self._asking:  # of many threads, one asks
            if self._zones is None:
                self._zones = self._described() if self._ids else self._listed()
            return self._zones

    def _listed(self) -> tuple[Zone, ...]:
        found: list[Zone] = []
        request: dict[str, t.Any] = {}
        while True:
            reply = self._call("ListHostedZones", "list_hosted_zones", **request)
            found += [_zone(zone) for zone in reply["HostedZones"] if not _is_private(zone)]
            marker = reply.get("NextMarker")
            if not reply.get("IsTruncated") or not marker or marker == request.get("Marker"):
                return tuple(found)
            request = {"Marker": marker}

    def _described(self) -> tuple[Zone, ...]:
        found = [self._call("GetHostedZone", "get_hosted_zone", Id=id_)["HostedZone"] for id_ in self._ids]
        for zone in found:
            if _is_private(zone):
                raise DnsError(
                    f"hosted_zone_ids: {_zone(zone).id} ({_zone(zone).name}) is a private zone, which no CA can see."
                    " Name the public one."
                )
        return tuple(map(_zone, found))

    # -- values -------------------------------------------------------------------------------------------------

    def add(self, zone: Zone, records: t.Sequence[TxtRecord]) -> list[str]:
        # Most names are free: then one request does, and nothing is read.
        guesses = {record.name: changes_to_add(record, None) for record in records}
        return self._change(zone, records, guesses, changes_to_add)

    def remove(self, zone: Zone, records: t.Sequence[TxtRecord]) -> None:
        # Most names hold what add has put there and nothing else.
        guesses = {record.name: changes_to_remove(record, created(record)) for record in records}
        self._change(zone, records, guesses, changes_to_remove)

    def _change(
        self,
        zone: Zone,
        records: t.Sequence[TxtRecord],
        steps: t.Mapping[str, t.Sequence[TxtChange]],
        step: _Step,
    ) -> list[str]:
        """Make the changes that are guessed; where something else is there than was thought, read and correct them.

        steps: by name. Returns ids of the changes. Raises DnsError when all that can be done is done.
        """
        by_name = {record.name: record for record in records}
        ids: list[str] = []
        failures: dict[str, str] = {}
        alone: set[str] = set()  # refused among others, though nothing else was there than was thought
        with self._lock:
            writer = self._writers[zone.id]
        with writer:
            for _round in range(_ROUNDS):
                if not steps:
                    break
                following = {}
                for name, why in self._submit_all(zone, steps, alone, ids, failures).items():
                    following[name] = steps[name]
                    if not why:  # it was only in the same request
                        continue
                    try:
                        following[name] = step(by_name[name], self._read(zone, name))
                    except DnsError as error:
                        failures[name] = error.message
                    if following[name] == steps[name] and not _OVERTAKEN.search(why):
                        if name in alone:
                            failures[name] = f"Route53 refused to change {name} in zone {zone.name} ({zone.id}): {why}"
                        alone.add(name)
                steps = {name: changes for name, changes in following.items() if changes and name not in failures}
            for name in steps:
                failures[name] = (
                    f"Somebody else kept changing {name} in zone {zone.name} ({zone.id}). Run it again, and see who"
                    " writes there."
                )
        if failures:
            raise DnsError(" ".join(dict.fromkeys(failures.values())), list(failures))
        return ids

    def _submit_all(
        self,
        zone: Zone,
        steps: t.Mapping[str, t.Sequence[TxtChange]],
        alone: t.Collection[str],
        ids: list[str],
        failures: dict[str, str],
    ) -> dict[str, str]:
        """In as few requests as possible, those that go alone apart. Returns the names that were refused, with what AWS
        says of those that it blames, "" for the others."""
        refused: dict[str, str] = {}
        together = batches(changes for name, changes in steps.items() if name not in alone)
        apart = [batch for name in steps if name in alone for batch in batches([steps[name]])]
        for batch in (*together, *apart):
            try:
                ids.append(self._submit(zone, batch))
            except _InvalidChangeBatch as error:
                refused.update(dict.fromkeys(batch.names, "") | error.blamed(batch.names))
            except DnsError as error:
                failures.update(dict.fromkeys(batch.names, error.message))
        return refused

    def _submit(self, zone: Zone, batch: TxtBatch) -> str:
        changes = [
            {
                "Action": change.action,
                "ResourceRecordSet": {
                    "Name": f"{change.record_set.name}.",
                    "Type": "TXT",
                    "TTL": change.record_set.ttl,
                    "ResourceRecords": [{"Value": value} for value in change.record_set.values],
                },
            }
            for change in batch.changes
        ]
        reply = self._call(
            "ChangeResourceRecordSets",
            "change_resource_record_sets",
            names=batch.names,
            HostedZoneId=zone.id,
            ChangeBatch={"Comment": "certops.rotation: ACME validation", "Changes": changes},
        )
        id_: str = reply["ChangeInfo"]["Id"]
        return id_

    def _read(self, zone: Zone, name: str) -> TxtSet | None:
        """Its TXT record set. Raises DnsError for one that is not to be changed by simple values."""
        reply = self._call(
            "ListResourceRecordSets",
            "list_resource_record_sets",
            names=(name,),
            HostedZoneId=zone.id,
            StartRecordName=f"{name}.",
            StartRecordType="TXT",
            MaxItems="1",
        )
        for found in reply["ResourceRecordSets"]:
            if unescaped_name(found["Name"]) == name and found["Type"] == "TXT":
                if "SetIdentifier" in found or "ResourceRecords" not in found:
                    raise DnsError(
                        f"The TXT records at {name} in zone {zone.name} have a routing policy, and are not touched."
                        f" Delete them, or lead {name} elsewhere by a CNAME record.",
                        [name],
                    )
                values = tuple(record["Value"] for record in found["ResourceRecords"])
                return TxtSet(name, int(found["TTL"]), values)
        return None

    # -- waiting ------------------------------------------------------------------------------------------------

    def wait(self, changes: t.Sequence[str], timeout: float) -> None:
        """Asks GetChange for each until it is INSYNC."""
        end = time.monotonic() + timeout
        pending = list(dict.fromkeys(changes))
        for pause in (*_POLL, *[_POLL[-1]] * int(timeout / _POLL[-1] + 1)):
            pending = [change for change in pending if not self._is_in_sync(change)]
            left = end - time.monotonic()
            if not pending or left <= 0:
                break
            self._sleep(min(pause, left))
        if pending:
            raise DnsError(
                f"Route53 has not published {len(pending)} changes ({_some(pending)}) within {timeout:g} seconds."
                " Run it again: what has been ordered is taken up where it was left."
            )

    def _is_in_sync(self, change: str) -> bool:
        reply = self._call("GetChange", "get_change", Id=change.removeprefix("/change/"))
        return bool(reply["ChangeInfo"]["Status"] == "INSYNC")

    # -- calls --------------------------------------------------------------------------------------------------

    def _call(self, operation: str, method: str, *, names: t.Sequence[str] = (), **request: t.Any) -> dict[str, t.Any]:
        try:
            reply: dict[str, t.Any] = getattr(self._client, method)(**request)
            return reply
        except ClientError as error:
            told = error.response.get("Error", {})
            code, text = str(told.get("Code", "Unknown")), str(told.get("Message", ""))
            if code == "InvalidChangeBatch":
                raise _InvalidChangeBatch(text) from None
            raise self._failed(operation, code, text, names) from None
        except BotoCoreError as error:  # no credentials, no connection, time-outs
            raise self._failed(operation, type(error).__name__, str(error), names) from None

    def _failed(self, operation: str, code: str, text: str, names: t.Sequence[str]) -> DnsError:
        where = f" for {_some(list(names))}" if names else ""
        what = f"route53:{operation}{where}{self._of_account} failed with {code}: {text.rstrip('.') or 'no message'}."
        return DnsError(f"{what} {_advice(operation, code)}".rstrip(), names)

    def _count(self, event_name: str, **_event: t.Any) -> None:
        with self._lock:
            self.api_calls[event_name.rpartition(".")[2]] += 1

    def _look_for_throttling(self, event_name: str, parsed_response: t.Any = None, **_event: t.Any) -> None:
        code = ((parsed_response or {}).get("Error") or {}).get("Code")
        if code in _THROTTLED:
            with self._lock:
                first, self._throttled = not self._throttled, True
            if first:
                self._warn(
                    f"Route53{self._of_account} answers {event_name.rpartition('.')[2]} with {code}, so this run slows"
                    " down. Route53 takes a few requests a second from an account: see who else asks."
                )


class _InvalidChangeBatch(Exception):
    """InvalidChangeBatch: nothing of the request was done."""

    def blamed(self, names: t.Sequence[str]) -> dict[str, str]:
        """Those of the names that it is about, all when it names none of them; with what AWS says."""
        text = unescaped_name(str(self))
        return dict.fromkeys([name for name in names if f"{name}." in text] or names, str(self))


def _advice(operation: str, code: str) -> str:
    if code in _DENIED:
        hint = ", or give hosted_zone_ids" if operation == "ListHostedZones" else ""
        return f"Allow route53:{operation} in the IAM policy of these credentials{hint}."
    if code in _THROTTLED:
        return "AWS kept throttling: run it again later, and see who else uses Route53 in this account."
    if code in _CREDENTIALS or "Credential" in code:
        return "Check the credentials: they are wrong, have expired, or are missing."
    if code == "NoSuchHostedZone":
        return "Check hosted_zone_ids, and that these credentials are the zone's account's."
    return ""


def _zone(described: t.Mapping[str, t.Any]) -> Zone:
    return Zone(unescaped_name(described["Name"]), described["Id"].removeprefix("/hostedzone/"))


def _is_private(described: t.Mapping[str, t.Any]) -> bool:
    return bool((described.get("Config") or {}).get("PrivateZone"))


def _some(names: t.Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more
