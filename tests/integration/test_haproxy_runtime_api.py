# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy's Runtime API can do with certificates, done by haproxy_certificate, and seen by clients."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import re
import ssl
import subprocess
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.haproxy_memory import actions, deploy, info, served
from ansible_collections.certops.rotation.tests.support.lying_socket import LyingSocket
from ansible_collections.certops.rotation.tests.support.module import ModuleRun, run_module
from ansible_collections.certops.rotation.tests.support.revocation import ocsp_response
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

pytestmark = pytest.mark.usefixtures("haproxy_version")

UNKNOWN_FILE = "unable to load"


@contextlib.contextmanager
def haproxy_with(
    files: t.Mapping[str, str | bytes], *tls: str, extra: str = "", extra_global: t.Sequence[str] = ()
) -> t.Iterator[HaproxyInstance]:
    """Of files in {dir}, where nothing is loaded that no bind names. extra: at the end of its configuration."""

    class Extended(HaproxyInstance):
        def write_config(self, _extra: str = "") -> None:
            super().write_config(self._filled(extra).replace("{port}", str(self.ports[0] if self.ports else 0)))

    instance = Extended({}, tls=tls, extra_global=extra_global)
    for name, content in files.items():
        path = instance.directory / name
        path.write_bytes(content if isinstance(content, bytes) else instance._filled(content).encode())
    with instance:
        yield instance


def path_in(haproxy: HaproxyInstance, name: str) -> str:
    return str(haproxy.directory / name)


def put(haproxy: HaproxyInstance, name: str, content: str | bytes) -> dict[str, t.Any]:
    path = haproxy.directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return {"src": str(path)}


def is_refused(haproxy: HaproxyInstance, name: str | None, port: int) -> bool:
    """Does the handshake end without a certificate?"""
    try:
        haproxy.served_leaf(name, port)
    except (ssl.SSLError, OSError):
        return True
    return False


def s_client(haproxy: HaproxyInstance, name: str, port: int, *options: str) -> str:
    """What OpenSSL's own client is told."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, *options]
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=20, check=False).stdout


def staple(haproxy: HaproxyInstance, port: int) -> tuple[str, str] | None:
    """Serial number and status of the OCSP response that comes with a handshake."""
    told = s_client(haproxy, "a.example.com", port, "-status")
    serial, status = re.search(r"Serial Number: (\w+)", told), re.search(r"Cert Status: (\w+)", told)
    return (f"{int(serial[1], 16):x}", status[1]) if serial and status else None


def memory_lines(haproxy: HaproxyInstance, crt_list: str) -> list[str]:
    """The lines of a crt-list, each with its number, without the zero byte behind ALPN's names."""
    text = haproxy.execute(f"show ssl crt-list -n {crt_list}").replace("\0", "")
    return [line.replace(f"{haproxy.directory}/", "") for line in text.splitlines() if line and line[0] != "#"]


def file_lines(haproxy: HaproxyInstance, name: str) -> list[str]:
    text = (haproxy.directory / name).read_text()
    return [line.replace(f"{haproxy.directory}/", "") for line in text.splitlines()]


def check_run_check_run(haproxy: HaproxyInstance, *items: dict[str, t.Any], **options: t.Any) -> ModuleRun:
    """The first real run; check mode predicts it, and a second one changes nothing."""
    check = deploy(haproxy, *items, check=True, diff=True, **options)
    run = deploy(haproxy, *items, diff=True, **options)
    assert not run.failed, run.output
    assert (check.result["changed"], actions(check)) == (run.result["changed"], actions(run))
    assert check.result["diff"] == run.result["diff"]
    for again in (deploy(haproxy, *items, check=True, **options), deploy(haproxy, *items, **options)):
        assert (again.result["changed"], set(actions(again))) == (False, {"unchanged"}), again.output
        assert again.result["certificates"][0]["entries"] == run.result["certificates"][0]["entries"]
    return run


def test_a_name_goes_with_its_certificate(intermediate: pki.CertificateAuthority) -> None:
    """With strict-sni; as default certificate that has a filter, and back; and what is not committed is not served."""
    first, other = intermediate.issue("a.example.com"), intermediate.issue("b.example.com")
    files = {"a.pem": first.combined_pem, "d.pem": first.combined_pem, "d.list": "{dir}/d.pem www.example.com\n"}
    with haproxy_with(files, "crt {dir}/a.pem strict-sni", "crt-list {dir}/d.list") as haproxy:
        strict, default = haproxy.ports
        check_run_check_run(haproxy, put(haproxy, "a.pem", other.combined_pem))
        assert is_refused(haproxy, "a.example.com", strict)
        assert served(haproxy, "b.example.com", strict) == other.fingerprint_sha256
        for wanted in (other, first):
            check_run_check_run(haproxy, put(haproxy, "d.pem", wanted.combined_pem))
            for name in ("www.example.com", "other.example.com", None):
                assert served(haproxy, name, default) == wanted.fingerprint_sha256
        # Somebody has begun to change it, and gave up.
        haproxy.execute(f"set ssl cert {path_in(haproxy, 'd.pem')} <<\n{other.combined_pem.strip()}\n")
        haproxy.execute(f"abort ssl cert {path_in(haproxy, 'd.pem')}")
        assert actions(deploy(haproxy, {"src": path_in(haproxy, "d.pem")})) == ["unchanged"]
        assert served(haproxy, None, default) == first.fingerprint_sha256


