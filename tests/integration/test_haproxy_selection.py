# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificate HAProxy chooses, of each version: what the model says of a listener against what clients get."""

from __future__ import annotations

import functools
import hashlib
import os
import random
import socket
import ssl
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.selection import ClientKeys, Selector
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.prove import find_binds
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.settings import ProofSettings
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.loaded_files import (
    read_loaded_files,
)
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.module import run_module
from ansible_collections.certops.rotation.tests.support.ports import free_port

pytestmark = pytest.mark.usefixtures("haproxy_version")

ROOT = pki.CertificateAuthority("Test Root")
CLIENTS: tuple[ClientKeys, ...] = ("any", "rsa", "ecdsa")
CIPHERS = {"rsa": "aRSA", "ecdsa": "aECDSA"}


def issue(*names: str, key_type: pki.KeyType = "ec", common_name: str | None = None) -> str:
    key = pki.shared_key(key_type)
    return ROOT.issue(names, key=key, common_name=common_name).combined_pem


@functools.cache
def certificates() -> dict[str, str]:
    return {
        "a.pem": issue("a.x.test"),
        "again.pem": issue("a.x.test", "c.x.test"),
        "b.pem": issue("b.x.test"),
        "cn.pem": issue("san.x.test", common_name="CN.x.test"),
        "star-cn.pem": issue("star.test", common_name="*.y.test"),
        "ed.pem": issue("a.x.test", key_type="ed25519"),
        "every.pem": issue("*"),
        "label.pem": issue("internal"),
        "pss.pem": pki.rsassa_pss("a.x.test"),
        "rsa-a.pem": issue("a.x.test", key_type="rsa2048"),
        "rsa-w.pem": issue("*.x.test", key_type="rsa2048"),
        "two.pem": issue("*.a.x.test", "x.test"),
        "w.pem": issue("*.X.test"),
        "p.dsa-is-no-suffix": issue("p.x.test"),
        "p.ecdsa": issue("p.x.test"),
        "p.rsa": issue("p.x.test", key_type="rsa2048"),
    }


NAMES = (
    None,
    *("a.x.test", "A.X.test", "b.x.test", "c.x.test", "cn.x.test", "san.x.test", "p.x.test", "z.x.test"),
    *("deep.a.x.test", "x.test", "star.test", "w.y.test", "internal", "nobody"),
)
#: From which version on, the words of the bind line, and the lines of {list}. Directories: {certs}, {dir}.
SCENES: list[tuple[str, str, tuple[str, ...]]] = [
    ("2.6", "crt {certs}/a.pem crt {certs}/b.pem", ()),
    ("2.6", "crt {certs}/a.pem crt {certs}/again.pem", ()),
    ("2.6", "crt {certs}/again.pem crt {certs}/a.pem strict-sni", ()),
    ("2.6", "crt {certs}/rsa-a.pem crt {certs}/w.pem", ()),  # the wildcard has ECDSA, the exact name RSA
    ("2.6", "crt {certs}/b.pem crt {certs}/rsa-w.pem crt {certs}/a.pem", ()),
    ("2.6", "crt {certs}/b.pem crt {certs}/ed.pem crt {certs}/rsa-w.pem", ()),
    ("2.6", "crt {certs}/b.pem crt {certs}/ed.pem", ()),
    ("2.6", "crt {certs}/b.pem crt {certs}/pss.pem crt {certs}/rsa-w.pem", ()),  # a key for RSASSA-PSS alone is no RSA
    ("2.6", "crt {certs}/pss.pem crt {certs}/rsa-a.pem crt {certs}/ed.pem", ()),
    ("2.6", "crt {certs}/rsa-a.pem crt {certs}/every.pem", ()),  # called "*", which makes it a default one since 3.0
    ("2.6", "crt {certs}/b.pem crt {certs}/cn.pem crt {certs}/star-cn.pem crt {certs}/two.pem", ()),
    ("2.6", "crt {certs}/label.pem crt {certs}/w.pem", ()),
    ("2.6", "crt {certs}/p crt {certs}/b.pem", ()),  # a bundle, that of the default certificate
    ("2.6", "crt {certs}/b.pem crt {certs}/p", ()),
    ("2.6", "crt {dir}", ()),
    ("2.6", "crt {dir} crt {certs}", ()),
    ("2.6", "crt-list {list}", ("{certs}/p", "{certs}/b.pem")),
    ("2.6", "crt-list {list}", ("{certs}/a.pem !*", "{certs}/b.pem")),
    ("2.6", "crt-list {list}", ("{certs}/a.pem !b.x.test", "{certs}/w.pem")),
    ("2.6", "crt-list {list}", ("{certs}/a.pem", "{certs}/b.pem *", "{certs}/rsa-a.pem *")),
    ("2.6", "crt-list {list}", ("{certs}/b.pem", "{certs}/w.pem *.x.test !A.x.test", "{certs}/two.pem *.x.test")),
    ("2.6", "crt-list {list}", ("{certs}/b.pem c.x.test !c.x.test", "{certs}/w.pem *.x.test !c.x.test")),
    ("2.6", "crt-list {list} strict-sni", ("{certs}/a.pem *", "{certs}/b.pem [alpn h2] *x.test Z.x.test")),
    ("2.6", "crt {certs}/a.pem crt-list {list}", ("{certs}/a.pem z.x.test", "{certs}/rsa-a.pem *")),
    ("2.6", "crt-list {list} crt {certs}/b.pem", ("{certs}/w.pem z.x.test", "{certs}/w.pem !z.x.test !a.x.test")),
    ("3.0", "crt {certs}/a.pem default-crt {certs}/b.pem", ()),
    ("3.0", "crt {certs}/a.pem default-crt {certs}/b.pem default-crt {certs}/rsa-a.pem", ()),
    ("3.0", "crt {certs}/rsa-a.pem default-crt {certs}/p crt-list {list}", ("{certs}/a.pem *", "{certs}/ed.pem *")),
    ("3.0", "default-crt {certs}/b.pem strict-sni", ()),
    ("3.2", "crt {certs}/a.pem no-strict-sni", ()),
]


