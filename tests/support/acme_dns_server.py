# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process behind acme_dns.AwsWithDns: moto's server, and two DNS servers that answer from its memory.

Usage: python -m ...acme_dns_server DNS_PORT AWS_PORT. Beside the APIs of AWS, the paths below /scene/ change settings,
order faults and tell what was asked.
"""

from __future__ import annotations

import collections
import contextlib
import io
import itertools
import json
import logging
import re
import socket
import socketserver
import struct
import sys
import threading
import time
import typing as t

from dnslib import QTYPE, DNSRecord
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.route53 import models, responses
from moto.route53.exceptions import Route53ClientError
from moto.secretsmanager.models import SecretsManagerBackend
from werkzeug.serving import make_server

from . import route53_rules
from .dns_answers import SERVERS, ZoneContent, answer, fits_or_truncated, normal

_Environ = dict[str, t.Any]
_DEFAULTS: dict[str, t.Any] = {"lags": [0.0, 0.0], "pending": 0.0, "busy": 0.0}


class Scene:
    """What tests ask for, and what they want to know.

    settings: lags, seconds for each DNS server until it knows a change; pending: seconds until GetChange says INSYNC;
    busy: seconds that a change of a zone takes, in which AWS accepts no other one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        with self._lock:
            self.settings: dict[str, t.Any] = dict(_DEFAULTS)
            self.faults: list[dict[str, t.Any]] = []
            self.operations: list[str] = []
            self.queries: list[tuple[int, str, str]] = []
            self.batches: list[dict[str, t.Any]] = []

    def told(self) -> dict[str, t.Any]:
        with self._lock:
            counts = collections.Counter(self.operations)
            return {"operations": dict(counts), "queries": self.queries, "batches": self.batches}

    def take_fault(self, operation: str, text: str) -> dict[str, t.Any] | None:
        with self._lock:
            self.operations.append(operation)
            for fault in self.faults:
                if fault["operation"] == operation and fault["times"] > 0 and fault["containing"] in text:
                    fault["times"] -= 1
                    return fault
        return None


class Published(t.NamedTuple):
    """A state of a zone. seen_from: for each DNS server, since when it knows it (monotonic clock)."""

    content: ZoneContent
    seen_from: tuple[float, ...]


class StrictRoute53:
    """Route53's rules and pace over moto's memory."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._changes: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._history: dict[int, tuple[models.FakeZone, list[Published]]] = {}

    def install(self) -> None:
        """In place of moto's own."""
        create = models.Route53Backend.create_hosted_zone

        def create_hosted_zone(
            backend: models.Route53Backend, name: str, *args: t.Any, **more: t.Any
        ) -> models.FakeZone:
            zone = create(backend, name, *args, **more)
            if not zone.private_zone:
                zone.delegation_set.name_servers = [f"ns{number}.{name.rstrip('.')}" for number in (1, 2)]
                for record_set in zone.rrsets:
                    if record_set.type == "NS":
                        record_set.records = [f"{server}." for server in zone.delegation_set.name_servers]
            return zone

        models.Route53Backend.create_hosted_zone = create_hosted_zone

        # Functions, so that they are given whose methods they have become.
        def change_resource_record_sets(response: t.Any) -> t.Any:
            return self._change(response)

        def get_change(response: t.Any) -> t.Any:
            return self._get_change(response)

        responses.Route53.change_resource_record_sets = change_resource_record_sets
        responses.Route53.get_change = get_change

    def forget(self) -> None:
        with self._lock:
            self._changes.clear()
            self._history.clear()

    # -- the API ------------------------------------------------------------------------------------------------

    def _change(self, response: responses.Route53) -> ActionResult:
        zone_id = response._get_param("HostedZoneId")
        changes = response._get_param("ChangeBatch.Changes") or []
        zone = response.backend.get_hosted_zone(zone_id)
        with self._one_at_a_time(zone.resource_id):
            before = _record_sets(zone)
            try:
                after = route53_rules.change(before, zone.name, changes)
            except route53_rules.RefusedBatch as refused:
                raise Route53ClientError("InvalidChangeBatch", str(refused)) from None
            self._publish(zone, after)
            actions = collections.Counter(change["Action"] for change in changes)
            self._scene.batches.append({"zone": normal(zone.name), **actions})
            number = f"C{next(self._numbers):013}"
            with self._lock:
                self._changes[number] = time.monotonic() + self._scene.settings["pending"]
        return _change_info(number, "PENDING")

    @contextlib.contextmanager
    def _one_at_a_time(self, zone_id: str) -> t.Iterator[None]:
        with self._lock:
            if zone_id in self._busy:
                raise Route53ClientError(
                    "PriorRequestNotComplete",
                    "The request was rejected because Route 53 was still processing a prior request.",
                )
            self._busy.add(zone_id)
        try:
            time.sleep(self._scene.settings["busy"])
            yield
        finally:
            with self._lock:
                self._busy.remove(zone_id)

    def _publish(self, zone: models.FakeZone, after: route53_rules.RecordSets) -> None:
        history = self._published(zone)
        now = time.monotonic()
        content = ZoneContent(zone.name, after, history[-1].content.serial + 1)
        history.append(Published(content, tuple(now + lag for lag in self._scene.settings["lags"])))
        zone.rrsets = [
            models.RecordSet(
                {"Name": name.replace("*", "\\052"), "Type": kind, "TTL": ttl, "ResourceRecords": list(values)}
            )
            for (name, kind), (ttl, values) in after.items()
        ]

    def _get_change(self, response: responses.Route53) -> ActionResult:
        number = response._get_param("Id").rpartition("/")[2]
        with self._lock:
            if number not in self._changes:
                raise Route53ClientError("NoSuchChange", f"Could not find resource with ID: {number}")
            status = "INSYNC" if time.monotonic() >= self._changes[number] else "PENDING"
        return _change_info(number, status)

    # -- for the DNS --------------------------------------------------------------------------------------------

    def seen_by(self, server: int) -> list[ZoneContent]:
        """The public zones of all accounts, oldest first, as this server knows them now."""
        now = time.monotonic()
        zones = [
            zone
            for account in list(models.route53_backends.values())
            for backend in list(account.values())
            for zone in list(backend.zones.values())
            if not zone.private_zone
        ]
        return [
            next(state.content for state in reversed(self._published(zone)) if state.seen_from[server] <= now)
            for zone in zones
        ]

    def _published(self, zone: models.FakeZone) -> list[Published]:
        with self._lock:
            if id(zone) not in self._history:
                first = Published(ZoneContent(zone.name, _record_sets(zone), 1), (0.0,) * len(SERVERS))
                self._history[id(zone)] = (zone, [first])
            return self._history[id(zone)][1]