def test_bundle_of_two_key_types(intermediate: pki.CertificateAuthority) -> None:
    def issue(key_type: t.Any) -> pki.IssuedCertificate:
        return intermediate.issue("a.example.com", key=pki.shared_key(key_type))

    files = {"a.pem.rsa": issue("rsa2048").combined_pem, "a.pem.ecdsa": issue("ec").combined_pem}
    with haproxy_with(files, "crt {dir}/a.pem") as haproxy:
        for suffix, key_type, algorithms in (("rsa", "rsa2048", "RSA+SHA256"), ("ecdsa", "ec", "ECDSA+SHA256")):
            renewed = issue(key_type)
            check_run_check_run(haproxy, put(haproxy, f"a.pem.{suffix}", renewed.combined_pem))
            told = s_client(haproxy, "a.example.com", haproxy.port, "-tls1_2", "-sigalgs", algorithms)
            leaf = ssl.PEM_cert_to_DER_cert(
                told[told.index("-----BEGIN") : told.index("-----END CERTIFICATE-----") + 25]
            )
            assert hashlib.sha256(leaf).hexdigest() == renewed.fingerprint_sha256


@pytest.mark.installed_haproxy
def test_a_listing_that_quotes_the_key(intermediate: pki.CertificateAuthority) -> None:
    """What was not known of a line before the key was sent is not shown: run_module searches all output for keys."""
    first, new = intermediate.issue("a.example.com"), intermediate.issue("b.example.com")
    with haproxy_with({"a.pem": first.combined_pem, "x.list": "{dir}/a.pem\n"}, "crt-list {dir}/x.list") as haproxy:
        crt_list, name = path_in(haproxy, "x.list"), path_in(haproxy, "b.pem")
        quoted: list[str] = []

        def reply(request: str) -> str | None:
            if "PRIVATE KEY" in request:
                quoted[:] = [line for line in request.splitlines() if len(line) == 64]
            if quoted and request.startswith(f"show ssl crt-list -n {crt_list}"):
                return f"# {crt_list}\n{name}:2 b.example.com\n{name}:3 {' '.join(quoted)}\n{quoted[-1]}:4\n\n"
            return None

        with LyingSocket(haproxy.directory / "l.sock", reply, haproxy.socket) as proxy:
            item = {**put(haproxy, "b.pem", new.combined_pem), "crt_list": crt_list}
            item["entries"] = [{"filters": ["b.example.com"]}]
            run = deploy(haproxy, item, diff=True, socket=proxy.address)
            assert not run.failed, run.output
            assert [entry["options"] for entry in run.result["certificates"][0]["entries"]] == ["b.example.com", None]
            # And of another certificate in the same run, whose line has another's name now.
            quoted.clear()
            gone = {
                "name": path_in(haproxy, "a.pem"),
                "crt_list": crt_list,
                "entries": [{"line": 4, "state": "absent"}],
            }
            renewed = put(haproxy, "b.pem", intermediate.issue("b.example.com").combined_pem)
            run = deploy(haproxy, renewed, gone, socket=proxy.address)
            assert actions(run) == ["updated", "failed"], run.output
            assert "is another one in HAProxy" in run.result["msg"]


@pytest.mark.installed_haproxy
def test_line_of_a_bundle(intermediate: pki.CertificateAuthority) -> None:
    """The file has one line for both, so the one that goes comes back with a reload, and that is said."""
    rsa, ecdsa = (intermediate.issue("a.example.com", key=pki.shared_key(kind)) for kind in ("rsa2048", "ec"))
    other = intermediate.issue("b.example.com")
    files = {"a.pem.rsa": rsa.combined_pem, "a.pem.ecdsa": ecdsa.combined_pem, "b.pem": other.combined_pem}
    with haproxy_with(
        {**files, "x.list": "{dir}/b.pem\n{dir}/a.pem a.example.com\n"}, "crt-list {dir}/x.list"
    ) as haproxy:
        entries = [{"filters": ["a.example.com"], "state": "absent"}]
        item = {"name": path_in(haproxy, "a.pem.rsa"), "crt_list": path_in(haproxy, "x.list"), "entries": entries}
        run = check_run_check_run(haproxy, item)
        assert "a reload brings this back" in run.result["certificates"][0]["message"]
        assert file_lines(haproxy, "x.list")[-1] == "a.pem a.example.com"
        assert served(haproxy, "a.example.com") == ecdsa.fingerprint_sha256