def random_scenes(seed: int, count: int) -> t.Iterator[tuple[str, str, tuple[str, ...]]]:
    """The same ones for the same seed."""
    chance = random.Random(seed)
    files = [name for name in certificates() if not name.startswith("p.")]
    filters = [name for name in NAMES if name] + ["*.x.test", "*.a.x.test", "*.y.test", "*", "*x.test"]
    for _number in range(count):
        words, lines = [], []
        for file in chance.sample(files, chance.randint(1, 6)):
            if chance.random() < 0.4:
                words.append(f"crt {{certs}}/{file}")
                continue
            chosen = [chance.choice(["", "", "!"]) + name for name in chance.sample(filters, chance.randint(0, 4))]
            lines.append(" ".join([f"{{certs}}/{file}", *chosen]))
        if lines:
            words.insert(chance.randint(0, len(words)), "crt-list {list}")
        yield "2.6", " ".join([*words, *chance.choice([[], [], ["strict-sni"]])]), tuple(lines)


def handshake(port: int, name: str | None, client: str) -> str:
    """Fingerprint of the leaf; "" when the handshake is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if client in CIPHERS:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS[client])
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname=name) as connection,
        ):
            return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
    except ssl.SSLError:
        return ""


def scene_of(version: str, seed: int) -> tuple[HaproxyInstance, list[str]]:
    """One HAProxy with a listener for each scene, and what each is."""
    haproxy = HaproxyInstance(certificates(), tls=())
    directory = haproxy.directory / "dir"
    directory.mkdir()
    for name, source in {"z.pem": "a.pem", "Z.pem": "w.pem", ".hidden": "b.pem", "\u00e4.pem": "b.pem"}.items():
        (directory / name).write_text(certificates()[source])
    (directory / "00-inner").mkdir()
    (directory / "00-inner" / "a.pem").write_text(certificates()["rsa-a.pem"])
    (directory / "a.pem.issuer").write_text("of another program")
    tls, told = [], []
    for number, (since, words, lines) in enumerate([*SCENES, *random_scenes(seed, 15)]):
        if version < since:
            continue
        crt_list = haproxy.directory / f"list-{number}"
        where = {"certs": haproxy.certs_dir, "dir": directory, "list": crt_list}
        crt_list.write_text("".join(f"{line.format(**where)}\n" for line in lines))
        tls.append(words.format(**where))
        told.append(f"{words} {lines}")
    haproxy._tls = tls
    return haproxy, told


def selectors(haproxy: HaproxyInstance, version: str, *, by_socket: bool) -> list[Selector]:
    major, minor = map(int, version.split("."))
    settings = ProofSettings([str(haproxy.config_path)], socket=haproxy.socket if by_socket else None)
    binds = find_binds(settings)
    assert {bind.version for bind in binds} == {(major, minor) if by_socket else None}
    files = read_loaded_files({item.path for bind in binds for item in bind.references or ()})
    return [
        Selector(bind.references or (), files, strict_sni=bind.strict_sni, version=(major, minor)) for bind in binds
    ]


def test_the_model_says_what_clients_get(haproxy_version: str) -> None:
    seed = random.SystemRandom().randrange(10**6)
    haproxy, told = scene_of(haproxy_version, seed)
    wrong = []
    with haproxy:
        by_disk, by_socket = (selectors(haproxy, haproxy_version, by_socket=answer) for answer in (False, True))
        assert len(by_disk) == len(by_socket) == len(haproxy.ports)
        for port, text, *models in zip(haproxy.ports, told, by_disk, by_socket):
            for name in NAMES:
                for client in CLIENTS if name in NAMES[:8:3] else CLIENTS[:2]:
                    served = handshake(port, name, client)
                    wrong += [
                        f"{text} for {name} by {client}: {expected[0].path if expected else 'refused'}"
                        for expected in (model.answering(name, client) for model in models)
                        if served != (expected[0].fingerprint_sha256 if _fits(expected, client) else "")
                    ]
    assert wrong == [], f"seed {seed}"


def _fits(expected: t.Sequence[t.Any], client: ClientKeys) -> bool:
    """Whether such a client can take it. The ciphers of ECDSA do for Ed25519, too, and those of RSA for RSASSA-PSS."""
    takes_rsa = [item.key_type == "rsa" or item.path.endswith("/pss.pem") for item in expected[:1]]
    return bool(expected) and (client == "any" or takes_rsa == [client == "rsa"])


def deployed(haproxy: HaproxyInstance, files: t.Mapping[str, pki.IssuedCertificate]) -> list[dict[str, t.Any]]:
    """As certificate_sync returns them."""
    return [
        {
            "name": name.removesuffix(".pem"),
            "path": haproxy.certificate_name(name),
            "fingerprint_sha256": issued.fingerprint_sha256,
            "subject_alternative_names": list(issued.names),
        }
        for name, issued in files.items()
    ]


def prove(haproxy: HaproxyInstance, files: t.Mapping[str, pki.IssuedCertificate], **options: t.Any) -> dict[str, t.Any]:
    args = {"certificates": deployed(haproxy, files), "config": [str(haproxy.config_path)], "on_failure": "report"}
    return run_module("certificate_proof_info", {**args, "delay": 0.05, "retries": 1, **options}).result


def update(haproxy: HaproxyInstance, name: str, issued: pki.IssuedCertificate) -> None:
    path = haproxy.write_certificate(name, issued.combined_pem)
    run = run_module("haproxy_certificate", {"socket": haproxy.socket, "certificates": [{"src": path}]})
    assert run.result["certificates"][0]["action"] == "updated", run.result


def test_an_rsa_certificate_beside_an_ecdsa_wildcard_is_renewed() -> None:
    """Who can do ECDSA gets the wildcard, and who cannot the exact one: both are proven, on TLS 1.3 alone the half."""
    wildcard = ROOT.issue("*.x.test")
    exact = ROOT.issue("www.x.test", key_type="rsa2048")
    certs = {"w.pem": wildcard.combined_pem, "www.pem": exact.combined_pem}
    with HaproxyInstance(certs, tls=["crt {certs}", "crt {certs} ssl-min-ver TLSv1.3"]) as haproxy:
        only = [f"127.0.0.1:{haproxy.ports[0]}"]
        both = {"w.pem": wildcard, "www.pem": exact}
        for socket_path in (None, haproxy.socket):
            assert prove(haproxy, both, socket=socket_path)["proven"]
            assert prove(haproxy, {"www.pem": exact}, socket=socket_path)["proven"]  # the wildcard is another's
        renewed = ROOT.issue("www.x.test", key_type="rsa2048")
        update(haproxy, "www.pem", renewed)
        result = prove(haproxy, {**both, "www.pem": renewed}, socket=haproxy.socket)
        assert result["proven"], result["msg"]
        # And what is not loaded is wrong, whoever answers the others.
        later = ROOT.issue("www.x.test", key_type="rsa2048")
        haproxy.write_certificate("www.pem", later.combined_pem)
        for options in ({}, {"binds": only}, {"socket": haproxy.socket}):
            result = prove(haproxy, {**both, "www.pem": later}, **options)
            assert [item["outcome"] for item in result["certificates"]] == ["right", "wrong"], result["msg"]


def test_another_file_that_answers_is_named_and_nothing_is_taken_back_for_it() -> None:
    long_ago = pki.now().replace(year=2020, day=1)
    legacy = ROOT.issue("www.x.test", not_before=long_ago, not_after=long_ago.replace(year=2021))
    issued = ROOT.issue("www.x.test")
    certs = {"0.pem": issue("default.x.test"), "legacy.pem": legacy.combined_pem, "www.pem": issued.combined_pem}
    with HaproxyInstance(certs) as haproxy:
        for options in ({}, {"socket": haproxy.socket}, {"reloaded": True}):
            result = prove(haproxy, {"www.pem": issued}, **options)
            (item,) = result["certificates"]
            assert (item["outcome"], item["mismatches"]) == ("shadowed", [])
            (found,) = item["shadowed"]
            assert found["path"] == haproxy.certificate_name("legacy.pem")
            assert found["served_fingerprint_sha256"] == legacy.fingerprint_sha256
            assert f"{found['path']} (valid until 2021-" in result["msg"]
            assert "Remove that file" in result["msg"]
        # An update while HAProxy runs puts one behind the others of its name: the one in the way has changed sides.
        renewed = ROOT.issue("www.x.test")
        update(haproxy, "legacy.pem", legacy_again := ROOT.issue("www.x.test"))
        assert prove(haproxy, {"www.pem": issued}, socket=haproxy.socket)["proven"]
        update(haproxy, "www.pem", renewed)
        result = prove(haproxy, {"www.pem": renewed, "legacy.pem": legacy_again}, socket=haproxy.socket)
        assert {item["name"]: item["outcome"] for item in result["certificates"]} == {
            "www": "shadowed",
            "legacy": "right",
        }


def test_the_question_goes_where_the_listener_answers() -> None:
    """127.0.0.1:PORT, in clear text or with another certificate, is more specific than *:PORT."""
    mine, other = ROOT.issue("www.x.test"), ROOT.issue("www.x.test")
    with HaproxyInstance({"mine.pem": mine.combined_pem, "other.pem": other.combined_pem}, tls=()) as haproxy:
        first, second, third = sorted(free_port() for dummy in range(3))
        certs = haproxy.certs_dir
        haproxy.write_config(
            f"frontend all\n  bind *:{first} ssl crt {certs}/mine.pem\n"
            f"  bind 127.0.0.1:{first},127.0.0.2:{first} ssl crt {certs}/other.pem\n"
            f"  bind :{second} ssl crt {certs}/mine.pem\n"
            f"  bind :::{third} v6only ssl crt {certs}/mine.pem\n  bind ::1:{third} ssl crt {certs}/other.pem\n"
            f"frontend plain\n  bind 127.0.0.1:{second}\n"
        )
        assert haproxy.reload(), haproxy.log
        result = prove(haproxy, {"mine.pem": mine})
        assert result["proven"], result["msg"]
        assert result["binds"][0] == f"127.0.0.3:{first}"
        assert f"127.0.0.2:{second}" in result["binds"]
        assert prove(haproxy, {"mine.pem": mine, "other.pem": other})["proven"]


def test_a_default_of_all_listeners_decides_who_is_asked_without_sni(haproxy_version: str) -> None:
    """ssl-default-bind-options strict-sni, and what a line says against it: HAProxy 3.2. Before, each line says so."""
    issued = ROOT.issue("www.x.test")
    is_new = haproxy_version == "3.2"
    tls = ["crt {certs}", "crt {certs} no-strict-sni"] if is_new else ["crt {certs} strict-sni", "crt {certs}"]
    options = ["ssl-default-bind-options strict-sni"] if is_new else ["ssl-default-bind-options ssl-min-ver TLSv1.2"]
    with HaproxyInstance({"www.pem": issued.combined_pem}, tls=tls, extra_global=options) as haproxy:
        result = prove(haproxy, {"www.pem": issued})
        assert (result["proven"], result["probes"]) == (True, 3), result["msg"]


def test_what_is_on_the_disk_is_not_what_haproxy_has_read() -> None:
    """Then its process tells the names that it holds, and only where it has the same ones nobody knows who answers."""
    issued, twin = ROOT.issue("www.x.test"), ROOT.issue("twin.x.test")
    files = {
        "0.pem": issue("default.x.test"),
        "gone.pem": issue("gone.x.test", common_name="twin.x.test"),
        "new.pem": issue("new.x.test", key_type="rsa2048"),
        "twin.pem": twin.combined_pem,
        "www.pem": issued.combined_pem,
    }
    with HaproxyInstance(files) as haproxy:
        (haproxy.certs_dir / "gone.pem").unlink()
        new = haproxy.certs_dir / "new.pem"
        new.write_text(issue("www.x.test"))
        os.utime(new, (time.time() + 60, time.time() + 60))
        assert prove(haproxy, {"www.pem": issued}, socket=haproxy.socket)["proven"]
        later = {"twin.pem": ROOT.issue("twin.x.test"), "www.pem": ROOT.issue("www.x.test")}
        for name, renewed in later.items():
            haproxy.write_certificate(name, renewed.combined_pem)
        result = prove(haproxy, later, socket=haproxy.socket)
        assert {item["name"]: item["outcome"] for item in result["certificates"]} == {
            "twin": "unasked",
            "www": "wrong",
        }, result["msg"]
        assert "who answers is not known here" in result["msg"]
        assert f"it may be {haproxy.certs_dir}/gone.pem, which cannot be read" in result["msg"]