def _record_sets(zone: models.FakeZone) -> route53_rules.RecordSets:
    found = {}
    for record_set in zone.rrsets:
        values = [value["Value"] if isinstance(value, dict) else value for value in record_set.records]
        found[normal(record_set.name), record_set.type] = (int(record_set.ttl or 0), values)
    return found


def _change_info(number: str, status: str) -> ActionResult:
    return ActionResult({"ChangeInfo": {"Id": f"/change/{number}", "Status": status, "SubmittedAt": utcnow()}})


class DnsServer:
    """One authoritative server, by UDP and TCP."""

    def __init__(self, number: int, port: int, route53: StrictRoute53, scene: Scene) -> None:
        self._number = number
        self._route53 = route53
        self._scene = scene
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._udp.bind((SERVERS[number], port))
        dns = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = 10

            def handle(self) -> None:
                """RFC 7766: any number of questions on a connection."""
                with contextlib.suppress(OSError, EOFError):
                    while length := self.rfile.read(2):
                        reply = dns.reply(self.rfile.read(struct.unpack("!H", length)[0]), udp=False)
                        self.wfile.write(struct.pack("!H", len(reply)) + reply)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 200

        self._tcp = Server((SERVERS[number], port), Handler)

    def start(self) -> None:
        for work in (self._serve_udp, self._tcp.serve_forever):
            threading.Thread(target=work, daemon=True).start()

    def _serve_udp(self) -> None:
        """One thread: fast enough, and no switching between many."""
        while True:
            data, address = self._udp.recvfrom(4096)
            with contextlib.suppress(OSError):
                self._udp.sendto(self.reply(data, udp=True), address)

    def reply(self, data: bytes, *, udp: bool) -> bytes:
        try:
            request = DNSRecord.parse(data)
        except Exception:  # noqa: BLE001  # whatever dnslib makes of garbage: FORMERR is the answer (RFC 1035 section 4.1.1)
            return data[:2] + b"\x80\x01" + bytes(8)
        self._scene.queries.append((self._number, normal(str(request.q.qname)), QTYPE[request.q.qtype]))
        made = answer(request, self._route53.seen_by(self._number))
        return fits_or_truncated(request, made) if udp else bytes(made.pack())


class Front:
    """Before moto: counts and spoils requests, and listens to the tests."""

    def __init__(self, scene: Scene, route53: StrictRoute53) -> None:
        self._scene = scene
        self._route53 = route53
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: _Environ, start_response: t.Callable[..., t.Any]) -> t.Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/scene/"):
            told = json.dumps(self._listen(path.removeprefix("/scene/"), _body(environ))).encode()
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(told)))])
            return [told]
        if path == "/moto-api/reset":
            self._scene.forget()
            self._route53.forget()
        if path.startswith("/moto-api/"):
            return self._moto(environ, start_response)
        operation = operation_of(environ)
        text = _body(environ).decode("utf-8", "replace")
        fault = self._scene.take_fault(operation, f"{path} {text}")
        if fault is None:
            return self._moto(environ, start_response)
        if fault["late"]:
            list(self._moto(environ, lambda *_answer: lambda _data: None))
        time.sleep(fault["delay"])
        content = _error(environ, fault)
        start_response(
            f"{fault['status']} Made up", [("Content-Type", "text/xml"), ("Content-Length", str(len(content)))]
        )
        return [content]

    def _listen(self, what: str, body: bytes) -> t.Any:
        if what == "settings":
            self._scene.settings.update(json.loads(body))
        elif what == "faults":
            self._scene.faults.append(json.loads(body))
        elif what == "forget":
            self._scene.forget()
        return self._scene.told()