@pytest.mark.parametrize("is_split", [True, False], ids=["certificate-and-key", "both-in-one"])
def test_a_certificate_whose_key_has_its_name(intermediate: pki.CertificateAuthority, is_split: bool) -> None:
    """a.crt beside a.key, with ssl-load-extra-del-ext; and a.crt that holds the key without that."""
    first, other = intermediate.issue("a.example.com"), intermediate.issue("b.example.com")
    files = {"a.crt": first.combined_pem}
    if is_split:
        files = {"a.crt": first.certificate_pem + first.chain_pem, "a.key": first.private_key_pem}
    options = ["ssl-load-extra-del-ext"] if is_split else []
    with haproxy_with(files, "crt {dir}/a.crt strict-sni", extra_global=options) as haproxy:
        item = put(haproxy, "a.crt", other.certificate_pem + other.chain_pem if is_split else other.combined_pem)
        if is_split:
            run = deploy(haproxy, item)
            assert run.result["certificates"][0]["error_code"] == "private_key_mismatch", run.output
            put(haproxy, "a.key", other.private_key_pem)
        check_run_check_run(haproxy, item)
        assert is_refused(haproxy, "a.example.com", haproxy.port)
        assert served(haproxy, "b.example.com") == other.fingerprint_sha256


def test_certificate_of_a_server_line(intermediate: pki.CertificateAuthority) -> None:
    """With which HAProxy is the client. The one on the other side tells what it got."""
    clients = pki.CertificateAuthority("Clients")
    first, renewed = (clients.issue("client", usages=[ExtendedKeyUsageOID.CLIENT_AUTH]) for dummy in range(2))
    backend = """
frontend asked
    bind unix@{dir}/asked.sock
    default_backend behind
backend behind
    server s1 127.0.0.1:{port} ssl verify none crt {dir}/client.pem
"""
    files = {
        "a.pem": intermediate.issue("a.example.com").combined_pem,
        "client.pem": first.combined_pem,
        "ca.pem": pki.certificate_pem(clients.certificate),
    }
    tls = "crt {dir}/a.pem ca-file {dir}/ca.pem verify required"

    class Telling(HaproxyInstance):
        def write_config(self, _extra: str = "") -> None:
            super().write_config(self._filled(backend.replace("{port}", str(self.ports[0]))))
            text = self.config_path.read_text()
            self.config_path.write_text(text.replace("string ok", 'lf-string "%[ssl_c_sha1,hex]"'))

    haproxy = Telling({}, tls=[tls])
    for name, content in files.items():
        (haproxy.directory / name).write_text(content)
    time.sleep(0.2)  # when a process began is known within a few hundredths of a second
    with haproxy:
        item = {"src": path_in(haproxy, "client.pem")}
        for wanted in (first, renewed):
            run = deploy(haproxy, item if wanted is first else put(haproxy, "client.pem", wanted.combined_pem))
            assert actions(run) == ["unchanged" if wanted is first else "updated"], run.output
            answer = haproxy.execute("GET / HTTP/1.0\r\n\r", path_in(haproxy, "asked.sock"))
            sha1 = hashlib.sha1(ssl.PEM_cert_to_DER_cert(wanted.certificate_pem)).hexdigest()
            assert sha1 in answer.lower(), answer
        # Nobody can be asked for it from outside, and it is no new one that needs a crt-list.
        assert actions(deploy(haproxy, {"src": path_in(haproxy, "client.pem")})) == ["unchanged"]
        assert (
            deploy(haproxy, {"name": path_in(haproxy, "client.pem")}, state="absent").result["certificates"][0][
                "error_code"
            ]
            == "in_use"
        )


def test_lines_with_options_and_filters(intermediate: pki.CertificateAuthority) -> None:
    first, new = intermediate.issue("a.example.com"), intermediate.issue("b.example.com")
    files = {
        "a.pem": first.combined_pem,
        "x.list": "# ours\n{dir}/a.pem [alpn h2,http/1.1 ssl-min-ver TLSv1.2] a.example.com\n\n"
        "{dir}/a.pem www.example.com\n",
    }
    with haproxy_with(files, "crt-list {dir}/x.list strict-sni") as haproxy:
        crt_list = path_in(haproxy, "x.list")
        entries = [
            {"options": "ssl-min-ver TLSv1.3 alpn h2", "filters": ["*.b.example.com", "!No.b.example.com"]},
            {"options": "[alpn http/1.1]", "filters": ["B.example.com"], "crt_list": f"{crt_list}/"},
        ]
        item = {**put(haproxy, "b.pem", new.combined_pem), "crt_list": crt_list, "entries": entries}
        run = check_run_check_run(haproxy, item)
        assert actions(run) == ["added"]
        added = [
            "b.pem [ssl-min-ver TLSv1.3 alpn h2] *.b.example.com !No.b.example.com",
            "b.pem [alpn http/1.1] B.example.com",
        ]
        before = ["# ours", "a.pem [alpn h2,http/1.1 ssl-min-ver TLSv1.2] a.example.com", "", "a.pem www.example.com"]
        assert file_lines(haproxy, "x.list") == [*before, *added]
        assert [line.partition(" ")[0] for line in memory_lines(haproxy, crt_list)] == [
            "a.pem:2",
            "a.pem:4",
            "b.pem:5",
            "b.pem:6",
        ]
        assert [entry["line"] for entry in run.result["certificates"][0]["entries"]] == [5, 6]

        def get(name: str, *options: str) -> str:
            return s_client(haproxy, name, haproxy.port, "-alpn", "h2,http/1.1", *options)

        assert "ALPN protocol: h2" in get("x.b.example.com")
        assert "ALPN protocol: http/1.1" in get("b.example.com")
        assert "CN = b.example.com" not in get("x.b.example.com", "-tls1_2")
        assert is_refused(haproxy, "no.b.example.com", haproxy.port)

        # Another line, and none of those before. The certificate itself stays, and is not given.
        wanted = {"filters": ["c.example.com", "C.Example.com"]}
        item = {"name": path_in(haproxy, "b.pem"), "crt_list": crt_list, "entries": [wanted], "purge_entries": True}
        assert actions(check_run_check_run(haproxy, item)) == ["updated"]
        assert served(haproxy, "c.example.com") == new.fingerprint_sha256
        assert is_refused(haproxy, "b.example.com", haproxy.port)
        assert file_lines(haproxy, "x.list") == [*before, "b.pem c.example.com C.Example.com"]
        # The file and HAProxy are alike: a reload brings nothing else.
        told = [line.split(" ", 1)[1:] for line in memory_lines(haproxy, crt_list)]
        assert haproxy.reload()
        assert [line.split(" ", 1)[1:] for line in memory_lines(haproxy, crt_list)] == told
        assert actions(deploy(haproxy, item)) == ["unchanged"]


