# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scenarios run against: an emulated AWS with secrets in it, and a real HAProxy, until they are stopped; for
those that issue, a real ACME server and an emulated AWS whose zone really resolves; for the one that takes
uploads, a host on a systemd of its own.

services.py serve FILE [crt-list | acme | receiver | push | watch]   start them, tell in FILE (JSON) where they are
services.py renew FILE NAME                a new certificate for NAME.example.com in web/NAME, tell its fingerprint
services.py add FILE DOMAINS               a row of the table of domains
services.py stored FILE                    tell (JSON) what is in the zone, in ACM and in S3, and the number of orders
services.py lineage FILE NAME              renew NAME and www.NAME as certbot does, tell the fingerprint
services.py uploaded FILE                  tell (JSON) which fingerprint of which lineage each host has
services.py stop FILE                      end them
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / ".dev" / "collections"))
os.environ["PYTHONPATH"] = sys.path[0]  # of the process that is AWS and DNS
os.environ["PATH"] += os.pathsep + "/usr/sbin:/sbin"  # haproxy on Debian

from ansible_collections.certops.rotation.tests.support import pki  # noqa: E402
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns, aws_with_dns  # noqa: E402
from ansible_collections.certops.rotation.tests.support.certbot_directory import CertbotDirectory  # noqa: E402
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance  # noqa: E402
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer, moto_server  # noqa: E402
from ansible_collections.certops.rotation.tests.support.nginx_server import NginxServer  # noqa: E402
from ansible_collections.certops.rotation.tests.support.pebble import Pebble  # noqa: E402
from ansible_collections.certops.rotation.tests.support.ports import free_port  # noqa: E402
from ansible_collections.certops.rotation.tests.support.receiving_host import ReceivingHost  # noqa: E402
from ansible_collections.certops.rotation.tests.support.ssh_hosts import SshHost  # noqa: E402
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost, visible_in_services  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402

Facts = dict[str, t.Any]
BUCKET, TABLE, COLUMN, ZONE = "molecule-certificates", "molecule-domains", "subject_alternative_name", "example.com"
ROWS = ("shop.example.com, www.shop.example.com", "*.example.com,example.com")


def store(aws: MotoServer, name: str) -> str:
    """A fresh certificate of a fresh authority as the current version of the secret web/NAME. Its fingerprint."""
    issued = pki.CertificateAuthority("Molecule Intermediate", parent=pki.CertificateAuthority()).issue(
        f"{name}.example.com"
    )
    aws.put_secret(f"web/{name}", issued.secret_document(), tags={"Environment": "molecule"})
    return issued.fingerprint_sha256


def aws_options(aws: MotoServer) -> dict[str, str]:
    """Of the modules."""
    return {"endpoint_url": aws.endpoint_url, "region": REGION, "access_key": "test", "secret_key": "test"}


@contextlib.contextmanager
def rotating(crt_list: bool) -> t.Iterator[Facts]:
    """AWS and HAProxy. Yields where they are."""
    default = pki.self_signed("default.example.com").combined_pem
    tls = "crt-list {crt_list}" if crt_list else "crt {certs}"
    lines = ["{certs}/default.pem"] if crt_list else None
    with moto_server() as aws, HaproxyInstance({"default.pem": default}, tls=(tls,), crt_list=lines) as haproxy:
        for name in ("a", "b"):
            store(aws, name)
        role = {
            "path": str(haproxy.certs_dir),
            "socket": haproxy.socket,
            "crt_list": str(haproxy.crt_list_path) if crt_list else "",
            "master_socket": haproxy.master_socket,
            "config": [str(haproxy.config_path)],
            "aws": aws_options(aws),
        }
        yield {"port": haproxy.port, "moto_port": aws.port, "role": role}