def _body(environ: _Environ) -> bytes:
    """Read, and left there for the next reader."""
    is_chunked = environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"
    content = environ["wsgi.input"].read(*([] if is_chunked else [int(environ.get("CONTENT_LENGTH") or 0)]))
    environ["wsgi.input"] = io.BytesIO(content)
    return bytes(content)


_ROUTE53 = [
    (r"POST /hostedzone$", "CreateHostedZone"),
    (r"GET /hostedzone$", "ListHostedZones"),
    (r"GET /hostedzonesbyname", "ListHostedZonesByName"),
    (r"GET /hostedzone/[^/]+$", "GetHostedZone"),
    (r"GET /hostedzone/[^/]+/rrset/?$", "ListResourceRecordSets"),
    (r"POST /hostedzone/[^/]+/rrset/?$", "ChangeResourceRecordSets"),
    (r"GET /change/", "GetChange"),
    (r"GET /tags/", "ListTagsForResource"),
]


def operation_of(environ: _Environ) -> str:
    """What AWS calls it, as ChangeResourceRecordSets; for what is not known here, the method and service: "s3 POST"."""
    if "HTTP_X_AMZ_TARGET" in environ:
        return str(environ["HTTP_X_AMZ_TARGET"]).rpartition(".")[2]
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if path.startswith("/2013-04-01/"):
        line = f"{method} {path.removeprefix('/2013-04-01')}"
        return next((name for pattern, name in _ROUTE53 if re.match(pattern, line)), f"route53 {method}")
    if "/s3/" in environ.get("HTTP_AUTHORIZATION", ""):
        is_object = bool(path.strip("/").partition("/")[2])
        names = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
        buckets = {"PUT": "CreateBucket", "GET": "ListObjectsV2", "HEAD": "HeadBucket", "DELETE": "DeleteBucket"}
        return (names if is_object else buckets).get(method, f"s3 {method}")
    return f"{method} {path}"


def _error(environ: _Environ, fault: t.Mapping[str, t.Any]) -> bytes:
    """As the protocol of the service has it."""
    code, message = fault["code"], fault["message"]
    if "HTTP_X_AMZ_TARGET" in environ:
        return json.dumps({"__type": code, "message": message}).encode()
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    if environ["PATH_INFO"].startswith("/2013-04-01/"):
        space = 'xmlns="https://route53.amazonaws.com/doc/2013-04-01/"'
        error = f"<ErrorResponse {space}>{error}<RequestId>made-up</RequestId></ErrorResponse>"
    return f'<?xml version="1.0"?>\n{error}'.encode()


def follow_labels() -> None:
    """Who names no version of a secret gets the one labelled AWSCURRENT. moto answers the one that was put last."""
    asked = SecretsManagerBackend.get_secret_value

    def get(self: t.Any, secret_id: str, version_id: str, version_stage: str) -> dict[str, t.Any]:
        if not version_id and not version_stage and secret_id in self.secrets:
            versions = getattr(self.secrets[secret_id], "versions", {})
            is_there = any("AWSCURRENT" in version["version_stages"] for version in versions.values())
            version_stage = "AWSCURRENT" if is_there else version_stage
        return asked(self, secret_id, version_id, version_stage)

    SecretsManagerBackend.get_secret_value = get  # type: ignore[method-assign]


def begin_rotations() -> None:
    """RotateSecret as far as AWS comes before it calls the function: a version without a value, labelled AWSPENDING."""

    def rotate(self: t.Any, secret_id: str, client_request_token: str, **_more: t.Any) -> str:
        secret = self.secrets[secret_id]
        secret.remove_version_stages_from_old_versions(["AWSPENDING"])
        version = {"createdate": int(time.time()), "version_id": client_request_token, "version_stages": ["AWSPENDING"]}
        secret.versions[client_request_token] = version
        secret.rotation_requested = secret.rotation_enabled = True
        return str(secret.to_short_dict())

    SecretsManagerBackend.rotate_secret = rotate  # type: ignore[method-assign]


def main(dns_port: int, aws_port: int) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    follow_labels()
    begin_rotations()
    scene = Scene()
    route53 = StrictRoute53(scene)
    route53.install()
    for number, _address in enumerate(SERVERS):
        DnsServer(number, dns_port, route53, scene).start()
    front = Front(scene, route53)
    make_server("127.0.0.1", aws_port, front, threaded=True, request_handler=MotoRequestHandler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