def test_lines_go_by_number_and_by_content(intermediate: pki.CertificateAuthority) -> None:
    """A numbered line is the one in HAProxy. The default certificate stays, unless with strict-sni."""
    first, other = intermediate.issue("a.example.com"), intermediate.issue("b.example.com")
    text = "{dir}/a.pem\n{dir}/a.pem one.example.com\n{dir}/b.pem\n{dir}/a.pem [alpn h2] two.example.com\n{dir}/a.pem\n"
    files = {"a.pem": first.combined_pem, "b.pem": other.combined_pem, "s.list": text, "d.list": text}
    with haproxy_with(files, "crt-list {dir}/s.list strict-sni", "crt-list {dir}/d.list") as haproxy:
        name, strict, loose = (path_in(haproxy, one) for one in ("a.pem", "s.list", "d.list"))

        def gone(crt_list: str, **entry: t.Any) -> dict[str, t.Any]:
            return {"name": name, "crt_list": crt_list, "entries": [{"state": "absent", **entry}]}

        assert served(haproxy, "one.example.com", haproxy.ports[0]) == first.fingerprint_sha256
        assert actions(check_run_check_run(haproxy, gone(strict, line=2))) == ["updated"]
        assert is_refused(haproxy, "one.example.com", haproxy.ports[0])
        assert file_lines(haproxy, "s.list") == ["a.pem", "b.pem", "a.pem [alpn h2] two.example.com", "a.pem"]
        check_run_check_run(haproxy, gone(strict, options="alpn h2", filters=["TWO.example.com"]))
        check_run_check_run(haproxy, gone(strict, line=5))
        assert memory_lines(haproxy, strict) == ["a.pem:1", "b.pem:3"]
        assert file_lines(haproxy, "s.list") == ["a.pem", "b.pem"]
        check_run_check_run(haproxy, gone(strict, options=""))
        assert memory_lines(haproxy, strict) == ["b.pem:3"]
        assert file_lines(haproxy, "s.list") == ["b.pem"]

        before = memory_lines(haproxy, loose), file_lines(haproxy, "d.list")
        for entry, code in (({"line": 1}, "in_use"), ({"line": 3}, "invalid_option")):
            run = deploy(haproxy, gone(loose, **entry))
            assert run.result["certificates"][0]["error_code"] == code, run.output
        run = deploy(haproxy, gone(loose, line=2, filters=["two.example.com"]))
        assert "one.example.com" in run.result["msg"], run.output
        assert (memory_lines(haproxy, loose), file_lines(haproxy, "d.list")) == before
        assert actions(deploy(haproxy, gone(loose, line=77))) == ["unchanged"]


