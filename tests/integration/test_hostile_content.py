# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Odd and costly content in the hands of every module: it is refused alone, the others go on, and soon."""

from __future__ import annotations

import contextlib
import json
import pathlib
import random
import ssl
import subprocess
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import costly, odd, pki
from ansible_collections.certops.rotation.tests.support.content import secret_verifier
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance, default_binary
from ansible_collections.certops.rotation.tests.support.haproxy_memory import deploy
from ansible_collections.certops.rotation.tests.support.module import run_module
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook
from ansible_collections.certops.rotation.tests.support.signing import certificate_pem_of
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions, problem_codes
from ansible_collections.certops.rotation.tests.support.tls_server import server
from ansible_collections.certops.rotation.tests.unit.plugins.module_utils._core.x509.test_examine_mutations import (
    damage,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SOON = 60  # seconds, for what takes a few
PKCS8 = pki.shared_key("ec").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def costly_secrets() -> dict[str, str | bytes]:
    """Name -> content that would take hours to open."""
    key = costly.encrypted_key(PKCS8, b"passphrase", said=2**31 - 1)
    return {
        "costly/pkcs12": costly.container(PKCS8, b"passphrase", key_rounds=2**31 - 1),
        "costly/mac": costly.container(PKCS8, b"passphrase", mac_rounds=2**31 - 1),
        "costly/key": odd.certificate() + _encrypted_pem(key),
        "costly/colons": json.dumps(
            {"certificate": odd.certificate(), "private_key": "x", "domain_name": ":" * 40_000}
        ),
        "costly/nesting": '{"a":' * 10_000,
        "costly/digits": '{"certificate": ' + "9" * 60_000 + "}",
    }


def _encrypted_pem(content: bytes) -> str:
    return certificate_pem_of(content).replace("CERTIFICATE", "ENCRYPTED PRIVATE KEY")


def odd_secrets() -> dict[str, str]:
    """Name -> what is odd. AWS takes 64 KiB."""
    found = {what: odd.secret(what) for what in odd.ODD}
    return {f"odd/{number}": what for number, what in enumerate(found) if len(found[what]) < 60_000}


@pytest.fixture
def stored(aws: MotoServer, intermediate: CertificateAuthority) -> tuple[list[str], dict[str, str], list[str]]:
    """Names of 20 good secrets, of the odd ones with what is odd about them, and of the costly ones."""
    good = [f"good/{number}" for number in range(20)]
    for name in good:
        aws.put_secret(name, intermediate.issue([f"{name.replace('/', '-')}.example.com"]).secret_document())
    strange = odd_secrets()
    for name, what in strange.items():
        aws.put_secret(name, odd.secret(what))
    expensive = costly_secrets()
    for name, value in expensive.items():
        aws.put_secret(name, value)
    return good, strange, list(expensive)


def test_the_others_go_on(
    target: SyncTarget, stored: tuple[list[str], dict[str, str], list[str]], tmp_path: pathlib.Path
) -> None:
    good, strange, expensive = stored
    names = [*good, *strange, *expensive]
    refused = [*(name for name, what in strange.items() if what not in odd.SERVABLE), *expensive]
    options: dict[str, t.Any] = {"names": names, "passphrase": "passphrase"}
    for check, action in ((True, "created"), (False, "created"), (True, "unchanged"), (False, "unchanged")):
        started = time.monotonic()
        run = target.sync(check=check, **options)
        assert time.monotonic() - started < SOON
        assert run.failed
        assert "Unexpected" not in run.result["msg"]
        expected = {name: "refused" if name in refused else action for name in names}
        assert actions(run) == expected, {name: problem_codes(run).get(name) for name in names}
        assert run.result["changed"] == (action == "created")
        assert "certificate_unreadable" not in str(problem_codes(run))
    assert len(target.live_files()) == len(names) - len(refused)
    codes = problem_codes(run)
    assert codes["odd/0"] == ["certificate_invalid"], "an address of 8 bytes"
    assert {name: codes[name] for name in expensive[:3]} == {name: ["content_too_costly"] for name in expensive[:3]}

    started = time.monotonic()
    info = target.modules.run("certificate_secret_info", options, env=target.env)
    assert not info.failed, info.result["msg"]
    items = {item["name"]: item for item in info.result["secrets"]}
    assert {name: item["valid"] for name, item in items.items()} == {name: name not in refused for name in names}

    path = str(target.path)
    status = run_module("rotation_status_info", {"path": path, "check_source": False, "binds": []}, env=target.env)
    assert not status.failed, status.result["msg"]
    metrics = run_module("rotation_metrics", {"path": path, "textfile": str(tmp_path / "certops.prom")})
    assert not metrics.failed, metrics.result["msg"]
    assert metrics.result["certificates"] == len(names) - len(refused)

    # The lookup, on the controller: what is odd is skipped with a warning.
    options_of_lookup = "on_invalid='warn', passphrase='passphrase'"
    query = {
        "ansible.builtin.assert": {"that": f"found | map(attribute='name') | list == {good}"},
        "vars": {
            "found": f"{{{{ query('certops.rotation.certificate_secret', *names, {options_of_lookup}) }}}}",
            "names": [*good, *refused],
        },
        "no_log": True,
    }
    play = {"hosts": "all", "gather_facts": False, "tasks": [query]}
    playbook = run_playbook({}, playbook=[play], env=target.env)
    assert playbook.returncode == 0, playbook.output
    assert time.monotonic() - started < SOON


@pytest.mark.parametrize("what", ["address of 8 bytes", "time as a name", "version 4"])
def test_given_content_is_refused(target: SyncTarget, aws: MotoServer, what: str) -> None:
    """A raw PEM, a mapping's parts, a secret to be: nothing is written, nothing is stored."""
    pem, key = odd.ODD[what](), odd.private_key(what)
    for given in ({"certificate": pem + key}, {"certificate": pem, "private_key": key}):
        run = target.modules.run("pem_bundle", {"path": str(target.path / "www.pem"), **given}, env=target.env)
        assert run.failed
        assert run.result["action"] == "refused"
        assert "Unexpected" not in run.result["msg"]
        assert target.live_files() == {}
        store = target.modules.run("certificate_secret", {"name": "new", **given}, env=target.env)
        assert store.failed
        assert store.result["action"] == "refused"
        assert aws.client().list_secrets()["SecretList"] == []


def test_a_key_block_with_header_lines_is_written_anew(target: SyncTarget, intermediate: CertificateAuthority) -> None:
    """HAProxy refuses a key with them, and with it its whole configuration."""
    issued = intermediate.issue("www.example.com")
    begin, rest = issued.private_key_pem.split("\n", 1)
    content = issued.certificate_pem + issued.chain_pem + f"{begin}\nProc-Type: 4,CLEAR\nX-Note: a\n\n{rest}"
    run = target.modules.run("pem_bundle", {"path": str(target.path / "www.pem"), "certificate": content})
    assert not run.failed, run.result["msg"]
    assert target.live_files() == {"www.pem": issued.combined_pem.encode()}


@pytest.mark.usefixtures("haproxy_version")
def test_haproxy_starts_with_all_that_is_accepted(tmp_path: pathlib.Path) -> None:
    certificates = tmp_path / "certs"
    certificates.mkdir()
    for number, what in enumerate(sorted(odd.SERVABLE)):
        (certificates / f"{number}.pem").write_text(odd.ODD[what]() + odd.private_key(what))
    said = haproxy_check(tmp_path, certificates)
    assert said.returncode == 0, said.stderr
    (certificates / "bad.pem").write_text(odd.ODD["time as a name"]() + odd.private_key(""))
    assert haproxy_check(tmp_path, certificates).returncode == 1, "what OpenSSL does not load, HAProxy does"


@pytest.mark.usefixtures("haproxy_version")
def test_haproxy_starts_with_damaged_ones_that_are_accepted(accepted: list[bytes], tmp_path: pathlib.Path) -> None:
    for number, content in enumerate(accepted):
        (tmp_path / f"{number}.pem").write_bytes(content)
    said = haproxy_check(tmp_path.parent, tmp_path)
    assert said.returncode == 0, said.stderr


@pytest.fixture(scope="module")
def accepted() -> list[bytes]:
    """Files as they would be written, of some hundred certificates with a few bytes changed."""
    chance = random.Random("certops haproxy")
    issued = pki.CertificateAuthority("Damaged").issue("a.example.com")
    leaf = issued.certificate.public_bytes(Encoding.DER)
    found = []
    for _number in range(1500):
        content = certificate_pem_of(damage(leaf, chance)) + issued.private_key_pem
        bundle, _problems = secret_verifier().verify(content, at=pki.now())
        found += [bundle.render("haproxy")["pem"]] if bundle else []
    assert len(found) > 100
    return found


def haproxy_check(tmp_path: pathlib.Path, certificates: pathlib.Path) -> subprocess.CompletedProcess[str]:
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        "global\n  tune.ssl.default-dh-param 2048\ndefaults\n  mode http\n  timeout client 1s\n  timeout server 1s\n"
        f"  timeout connect 1s\nfrontend tls\n  bind 127.0.0.1:1 ssl crt {certificates}/\n"
    )
    command = [default_binary(), "-c", "-f", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_haproxy_s_memory(haproxy: HaproxyInstance, intermediate: CertificateAuthority) -> None:
    """One of two certificates is odd: the other is updated, and nothing of the odd one is sent."""
    renewed = intermediate.issue("a.example.com")
    name = haproxy.write_certificate("a.pem", renewed.combined_pem)
    for what in ("address of 8 bytes", "time as a name", "version 4"):
        content = odd.ODD[what]() + odd.private_key(what)
        run = deploy(haproxy, {"name": haproxy.certificate_name("b.pem"), "content": content}, {"src": name})
        assert run.failed
        first, second = run.result["certificates"]
        assert (first["action"], second["action"] in ("updated", "unchanged")) == ("failed", True), run.result
        assert first["error_code"] in ("certificate_invalid", "certificate_not_loadable")


def test_what_peers_send(tmp_path: pathlib.Path) -> None:
    """Real handshakes with servers whose certificates are odd: what can be read is told, and the others are probed."""
    wanted = ["address of 8 bytes", "escape in a name", "T61String", "serial number of 3,000 bytes", "version 4"]
    for number, what in enumerate(wanted):
        (tmp_path / f"{number}.pem").write_text(odd.ODD[what]() + odd.private_key(what))

    def talk(path: pathlib.Path) -> t.Callable[[t.Any], None]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)

        def converse(connection: t.Any) -> None:
            with context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(1)

        return converse

    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(server(talk(tmp_path / f"{number}.pem"))) for number in range(len(wanted))]
        run = run_module("tls_endpoint_info", {"endpoints": [f"127.0.0.1:{port}" for port in ports]})
    assert not run.failed, run.result["msg"]
    found = dict(zip(wanted, run.result["endpoints"]))
    assert all(each["reachable"] and len(each["fingerprint_sha256"]) == 64 for each in found.values())
    assert all(len(each["chain"]) == 1 for each in found.values())
    assert "may refuse" in found["address of 8 bytes"]["error"]
    assert found["address of 8 bytes"]["subject_alternative_names"] == [odd.NAME]
    assert found["address of 8 bytes"]["not_after"] == "2049-12-31T23:59:59Z"
    assert found["escape in a name"]["subject_alternative_names"] == []
    assert "subject or issuer is malformed" in found["T61String"]["error"]
    assert found["T61String"]["subject_alternative_names"] == [odd.NAME]
    assert found["serial number of 3,000 bytes"]["error"] is None
    assert "not valid X.509" in found["version 4"]["error"]
