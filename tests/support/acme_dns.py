# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An emulated AWS whose Route53 zones two real DNS servers answer for, and which is as strict as AWS about changes.

One process (acme_dns_server.py). Its servers are also what Pebble may use as its resolver.
"""

from __future__ import annotations

import contextlib
import json
import sys
import typing as t
import urllib.request

import boto3
import botocore.config

from .dns_answers import SERVERS
from .moto import REGION, MotoServer
from .ports import free_port


class AwsWithDns(MotoServer):
    """Used as any MotoServer. dns_port: of both DNS servers; nameservers: both, as "host:port"."""

    def __init__(self, port: int | None = None) -> None:
        self.dns_port = free_port()
        self.nameservers = [f"{address}:{self.dns_port}" for address in SERVERS]
        module = f"{__package__}.acme_dns_server"
        super().__init__(port, [sys.executable, "-m", module, str(self.dns_port)])

    # -- how it behaves -----------------------------------------------------------------------------------------

    def configure(
        self, *, lags: tuple[float, float] | None = None, pending: float | None = None, busy: float | None = None
    ) -> None:
        """lags: seconds until the first and the second DNS server know a change made from now on; pending: seconds
        until GetChange says INSYNC; busy: seconds that each change takes, while another one of the same zone gets
        PriorRequestNotComplete. Until reset() or forget()."""
        wanted = {"lags": lags, "pending": pending, "busy": busy}
        self._tell("settings", {name: value for name, value in wanted.items() if value is not None})

    def fail(
        self,
        operation: str,
        code: str,
        message: str = "made up by a test",
        *,
        times: int = 1 << 30,
        status: int = 400,
        containing: str = "",
        late: bool = False,
        delay: float = 0,
    ) -> None:
        """Answer the next requests for the operation (as "GetChange", of any service) with an error.

        containing: only those whose path or body has this text; late: the operation is done, only its answer is lost;
        delay: seconds before the answer.
        """
        fault = {"operation": operation, "code": code, "message": message, "times": times, "status": status}
        self._tell("faults", {**fault, "containing": containing, "late": late, "delay": delay})

    def forget(self) -> None:
        """Counts, faults and settings; what is stored stays."""
        self._tell("forget", {})

    # -- what was seen ------------------------------------------------------------------------------------------

    def operations(self) -> dict[str, int]:
        """Requests to AWS since reset() or forget(): operation -> number. For S3 as PutObject, HeadObject."""
        return dict(self._tell("told", {})["operations"])

    def batches(self) -> list[dict[str, t.Any]]:
        """Changes of zones that were accepted: {"zone": name, "UPSERT": number of record sets, ...} each."""
        return list(self._tell("told", {})["batches"])

    def queries(self, kind: str | None = None) -> list[tuple[int, str, str]]:
        """Questions to the DNS: (server 0 or 1, name with a dot at its end, type). kind: of this type only."""
        return [tuple(query) for query in self._tell("told", {})["queries"] if kind in (None, query[2])]  # type: ignore[misc]

    # -- zones --------------------------------------------------------------------------------------------------

    def zone(self, name: str, *, private: bool = False, client: t.Any = None) -> str:
        """Create it; its id. client: of another account."""
        client = client or self.client("route53")
        more: dict[str, t.Any] = {}
        if private:
            more = {"VPC": {"VPCRegion": "eu-central-1", "VPCId": "vpc-12345678"}}
        config = {"Comment": "", "PrivateZone": private}
        reference = f"{name} {len(client.list_hosted_zones()['HostedZones'])}"
        made = client.create_hosted_zone(Name=name, CallerReference=reference, HostedZoneConfig=config, **more)
        return str(made["HostedZone"]["Id"]).rpartition("/")[2]

    def zone_names(self) -> list[str]:
        """Of this account, private ones too, without the last dot."""
        return sorted(zone["Name"].rstrip(".") for zone in self.client("route53").list_hosted_zones()["HostedZones"])

    def put_record(
        self, zone_id: str, name: str, kind: str, values: t.Sequence[str], ttl: int = 60, client: t.Any = None
    ) -> None:
        """Create or replace the record set. values: as Route53 has them, TXT also without quotation marks."""
        self.change(zone_id, "UPSERT", name, kind, values, ttl, client)

    def change(
        self,
        zone_id: str,
        action: str,
        name: str,
        kind: str,
        values: t.Sequence[str],
        ttl: int = 60,
        client: t.Any = None,
    ) -> str:
        """One change; the id for GetChange. client: of another account."""
        quoted = [f'"{value}"' if kind == "TXT" and not value.startswith('"') else value for value in values]
        records = [{"Value": value} for value in quoted]
        wanted = {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": records}
        batch: t.Any = {"Changes": [{"Action": action, "ResourceRecordSet": wanted}]}
        reply = (client or self.client("route53")).change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
        return str(reply["ChangeInfo"]["Id"])

    def records(self, zone_id: str) -> dict[tuple[str, str], list[str]]:
        """All but SOA and NS: (name without the last dot, type) -> values, sorted, TXT without quotation marks."""
        pages = self.client("route53").get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id)
        return {
            (found["Name"].rstrip(".").replace("\\052", "*"), found["Type"]): sorted(
                record["Value"].strip('"') for record in found["ResourceRecords"]
            )
            for page in pages
            for found in page["ResourceRecordSets"]
            if found["Type"] not in ("SOA", "NS")
        }

    def txt(self, zone_id: str) -> dict[str, list[str]]:
        """Name without the last dot -> TXT values."""
        return {name: values for (name, kind), values in self.records(zone_id).items() if kind == "TXT"}

    def client_of(self, credentials: t.Mapping[str, t.Any] | None, service: str, *, retries: int = 3) -> t.Any:
        """A client with the credentials that AssumeRole gave (None: the usual ones), or that tries less often."""
        given = credentials or {"AccessKeyId": "test", "SecretAccessKey": "emulated-secret-key"}
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("SessionToken"),
            config=botocore.config.Config(retries={"max_attempts": retries}),
        )

    def _tell(self, path: str, body: t.Any) -> t.Any:
        request = urllib.request.Request(f"{self.endpoint_url}/scene/{path}", json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)


@contextlib.contextmanager
def aws_with_dns() -> t.Iterator[AwsWithDns]:
    server = AwsWithDns()
    server.start()
    try:
        yield server
    finally:
        server.stop()