def test_lines_that_haproxy_refuses(intermediate: pki.CertificateAuthority) -> None:
    """Neither memory nor file has them afterwards, nor the new certificate that was to come by them."""
    first, new = intermediate.issue("a.example.com"), intermediate.issue("b.example.com")
    files = {"a.pem": first.combined_pem, "x.list": "{dir}/a.pem\n", "ca.pem": first.chain_pem}
    files |= {"b.pem": new.combined_pem, "b.list": "{dir}/a.pem\n{dir}/b.pem\n"}
    with haproxy_with(files, "crt-list {dir}/x.list", "crt-list {dir}/b.list") as haproxy:
        crt_list, authority = path_in(haproxy, "x.list"), path_in(haproxy, "ca.pem")
        before = memory_lines(haproxy, crt_list), file_lines(haproxy, "x.list")
        good = {"filters": ["good.example.com"]}
        for options, said in (
            (f"ca-file {authority}", UNKNOWN_FILE),
            (f"crl-file {authority}", UNKNOWN_FILE),
            (f"ca-verify-file {authority}", UNKNOWN_FILE),
            ("no-such-option yes", "unknown ssl keyword"),
            ("ssl-min-ver TLSv9", "unknown ssl/tls version"),
            ("alpn", "has no value"),
            ('alpn "h2"', "nothing is quoted"),
            ("alpn h2] x [", "cannot hold"),
        ):
            entries = [good, {"options": options, "filters": ["bad.example.com"]}]
            for item in ({"name": path_in(haproxy, "a.pem")}, put(haproxy, "c.pem", new.combined_pem)):
                run = deploy(haproxy, {**item, "crt_list": crt_list, "entries": entries})
                assert run.failed
                assert said in run.result["msg"], run.output
                assert (memory_lines(haproxy, crt_list), file_lines(haproxy, "x.list")) == before
        assert "c.pem" not in haproxy.execute("show ssl cert")
        long = [{"filters": [f"{number}.a-rather-long-name.example.com" for number in range(500)]}]
        item = {"name": path_in(haproxy, "b.pem"), "crt_list": path_in(haproxy, "b.list"), "entries": long}
        run = deploy(haproxy, item)
        assert (run.result["needs_reload"], run.result["certificates"][0]["error_code"]) == (True, "payload_too_large")
        assert "499.a-rather-long-name" in (haproxy.directory / "b.list").read_text()
        assert haproxy.reload()
        assert actions(deploy(haproxy, item)) == ["unchanged"]
        assert served(haproxy, "499.a-rather-long-name.example.com", haproxy.ports[1]) == new.fingerprint_sha256
        for bad in ("two words", "#comment", "", "!", "a[b", "new\nline"):
            item = {"name": path_in(haproxy, "a.pem"), "crt_list": crt_list, "entries": [{"filters": [bad]}]}
            run = deploy(haproxy, item)
            assert "is no SNI filter" in run.result["msg"], run.output
        run = deploy(haproxy, {"name": "/nowhere.pem", "crt_list": crt_list, "entries": [good]})
        assert "does not hold /nowhere.pem" in run.result["msg"]
        # The CA file that HAProxy has is one that a line can name.
        haproxy.execute(f"new ssl ca-file {authority}")
        haproxy.execute(f"set ssl ca-file {authority} <<\n{first.chain_pem.strip()}\n")
        haproxy.execute(f"commit ssl ca-file {authority}")
        wanted = {"options": f"ca-file {authority} verify optional", "filters": ["good.example.com"]}
        item = {"name": path_in(haproxy, "a.pem"), "crt_list": crt_list, "entries": [wanted]}
        check_run_check_run(haproxy, item)
        assert "good.example.com" in memory_lines(haproxy, crt_list)[-1]


def test_ocsp_response_with_its_certificate(intermediate: pki.CertificateAuthority) -> None:
    first, second = (intermediate.issue("a.example.com") for dummy in range(2))
    files = {"a.pem": first.combined_pem, "a.pem.ocsp": ocsp_response(intermediate, first)}
    with haproxy_with(files, "crt {dir}/a.pem") as haproxy:
        port = haproxy.port
        serial = f"{first.certificate.serial_number:x}"
        assert staple(haproxy, port) == (serial, "good")
        item = {"src": path_in(haproxy, "a.pem")}
        assert actions(deploy(haproxy, item)) == ["unchanged"]
        (told,) = info(haproxy)["certificates"]
        assert told["ocsp_key"] in haproxy.execute("show ssl ocsp-response")
        # Given: revoked, then good again though it is the older one.
        revoked = ocsp_response(intermediate, first, status=ocsp.OCSPCertStatus.REVOKED)
        wanted = put(haproxy, "other.der", revoked)["src"]
        run = check_run_check_run(haproxy, {**item, "ocsp_src": wanted})
        assert (actions(run), run.result["certificates"][0]["loaded_ocsp"]) == (["updated"], True)
        assert "revoked" in str(run.result["warnings"]), run.output
        assert staple(haproxy, port) == (serial, "revoked")
        check_run_check_run(haproxy, {**item, "ocsp_src": path_in(haproxy, "a.pem.ocsp")})
        assert staple(haproxy, port) == (serial, "good")

        # With a renewal, in one transaction; the one beside the file goes along, too.
        for given in (False, True):
            wanted_leaf = intermediate.issue("a.example.com") if given else second
            response = ocsp_response(intermediate, wanted_leaf)
            item = put(haproxy, "a.pem", wanted_leaf.combined_pem)
            path = put(haproxy, "given.der" if given else "a.pem.ocsp", response)["src"]
            run = check_run_check_run(haproxy, {**item, **({"ocsp_src": path} if given else {})})
            assert run.result["certificates"][0]["loaded_ocsp"] is True
            assert served(haproxy, "a.example.com") == wanted_leaf.fingerprint_sha256
            assert staple(haproxy, port) == (f"{wanted_leaf.certificate.serial_number:x}", "good")