def add_row(aws: MotoServer, domains: str) -> None:
    """To the table, as people do."""
    client = aws.client("dynamodb")
    with contextlib.suppress(client.exceptions.ResourceInUseException):
        client.create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": COLUMN, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": COLUMN, "KeyType": "HASH"}],
            ProvisionedThroughput={"ReadCapacityUnits": 25, "WriteCapacityUnits": 25},
        )
    client.put_item(TableName=TABLE, Item={COLUMN: {"S": domains}})


@contextlib.contextmanager
def issuing() -> t.Iterator[Facts]:
    """AWS with DNS, and Pebble. Yields where they are."""
    with aws_with_dns() as aws, Pebble(aws.nameservers[0]) as pebble:
        for domains in ROWS:
            add_row(aws, domains)
        aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield {
            "moto_port": aws.port,
            "zone": aws.zone(ZONE),
            "pebble_log": str(min(pebble.directory.glob("*log"))),
            "role": {
                "table": TABLE,
                "directory": pebble.directory_url,
                "ca_bundle": pebble.ca_bundle,
                "nameservers": aws.nameservers,
                "bucket": BUCKET,
                "aws": aws_options(aws),
            },
        }


@contextlib.contextmanager
def receiving() -> t.Iterator[Facts]:
    """A host with a systemd, and a lineage for it. Yields where they are."""
    with SystemdHost() as host, tempfile.TemporaryDirectory() as keys:
        receiver = ReceivingHost(host, pathlib.Path(keys))
        receiver.prepare()
        issued = pki.CertificateAuthority("Molecule Intermediate", parent=pki.CertificateAuthority()).issue(
            "www.example.com"
        )
        lineage = pathlib.Path(keys) / "www.example.com"
        lineage.mkdir()
        (lineage / "privkey.pem").write_text(issued.private_key_pem)
        (lineage / "fullchain.pem").write_text(issued.certificate_pem + issued.chain_pem)
        yield {
            "port": receiver.port,
            "directory": keys,
            "lineage": str(lineage),
            "fingerprint": issued.fingerprint_sha256,
            "virtualenv": sys.prefix,
            "collections_path": str(ROOT / ".dev" / "collections"),
            "service_options": visible_in_services(),
        }


@contextlib.contextmanager
def pushing() -> t.Iterator[Facts]:
    """Lineages of certbot, and two hosts that take uploads: their directories, and how they are pushed to."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory, contextlib.ExitStack() as servers:
        lineages = CertbotDirectory(pathlib.Path(directory, "letsencrypt"))
        lineages.renew("shop.example.com", ["shop.example.com", "www.shop.example.com"])
        lineages.renew("mail.example.com")
        hosts = [servers.enter_context(SshHost(pathlib.Path(directory), name)) for name in ("web", "mail")]
        keys = pathlib.Path(directory, "keys")
        keys.mkdir(mode=0o700)
        yield {
            "directory": directory,
            "hosts": {host.name: str(host.staging) for host in hosts},
            "role": {
                "lineages": str(lineages.live),
                "key": str(keys / "id_ed25519"),
                "targets": [
                    {
                        "name": host.name,
                        "address": host.address,
                        "port": host.port,
                        "domains": domains,
                        "host_key": list(host.host_keys),
                        "private_key_file": str(host.private_key_file),
                        "protocol": "directory",
                        "path": "/staging",
                    }
                    for host, domains in zip(
                        hosts, (["www.shop.example.com"], ["mail.example.com", "shop.example.com"])
                    )
                ],
            },
        }


@contextlib.contextmanager
def watching() -> t.Iterator[Facts]:
    """A server with two names, each with a lineage of certbot's; a port where nobody listens. Yields where they are."""
    names = ("www.example.com", "shop.example.com")
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        lineages = CertbotDirectory(pathlib.Path(directory, "letsencrypt"))
        for name in names:
            lineages.renew(name)
        with NginxServer(pathlib.Path(directory, "nginx"), {name: lineages.live / name for name in names}) as nginx:
            loopback = {"port": nginx.port, "address": "127.0.0.1"}
            yield {
                "directory": directory,
                "reload": f"{nginx.command} -s reload",
                "role": {
                    "authority": lineages.authority.root_pem,
                    "endpoints": [
                        # One port, two names: what tells them apart is the host.
                        *({"name": name.partition(".")[0], "host": name, **loopback} for name in names),
                        {"name": "gone", "host": "127.0.0.1", "port": free_port()},
                    ],
                },
            }


