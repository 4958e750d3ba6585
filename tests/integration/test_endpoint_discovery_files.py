# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_discovery_info: the certificates in the files of a host, as the usual programs write them."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import socket
import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import module, pki
from cryptography import x509
from cryptography.hazmat.primitives import serialization

ROOT = pki.CertificateAuthority("Files Root")
CA = pki.CertificateAuthority("Files CA", parent=ROOT)
LEAF = CA.issue(["files.example.com", "*.files.example.com"])
CLIENT = CA.issue(["client.example.com"], usages=(x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH,))
PASSPHRASE = "not-a-secret-of-anybody"


def look(*paths: pathlib.Path, **options: t.Any) -> dict[str, t.Any]:
    run = module.run_module("endpoint_discovery_info", {"paths": [str(path) for path in paths], **options})
    assert not run.failed, run.result
    assert PASSPHRASE not in run.output
    return run.result


def found(result: t.Mapping[str, t.Any]) -> dict[str, list[str]]:
    """Fingerprint -> names of its files."""
    return {
        each["fingerprint_sha256"]: [pathlib.PurePath(path).name for path in each["paths"]]
        for each in result["certificates"]
    }


def why(result: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {pathlib.PurePath(entry["what"]).name: entry["reason"] for entry in result["passed_over"]}


def run(*command: t.Any, stdin: str | bytes = b"") -> bytes:
    given = stdin.encode() if isinstance(stdin, str) else stdin
    return subprocess.run([str(word) for word in command], input=given, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """One certificate in each form that OpenSSL and keytool write, whatever the file is called."""
    folder = tmp_path_factory.mktemp("files")
    pem, key = folder / "a-leaf.pem", folder / "b-leaf.key"
    pem.write_text(LEAF.certificate_pem)
    key.write_text(LEAF.private_key_pem)
    (folder / "c-chain").write_text(CA.certificate_pem)
    run("openssl", "x509", "-in", pem, "-outform", "DER", "-out", folder / "d.crt")
    run("openssl", "x509", "-in", pem, "-text", "-out", folder / "e.txt")
    run("openssl", "x509", "-in", pem, "-addtrust", "serverAuth", "-trustout", "-out", folder / "f.trusted")
    for form in ("PEM", "DER"):
        chain = ("-certfile", pem, "-certfile", folder / "c-chain")
        run("openssl", "crl2pkcs7", "-nocrl", *chain, "-outform", form, "-out", folder / f"g.p7b.{form}")
    p12 = ("openssl", "pkcs12", "-export", "-in", pem, "-inkey", key, "-certfile", folder / "c-chain")
    run(*p12, "-passout", "pass:", "-out", folder / "h-open.p12")
    run(*p12, "-passout", f"pass:{PASSPHRASE}", "-out", folder / "i-locked.p12")
    run(
        *("keytool", "-importcert", "-noprompt", "-alias", "x", "-file", pem, "-storetype", "JKS"),
        *("-storepass", PASSPHRASE, "-keystore", folder / "j.jks"),
    )
    (folder / "k-all.pem").write_text(LEAF.combined_pem)
    (folder / "l-utf16.pem").write_bytes(LEAF.certificate_pem.encode("utf-16"))
    (folder / "m-crlf.pem").write_bytes(LEAF.certificate_pem.replace("\n", "\r\n").encode())
    request = run("openssl", "req", "-new", "-key", key, "-subj", "/CN=x")
    (folder / "n.csr").write_bytes(request)
    run("openssl", "req", "-in", folder / "n.csr", "-outform", "DER", "-out", folder / "o.csr.der")
    run("openssl", "pkey", "-in", key, "-outform", "DER", "-out", folder / "p.key.der")
    (folder / "q.bin").write_bytes(b"\x30\x82" + os.urandom(500))
    (folder / "r.empty").write_bytes(b"")
    (folder / "s-binary").write_bytes(os.urandom(5000))
    return folder


def test_every_form_of_one_certificate(files: pathlib.Path) -> None:
    result = look(files)
    names = [
        *("a-leaf.pem", "d.crt", "e.txt", "f.trusted", "g.p7b.DER", "g.p7b.PEM", "h-open.p12"),
        *("k-all.pem", "l-utf16.pem", "m-crlf.pem"),
    ]
    assert found(result) == {LEAF.fingerprint_sha256: names}
    assert result["authorities_found"] == 1
    assert why(result) == {
        "a-leaf.pem": "host: '*.files.example.com' stands for many hosts: write those that there are.",
        "i-locked.p12": "It is PKCS#12 with a passphrase, or damaged.",
        "j.jks": "It is a Java keystore: convert a copy with 'keytool -importkeystore'.",
    }
    assert [(entry["host"], entry["port"]) for entry in result["endpoints"]] == [("files.example.com", 443)]
    assert result["certificates"][0]["expected_at"] == ["files.example.com:443", "*.files.example.com:443"]
    assert result["complete"]
    assert result["files_read"] == len(list(files.iterdir()))
    with_authorities = look(files, authorities=True, ports=[])
    assert len(with_authorities["certificates"]) == 2
    assert with_authorities["endpoints"] == []
    authority = next(each for each in with_authorities["certificates"] if each["is_ca"])
    assert authority["subject"] == "CN=Files CA"


def test_only_what_servers_present_makes_endpoints(tmp_path: pathlib.Path) -> None:
    now = pki.now()
    ended = CA.issue(["ended.example.com"], not_after=now - datetime.timedelta(days=29))
    long_ended = CA.issue(["long-ended.example.com"], not_after=now - datetime.timedelta(days=31), not_before=None)
    local = pki.self_signed(["localhost", "127.0.0.1", "host.example.com"])
    for name, issued in {"client": CLIENT, "ended": ended, "long": long_ended, "local": local}.items():
        (tmp_path / name).write_text(issued.certificate_pem)
    (tmp_path / "ca").write_text(ROOT.certificate_pem)
    result = look(tmp_path, ports=[443, 8443])
    assert sorted({entry["host"] for entry in result["endpoints"]}) == ["ended.example.com", "host.example.com"]
    assert len(result["certificates"]) == 4
    assert {each["subject_alternative_names"][0]: each["for_servers"] for each in result["certificates"]} == {
        "client.example.com": False,
        "ended.example.com": True,
        "long-ended.example.com": True,
        "localhost": True,
    }
    assert result["passed_over"][0]["reason"] == "localhost is another host for each that asks."


def test_lineages_of_certbot_are_read_once(tmp_path: pathlib.Path) -> None:
    archive, live = tmp_path / "archive/a", tmp_path / "live/a"
    archive.mkdir(parents=True)
    live.mkdir(parents=True)
    (archive / "cert1.pem").write_text(LEAF.certificate_pem)
    (archive / "fullchain1.pem").write_text(LEAF.certificate_pem + LEAF.chain_pem)
    for name in ("cert", "fullchain"):
        (live / f"{name}.pem").symlink_to(f"../../archive/a/{name}1.pem")
    result = look(tmp_path)
    assert found(result)[LEAF.fingerprint_sha256] == ["cert1.pem", "fullchain1.pem", "cert.pem", "fullchain.pem"]
    assert result["files_read"] == 2


def test_whatever_lies_there_costs_itself_alone(tmp_path: pathlib.Path) -> None:
    """A pipe that nobody writes to, a socket, links in circles, a flood, damage: none stops the others, or hangs."""
    (tmp_path / "good.pem").write_text(LEAF.certificate_pem)
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "up").symlink_to("..")
    (tmp_path / "nowhere").symlink_to("gone")
    with (tmp_path / "flood").open("wb") as flood:
        flood.truncate(10**12)
    (tmp_path / "cut.pem").write_text(LEAF.certificate_pem[:-40])
    other = CA.issue(["other.example.com"])
    broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    (tmp_path / "partly.pem").write_text(broken + other.certificate_pem)
    (tmp_path / "words.md").write_text("Begin with -----BEGIN CERTIFICATE----- and so on.")
    deep = tmp_path
    for _level in range(60):
        deep /= "d"
        deep.mkdir()
    (deep / "deep.pem").write_text(LEAF.certificate_pem)
    odd = os.fsencode(tmp_path) + b"/\xff\n\x1b[2J.pem"
    pathlib.Path(os.fsdecode(odd)).write_text(LEAF.certificate_pem)
    result = look(tmp_path)
    assert set(found(result)) == {LEAF.fingerprint_sha256, other.fingerprint_sha256}
    assert len(found(result)[LEAF.fingerprint_sha256]) == 3
    assert "\x1b" not in json.dumps(result, ensure_ascii=False)
    told = why(result)
    assert set(told) >= {"cut.pem", "partly.pem", "words.md"}
    assert not {"pipe", "socket", "zero", "loop", "up", "nowhere", "flood"} & set(told)
    # Who names a pipe gets an answer, too.
    (told_of_pipe,) = look(tmp_path / "pipe")["passed_over"]
    assert told_of_pipe["reason"].startswith("It cannot be read: ")


def test_what_may_not_be_read_is_told(tmp_path: pathlib.Path) -> None:
    (told,) = look(tmp_path / "gone")["passed_over"]
    assert told == {"what": str(tmp_path / "gone"), "reason": "It cannot be read: No such file or directory."}


def test_some_of_it_can_be_left_out(tmp_path: pathlib.Path) -> None:
    for folder in ("in", "out", "out/below"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.pem").write_text(CA.issue([f"{folder.replace('/', '.')}.example.com"]).certificate_pem)
    result = look(tmp_path, exclude=[str(tmp_path / "out")])
    assert [entry["host"] for entry in result["endpoints"]] == ["in.example.com"]
    assert [entry["host"] for entry in look(tmp_path, exclude=["*/below/*"])["endpoints"]] == [
        "in.example.com",
        "out.example.com",
    ]


def test_time_that_is_over_is_told(tmp_path: pathlib.Path) -> None:
    for number in range(300):
        (tmp_path / f"{number}.txt").write_bytes(b"x")
    result = look(tmp_path, deadline=1e-9)
    assert not result["complete"]
    warned = "Not all of the paths was searched: it took more than 1e-09 seconds. Name less, or use exclude."
    assert warned in json.dumps(result["warnings"])


def test_a_key_is_never_part_of_the_answer(tmp_path: pathlib.Path) -> None:
    """Also of a container without a passphrase, whose key a library cannot help to read."""
    (tmp_path / "open.p12").write_bytes(LEAF.pkcs12())
    (tmp_path / "all.pem").write_text(LEAF.combined_pem)
    der = LEAF.private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.der").write_bytes(der)
    run_ = module.run_module("endpoint_discovery_info", {"paths": [str(tmp_path)]})  # looks for keys in its output
    assert list(found(run_.result)) == [LEAF.fingerprint_sha256]
    assert der[-32:].hex() not in run_.output