def test_ocsp_responses_that_are_not_taken(intermediate: pki.CertificateAuthority) -> None:
    """HAProxy says "Success!" to each, and serves some. Here nothing changes, with the certificate neither."""
    first, renewed = intermediate.issue("a.example.com"), intermediate.issue("a.example.com")
    stranger = pki.CertificateAuthority("Stranger")
    response = ocsp_response(intermediate, first)
    with haproxy_with({"a.pem": first.combined_pem, "a.pem.ocsp": response}, "crt {dir}/a.pem") as haproxy:
        item = put(haproxy, "a.pem", renewed.combined_pem)
        now = pki.now()
        for bad, said in (
            (response, "for another certificate"),
            (ocsp_response(intermediate, renewed, signer=stranger), "signed by nobody who may"),
            (ocsp_response(intermediate, renewed, next_update=now - datetime.timedelta(minutes=1)), "out of date"),
            (ocsp_response(intermediate, renewed, this_update=now + datetime.timedelta(days=1)), "of the future"),
            (ocsp_response(intermediate, renewed, status=ocsp.OCSPCertStatus.UNKNOWN), "does not know"),
            (ocsp_response(intermediate, renewed, algorithm=hashes.SHA256()), "identified by SHA-1"),
            (b"garbage", "cannot be read"),
            (b"", "cannot be read"),
        ):
            run = deploy(haproxy, {**item, "ocsp_src": put(haproxy, "bad.der", bad)["src"]})
            assert said in run.result["msg"], run.output
            assert served(haproxy, None) == first.fingerprint_sha256
        # The one beside the file is not taken away when it was given.
        run = deploy(haproxy, {**item, "ocsp_src": put(haproxy, "a.pem.ocsp", response)["src"]})
        assert "for another certificate" in run.result["msg"], run.output
        assert (haproxy.directory / "a.pem.ocsp").exists()
        assert staple(haproxy, haproxy.port) == (f"{first.certificate.serial_number:x}", "good")
        # What one item says without sense is not the matter of the others.
        bad = {"name": path_in(haproxy, "z.pem"), "entries": [{"crt_list": "/x", "filters": ["a b"]}]}
        run = deploy(haproxy, bad, item, remove_stale_ocsp=False)
        assert actions(run) == ["failed", "updated"], run.output
        assert served(haproxy, None) == renewed.fingerprint_sha256


def test_ocsp_response_whose_issuer_is_not_in_the_chain(intermediate: pki.CertificateAuthority) -> None:
    """With the leaf alone in its file, and for a new certificate."""
    leaf = intermediate.issue("a.example.com")
    alone = leaf.certificate_pem + leaf.private_key_pem
    other = intermediate.issue("z.example.com")
    with haproxy_with({"z.pem": other.combined_pem, "x.list": "{dir}/z.pem\n"}, "crt-list {dir}/x.list") as haproxy:
        response = put(haproxy, "r.der", ocsp_response(intermediate, leaf))["src"]
        item = {**put(haproxy, "a.pem", alone), "crt_list": path_in(haproxy, "x.list"), "ocsp_src": response}
        run = deploy(haproxy, item)
        assert "issuer is neither in its chain nor given" in run.result["msg"], run.output
        issuer = pki.certificate_pem(intermediate.certificate)
        wrong = pki.certificate_pem(pki.CertificateAuthority("Another").certificate)
        run = deploy(haproxy, {**item, "issuer_content": wrong})
        assert "has not signed" in run.result["msg"], run.output
        run = check_run_check_run(haproxy, {**item, "issuer_src": put(haproxy, "i.pem", issuer)["src"]})
        assert (actions(run), run.result["certificates"][0]["loaded_ocsp"]) == (["added"], True)
        assert staple(haproxy, haproxy.port) == (f"{leaf.certificate.serial_number:x}", "good")


@pytest.mark.parametrize("end", [".pem", ".crt"])
def test_haproxy_that_asks_the_responder_itself(
    intermediate: pki.CertificateAuthority, haproxy_version: str, end: str
) -> None:
    """For that it needs the issuer. One in a file of its own it reads only together with a response, and it does not
    start without; at run time it refuses the certificate. 2.6 asks nobody."""
    place = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://[::1]:9/")
    )
    access = (x509.AuthorityInformationAccess([place]), False)
    first, renewed, again = (intermediate.issue("a.example.com", extra_extensions=[access]) for dummy in range(3))
    options = "" if haproxy_version == "2.6" else "[ocsp-update on] "
    beside = "a.pem" if end == ".pem" else "a"
    files = {
        f"a{end}": first.certificate_pem + first.private_key_pem,
        f"{beside}.issuer": pki.certificate_pem(intermediate.certificate),
        f"{beside}.ocsp": ocsp_response(intermediate, first),
        "z.pem": pki.self_signed("z.example.com").combined_pem,
        "x.list": f"{{dir}}/z.pem\n{{dir}}/a{end} {options}a.example.com\n",
    }
    no_end = ["ssl-load-extra-del-ext"] if end == ".crt" else []
    with haproxy_with(files, "crt-list {dir}/x.list", extra_global=no_end) as haproxy:
        worker = haproxy.worker_pid()
        for issued in (renewed, again):
            item = put(haproxy, f"a{end}", issued.certificate_pem + issued.private_key_pem)
            if issued is again:
                put(haproxy, f"{beside}.ocsp", ocsp_response(intermediate, issued))
            assert actions(check_run_check_run(haproxy, item)) == ["updated"]
            assert served(haproxy, "a.example.com") == issued.fingerprint_sha256
            told = haproxy.execute("show ssl ocsp-updates")
            assert not options or f"{issued.certificate.serial_number:x}" in told
        assert staple(haproxy, haproxy.port) == (f"{again.certificate.serial_number:x}", "good")
        assert haproxy.worker_pid() == worker
        # A response for another one stays where HAProxy would not start without it.
        item = put(haproxy, f"a{end}", renewed.certificate_pem + renewed.private_key_pem)
        assert actions(deploy(haproxy, item)) == ["updated"]
        assert haproxy.reload(), haproxy.log
        # An issuer that is none is the matter of who gave it.
        stranger = pki.certificate_pem(pki.CertificateAuthority("Stranger").certificate)
        run = deploy(haproxy, {**item, "issuer_content": stranger})
        assert "has not signed" in run.result["msg"], run.output
        put(haproxy, f"{beside}.issuer", stranger)
        assert actions(deploy(haproxy, item)) == ["unchanged"]