def uploaded(facts: Facts) -> Facts:
    """Fingerprints by host and lineage."""
    return {
        host: {
            path.parent.name: fingerprint(path.read_bytes())
            for path in sorted(pathlib.Path(staging).glob("*/fullchain.pem"))
        }
        for host, staging in facts["hosts"].items()
    }


def serve(state: pathlib.Path, services: contextlib.AbstractContextManager[Facts]) -> None:
    with services as facts:
        temporary = state.with_suffix(".new")
        with temporary.open("w") as file:
            json.dump({"pid": os.getpid(), **facts}, file)
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX)
            temporary.rename(state)
            signal.pause()


def stored(facts: Facts) -> Facts:
    """What is in the other stores: fingerprints by first domain; TXT records that are left in the zone."""
    aws = AwsWithDns(facts["moto_port"])
    acm, s3 = aws.client("acm"), aws.client("s3")
    held = acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]
    objects = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    leaves = {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in objects if key.endswith("/cert.pem")}
    return {
        "acm": {
            item["DomainName"]: fingerprint(
                acm.get_certificate(CertificateArn=item["CertificateArn"])["Certificate"].encode()
            )
            for item in held
        },
        "s3": {key.split("/")[1]: fingerprint(pem) for key, pem in leaves.items()},
        "objects": sorted(objects),
        "txt": aws.txt(facts["zone"]),
        "orders": pathlib.Path(facts["pebble_log"]).read_text().count(" Added order "),
    }


def fingerprint(pem: bytes) -> str:
    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()


def stop(state: pathlib.Path) -> None:
    """serve locks the file while it runs, and removes it when all has ended. A file that nobody locks is a leftover."""
    deadline = time.monotonic() + 30
    told = False
    while state.exists():
        with state.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    os.kill(json.load(file)["pid"], signal.SIGTERM)
                    told = True
            else:
                state.unlink(missing_ok=True)
        if time.monotonic() > deadline:
            sys.exit(f"{state} says that the services still run")
        time.sleep(0.1)


def main(command: str, file: str, *rest: str) -> None:
    state = pathlib.Path(file)
    if command == "serve":
        signal.signal(signal.SIGTERM, lambda *_signal: sys.exit())  # leaves the contexts that hold both processes
        kinds = {"receiver": receiving, "acme": issuing, "push": pushing, "watch": watching}
        found = [kinds[name] for name in rest if name in kinds]
        try:
            serve(state, found[0]() if found else rotating(crt_list="crt-list" in rest))
        finally:
            state.unlink(missing_ok=True)
    elif command == "add":
        add_row(MotoServer(json.loads(state.read_text())["moto_port"]), rest[0])
    elif command == "lineage":
        directory = json.loads(state.read_text())["directory"]
        certbot = CertbotDirectory(pathlib.Path(directory, "letsencrypt"))
        sys.stdout.write(certbot.renew(rest[0], [rest[0], f"www.{rest[0]}"]).fingerprint_sha256)
    elif command == "uploaded":
        json.dump(uploaded(json.loads(state.read_text())), sys.stdout)
    elif command == "stored":
        json.dump(stored(json.loads(state.read_text())), sys.stdout)
    elif command == "renew":
        sys.stdout.write(store(MotoServer(json.loads(state.read_text())["moto_port"]), rest[0]))
    else:
        stop(state)


if __name__ == "__main__":
    main(*sys.argv[1:])