def test_certificate_of_a_crt_store(intermediate: pki.CertificateAuthority, haproxy_version: str) -> None:
    """By its alias it is updated, and used in a crt-list by more lines. Older versions have no such section."""
    if haproxy_version < "3.0":
        store, name, loaded = "", "{dir}/a.pem", "{dir}/a.pem"
    else:
        store, name, loaded = "\ncrt-store web\n    load crt {dir}/a.pem alias main\n", "@web/main", "@web/main"
    first, renewed = intermediate.issue("a.example.com"), intermediate.issue("a.example.com")
    files = {"a.pem": first.combined_pem, "x.list": f"{loaded} a.example.com\n"}

    class WithStore(HaproxyInstance):
        def write_config(self, _extra: str = "") -> None:
            super().write_config()
            text = self.config_path.read_text()
            self.config_path.write_text(text.replace("defaults\n", f"{self._filled(store)}\ndefaults\n", 1))

    haproxy = WithStore({}, tls=["crt-list {dir}/x.list strict-sni"])
    for one, content in files.items():
        (haproxy.directory / one).write_text(haproxy._filled(content) if one == "x.list" else content)
    with haproxy:
        name = haproxy._filled(name)
        options = {"config": [str(haproxy.config_path)]}
        (haproxy.directory / "a.pem").write_text(renewed.combined_pem)
        run = check_run_check_run(haproxy, {"src": path_in(haproxy, "a.pem")}, **options)
        assert run.result["certificates"][0]["names"] == [name]
        entries = [{"crt_list": path_in(haproxy, "x.list"), "filters": ["b.example.com"]}]
        check_run_check_run(haproxy, {"name": name, "entries": entries}, **options)
        assert served(haproxy, "b.example.com") == renewed.fingerprint_sha256
        assert file_lines(haproxy, "x.list")[-1].endswith(f"{name.rpartition('/')[2]} b.example.com")
        assert haproxy.reload()
        assert served(haproxy, "b.example.com") == renewed.fingerprint_sha256


def test_certificates_come_and_go(intermediate: pki.CertificateAuthority) -> None:
    """New, in use, in use no more, gone: in a list, and what the configuration names stays."""
    first, new = intermediate.issue("a.example.com"), intermediate.issue("b.example.com")
    files = {"a.pem": first.combined_pem, "x.list": "{dir}/a.pem\n"}
    with haproxy_with(files, "crt-list {dir}/x.list strict-sni", "crt {dir}/a.pem") as haproxy:
        crt_list = path_in(haproxy, "x.list")
        item = {**put(haproxy, "b.pem", new.combined_pem), "crt_list": crt_list}
        assert actions(check_run_check_run(haproxy, item)) == ["added"]
        no_line = {"name": item["src"], "crt_list": crt_list, "entries": [{"options": "", "state": "absent"}]}
        check_run_check_run(haproxy, no_line)
        assert is_refused(haproxy, "b.example.com", haproxy.ports[0])
        state = {one["name"]: one["status"] for one in info(haproxy)["certificates"]}
        assert (state[item["src"]], state[path_in(haproxy, "a.pem")]) == ("Unused", "Used")
        for number, wanted in enumerate((item, {**item, "entries": [{"filters": ["c.example.com"]}]})):
            assert actions(check_run_check_run(haproxy, wanted)) == ["added" if number == 0 else "updated"]
        assert actions(check_run_check_run(haproxy, {"name": item["src"], "state": "absent"}, crt_list=crt_list)) == [
            "removed"
        ]
        assert item["src"] not in haproxy.execute("show ssl cert")
        assert "@not-told" not in haproxy.execute("show ssl ca-file")  # nothing is remembered of it
        assert file_lines(haproxy, "x.list") == ["a.pem"]
        run = deploy(haproxy, {"name": path_in(haproxy, "a.pem"), "state": "absent"}, crt_list=crt_list)
        assert run.result["certificates"][0]["error_code"] == "in_use", run.output
        assert file_lines(haproxy, "x.list") == ["a.pem"]


def test_one_more_line_does_not_hide_what_a_ca_file_took_away(
    intermediate: pki.CertificateAuthority, haproxy_version: str
) -> None:
    """HAProxy's issue 3165: its places are out of HAProxy's books. With another line it looks as if they were in."""
    first, renewed = intermediate.issue("a.example.com"), intermediate.issue("a.example.com")
    files = {
        "a.pem": first.combined_pem,
        "z.pem": intermediate.issue("z.example.com").combined_pem,
        "ca.pem": first.chain_pem,
        "x.list": "{dir}/z.pem\n{dir}/a.pem [ca-file {dir}/ca.pem verify optional]\n",
    }
    with haproxy_with(files, "crt-list {dir}/x.list") as haproxy:
        authorities = first.chain_pem + pki.certificate_pem(pki.CertificateAuthority("Another").certificate)
        files_of_clients = [put(haproxy, "ca.pem", authorities)]
        run = run_module("haproxy_ca_file", {"socket": haproxy.socket, "files": files_of_clients})
        assert run.result["changed"], run.output
        item = {"name": path_in(haproxy, "a.pem"), "crt_list": path_in(haproxy, "x.list")}
        runs = [
            deploy(haproxy, {**item, "entries": [{"filters": ["b.example.com"]}]}),
            deploy(haproxy, put(haproxy, "a.pem", renewed.combined_pem)),
        ]
        is_mended = haproxy_version in ("2.8", "3.2")
        assert [run.failed for run in runs] == [not is_mended] * 2, runs
        assert {run.result["needs_reload"] for run in runs} == {not is_mended}
        assert is_mended or haproxy.reload()
        again = deploy(haproxy, {**item, "src": item["name"], "entries": [{"filters": ["b.example.com"]}]})
        assert not again.failed, again.output
        assert {served(haproxy, name) for name in ("a.example.com", "b.example.com")} == {renewed.fingerprint_sha256}


def test_lists_and_certificates_by_two_names(intermediate: pki.CertificateAuthority) -> None:
    """Links to one list file, and to one certificate: each line is in the file once, and in memory everywhere."""
    first, new = intermediate.issue("a.example.com"), intermediate.issue("b.example.com")
    files = {
        "a.pem": first.combined_pem,
        "b.pem": new.combined_pem,
        "x.list": "{dir}/a.pem\n{dir}/b.pem x.example.com\n",
    }
    haproxy = HaproxyInstance({}, tls=["crt-list {dir}/x.list strict-sni", "crt-list {dir}/y.list strict-sni"])
    for name, content in files.items():
        (haproxy.directory / name).write_text(haproxy._filled(content) if name == "x.list" else content)
    (haproxy.directory / "y.list").symlink_to("x.list")
    (haproxy.directory / "link.pem").symlink_to("b.pem")
    with haproxy:
        entries = [{"filters": ["b.example.com"]}, {"filters": ["x.example.com"], "state": "absent"}]
        item = {"name": path_in(haproxy, "link.pem"), "crt_list": path_in(haproxy, "y.list"), "entries": entries}
        run = check_run_check_run(haproxy, item)
        assert len(run.result["certificates"][0]["entries"]) == 2
        for port in haproxy.ports:
            assert served(haproxy, "b.example.com", port) == new.fingerprint_sha256
            assert is_refused(haproxy, "x.example.com", port)
        assert len(file_lines(haproxy, "x.list")) == 2
        assert (haproxy.directory / "y.list").is_symlink()
        assert haproxy.reload()
        assert actions(deploy(haproxy, item)) == ["unchanged"]
        assert served(haproxy, "b.example.com") == new.fingerprint_sha256


def dh_parameters(group: str) -> str:
    command = ["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", f"group:{group}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("with_chain", [True, False])
def test_dh_parameters_that_changed_alone(intermediate: pki.CertificateAuthority, with_chain: bool) -> None:
    """HAProxy does not tell them; clients of TLS 1.2 without elliptic curves get them, or those of its own."""
    leaf = intermediate.issue("a.example.com", key=pki.shared_key("rsa2048"))
    alone = leaf.combined_pem if with_chain else leaf.certificate_pem + leaf.private_key_pem
    own = 2048  # tune.ssl.default-dh-param

    def pem(bits: int) -> str:
        return alone if bits == own else f"{alone.rstrip()}\n{dh_parameters(f'ffdhe{bits}')}"

    def bits() -> int:
        told = s_client(haproxy, "a.example.com", haproxy.port, "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256")
        found = re.search(r"Server Temp Key: DH, (\d+) bits", told)
        assert found, told
        return int(found[1])

    with haproxy_with({"a.pem": pem(3072)}, "crt {dir}/a.pem") as haproxy:
        assert bits() == 3072
        for wanted in (own, 4096, own, 3072):
            item = put(haproxy, "a.pem", pem(wanted))
            assert actions(check_run_check_run(haproxy, item)) == ["updated"]
            assert bits() == wanted
        assert haproxy.reload()
        assert bits() == 3072
