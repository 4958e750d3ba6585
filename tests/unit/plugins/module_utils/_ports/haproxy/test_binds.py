# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS listeners read from HAProxy's configuration."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.config_words import (
    split_words,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.listeners import (
    CertificateReference,
    TlsBind,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.variables import (
    Environment,
    UnknownVariable,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import HaproxyError
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.binds import tls_binds, tls_uses
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.loaded import Loaded
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.surroundings import Surroundings

ENVIRONMENT = {"IP": "192.0.2.9", "PORT": "8443"}


def read(tmp_path: pathlib.Path, text: str) -> list[TlsBind]:
    path = tmp_path / "haproxy.cfg"
    path.write_text(text)
    return tls_binds([str(path)], Surroundings(ENVIRONMENT))


def paths(bind: TlsBind) -> list[str]:
    return [reference.path for reference in bind.references or ()]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bind :443  ssl # comment", ["bind", ":443", "ssl"]),
        (r"a b\ c \# \\", ["a", "b c", "#", "\\"]),
        (r'"a b"c "#" "\"" "\$x"', ["a bc", "#", '"', "$x"]),
        (r"""'a "$IP" \x' "it's" """, ['a "$IP" \\x', "it's"]),
        (r"\x41\t", ["A\t"]),
        ('"" x', ["", "x"]),
        ('"$IP:${PORT}" "${NONE-def}" "${NONE-}"', ["192.0.2.9:8443", "def", ""]),
        ("$IP ${IP}", ["$IP", "${IP}"]),
    ],
)
def test_words_follow_the_manual(line: str, words: list[str]) -> None:
    assert split_words(line, Environment(ENVIRONMENT)) == words


def test_a_variable_that_is_not_known_is_named() -> None:
    with pytest.raises(UnknownVariable, match=r"^SECRET_PORT$"):
        split_words('bind ":${SECRET_PORT}"', Environment(ENVIRONMENT))


@pytest.mark.parametrize(
    ("address", "labels"),
    [
        ("*:443", ["127.0.0.1:443"]),
        (":443", ["127.0.0.1:443"]),
        ("0.0.0.0:443", ["127.0.0.1:443"]),
        ("ipv4@:443", ["127.0.0.1:443"]),
        ("[::]:443", ["[::1]:443"]),
        (":::443", ["[::1]:443"]),
        ("ipv6@:443", ["[::1]:443"]),
        ("ipv6@*:443", ["[::1]:443"]),
        ("tcp4@192.0.2.1:443", ["192.0.2.1:443"]),
        ("2001:db8::1:443", ["[2001:db8::1]:443"]),
        ("localhost:443", ["localhost:443"]),
        ("192.0.2.1:443,[2001:db8::1]:444", ["192.0.2.1:443", "[2001:db8::1]:444"]),
        (":8000-8002", ["127.0.0.1:8000", "127.0.0.1:8001", "127.0.0.1:8002"]),
        ('"${IP}:${PORT}"', ["192.0.2.9:8443"]),
        ("${IP}:8443", ["192.0.2.9:8443"]),
        ('"${NOWHERE-192.0.2.5}":443', ["192.0.2.5:443"]),
    ],
)
def test_addresses(tmp_path: pathlib.Path, address: str, labels: list[str]) -> None:
    binds = read(tmp_path, f"frontend www\n  bind {address} ssl crt /a.pem\n")
    assert [bind.label for bind in binds] == labels
    assert all(bind.not_probeable is None and paths(bind) == ["/a.pem"] for bind in binds)
    assert {bind.section for bind in binds} == {"frontend www"}


@pytest.mark.parametrize(
    ("bind", "reason"),
    [
        ("uxdg@/run/tls.sock ssl crt /a.pem", "unix socket of datagrams"),
        (":0 ssl crt /a.pem", "no port that can be asked"),
        (":70000 ssl crt /a.pem", "no port that can be asked"),
        (":9-8 ssl crt /a.pem", "no port that can be asked"),
        (":\u00b2\u00b2 ssl crt /a.pem", "no port that can be understood"),
        (f":{'9' * 5000} ssl crt /a.pem", "no port that can be understood"),
        ("fd@3 ssl crt /a.pem", "file descriptor"),
        ("quic4@:443 ssl crt /a.pem", "QUIC"),
        ("quic6@:443 ssl crt /a.pem", "QUIC"),
        (":443 interface eth1 ssl crt /a.pem", "network interface"),
        (":443 accept-netscaler-cip 1 ssl crt /a.pem", "NetScaler"),
        (':"${SECRET_PORT}" ssl crt /a.pem', "environment variable SECRET_PORT"),
        (":${SECRET_PORT} ssl crt /a.pem", "environment variable SECRET_PORT"),
        ("strange@host:443 ssl crt /a.pem", "address family"),
    ],
)
def test_listeners_that_cannot_be_probed_say_why(tmp_path: pathlib.Path, bind: str, reason: str) -> None:
    (found,) = read(tmp_path, f"frontend www\n  bind {bind}\n")
    assert reason in (found.not_probeable or "")
    assert "haproxy.cfg:2" in found.label


def test_only_binds_with_ssl_count(tmp_path: pathlib.Path) -> None:
    text = """
global
  localpeer here
  ssl-default-bind-options ssl-min-ver TLSv1.2
  stats socket /run/admin.sock level admin
frontend www
  bind :80
  bind :81 name ssl
  # bind :82 ssl crt /a.pem
  bind :443 name crt ssl crt /a.pem strict-sni # ssl
  bind :444 accept-proxy ssl crt /a.pem
  default_backend ssl
backend ssl
  server s 192.0.2.1:443 ssl crt /client.pem
peers fleet
  bind :1024 ssl crt /peer.pem
  server here
"""
    binds = read(tmp_path, text)
    assert [(bind.port, bind.section, bind.strict_sni, bind.proxy_protocol) for bind in binds] == [
        (443, "frontend www", True, False),
        (444, "frontend www", False, True),
        (1024, "peers fleet", False, False),
    ]
    assert [paths(bind) for bind in binds] == [["/a.pem"], ["/a.pem"], ["/peer.pem"]]


def test_disabled_and_conditional_listeners_are_told_apart(tmp_path: pathlib.Path) -> None:
    text = """
defaults
  mode http
frontend off
  disabled
  bind :1 ssl crt /a.pem
frontend on
  bind :2 ssl crt /a.pem
.if streq("$X",y)
  bind :3 ssl crt /a.pem
.else
  bind :4 ssl crt /a.pem
.endif
  bind :5 ssl crt /a.pem
defaults
  disabled
listen also-off
  bind :6 ssl crt /a.pem
"""
    reasons = [bind.not_probeable for bind in read(tmp_path, text)]
    assert [reason and reason.split()[3] for reason in reasons] == [
        "disabled",
        None,
        "conditional",
        "conditional",
        None,
        "disabled",
    ]


def test_certificates_in_the_order_haproxy_loads_them(tmp_path: pathlib.Path) -> None:
    certs = tmp_path / "certs"
    certs.mkdir()
    for name in ("b.pem", "a.pem", ".hidden.pem", "a.pem.key", "a.pem.ocsp", "pair.pem.rsa", "pair.pem.ecdsa"):
        (certs / name).touch()
    (tmp_path / "link").symlink_to(certs)
    (tmp_path / "list").write_text(
        f"# comment\n\n{certs}/a.pem\nb.pem [alpn h2 ssl-min-ver TLSv1.2] *.X.example !y.x.example\nb.pem[alpn h2]\n"
    )
    text = f"""
global
  crt-base {certs}
frontend www
  bind :1 ssl crt b.pem crt {tmp_path}/link/
  bind :2 ssl crt-list {tmp_path}/list
  bind :3 ssl crt pair.pem
  bind :4 ssl crt b.pem default-crt a.pem
"""
    directory, listed, bundle, default = read(tmp_path, text)
    files = ["a.pem", "b.pem", "pair.pem.ecdsa", "pair.pem.rsa"]
    assert paths(directory) == [str(certs / name) for name in ["b.pem", *files]]
    assert listed.references == (
        CertificateReference(str(certs / "a.pem")),
        CertificateReference(str(certs / "b.pem"), ("*.x.example", "!y.x.example"), filtered=True),
        CertificateReference(str(certs / "b.pem")),
    )
    assert paths(bundle) == [str(certs / "pair.pem.ecdsa"), str(certs / "pair.pem.rsa")]
    assert paths(default) == [str(certs / "b.pem"), str(certs / "a.pem")]
    assert [item.fallback for item in [*(bundle.references or ()), *(default.references or ())]] == [True] * 4


def test_variables_and_paths_of_the_configuration_itself(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.pem").touch()
    text = """
global
  default-path config
  setenv PORT 9443
  presetenv IP 192.0.2.99
  presetenv MORE 9444
  unsetenv GONE
crt-store web
  crt-base certs
  load crt site.pem alias site
frontend www
  bind "${IP}:${PORT},${IP}:${MORE}" ssl crt a.pem crt @web/site
"""
    binds = read(tmp_path, text)
    assert [bind.label for bind in binds] == ["192.0.2.9:9443", "192.0.2.9:9444"]
    assert paths(binds[0]) == [str(tmp_path / "a.pem"), str(tmp_path / "certs" / "site.pem")]


def test_directories_of_configuration_files(tmp_path: pathlib.Path) -> None:
    (tmp_path / "20-www.cfg").write_text("frontend b\n  bind :2 ssl crt x.pem\n")
    (tmp_path / "10-www.cfg").write_text("global\n  crt-base /base\nfrontend a\n  bind :1 ssl crt x.pem\n")
    (tmp_path / "other.txt").write_text("frontend c\n  bind :3 ssl crt x.pem\n")
    binds = tls_binds([str(tmp_path)], Surroundings({}))
    assert [(bind.port, paths(bind)) for bind in binds] == [(1, ["/base/x.pem"]), (2, ["/base/x.pem"])]


def test_a_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(HaproxyError, match=r"absent\.cfg.*No such file"):
        tls_binds([str(tmp_path / "absent.cfg")], Surroundings({}))
    with pytest.raises(HaproxyError, match=r"absent\.list"):
        read(tmp_path, "frontend a\n  bind :1 ssl crt-list /absent.list\n")


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/run/tls.sock", "/run/tls.sock"),
        ("unix@/run/tls.sock", "/run/tls.sock"),
        ("uxst@/run/tls.sock", "/run/tls.sock"),
        ("unix@tls.sock", "/tls.sock"),
        ("abnsz@tls", "\0tls"),
        ("abns@tls", "\0tls".ljust(108, "\0")),
    ],
)
def test_unix_sockets_can_be_asked(tmp_path: pathlib.Path, address: str, path: str) -> None:
    for prefix, expected in (("", path), ("/jail", path if path.startswith("\0") else f"/jail{path}")):
        text = "global\n  unix-bind mode 600 prefix /jail user root\n" if prefix else ""
        (found,) = read(tmp_path, f"{text}frontend www\n  bind {address} ssl crt /a.pem accept-proxy\n")
        assert (found.not_probeable, found.proxy_protocol) == (None, True)
        if address != "unix@tls.sock":
            assert found.unix_path == expected
        assert found.label == f"{address} ({tmp_path}/haproxy.cfg:{4 if prefix else 2})"


def test_certificates_of_server_lines_are_known_and_no_listeners(tmp_path: pathlib.Path) -> None:
    text = """
frontend www
  bind :443 ssl crt /a.pem
backend www
  default-server ssl crt /default.pem
  server s1 192.0.2.1:443 ssl crt /client.pem check
  server s2 192.0.2.2:443 ssl
"""
    path = tmp_path / "haproxy.cfg"
    path.write_text(text)
    uses = tls_uses([str(path)], Surroundings({}))
    assert [paths(use) for use in uses] == [["/a.pem"], ["/default.pem"], ["/client.pem"]]
    assert [use.label for use in uses[1:]] == [f"default-server ({path}:5)", f"server s1 ({path}:6)"]
    assert all("is no listener" in (use.not_probeable or "") for use in uses[1:])
    assert len(tls_binds([str(path)], Surroundings({}))) == 1


def test_expect_proxy_is_for_its_section_wherever_it_stands(tmp_path: pathlib.Path) -> None:
    text = """
frontend always
  tcp-request connection expect-proxy layer4
  bind :1 ssl crt /a.pem
frontend never
  tcp-request connection accept
  bind :2 ssl crt /a.pem
frontend sometimes
  bind :3 ssl crt /a.pem
  tcp-request connection expect-proxy layer4 if { src 192.0.2.1 }
  bind :4 ssl crt /a.pem
"""
    binds = read(tmp_path, text)
    assert [bind.proxy_protocol for bind in binds] == [True, False, False, False]
    assert [bind.proxy_sometimes for bind in binds] == [False, False, True, True]


def test_what_is_loaded_counts_and_not_what_is_on_disk(tmp_path: pathlib.Path) -> None:
    certs = tmp_path / "certs"
    certs.mkdir()
    for name in ("0-added.pem", "1.pem", "2-foreign.pem"):
        (certs / name).touch()
    (tmp_path / "list").write_text(f"{certs}/2-foreign.pem other.example.com\n{certs}/1.pem\n")
    (tmp_path / "link").symlink_to(certs)
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        f"global\n  crt-base {tmp_path}\n"
        f"frontend www\n  bind :1 ssl crt certs\n  bind :2 ssl crt-list {tmp_path}/list\n"
        f"  bind :3 ssl crt {tmp_path}/link/\n  bind :4 ssl crt certs/2-foreign.pem\n  bind :5 ssl crt certs/1.pem\n"
    )
    names = [f"{certs}/{name}" for name in ("gone.pem", "1.pem", "0-added.pem")]
    lists = {
        str(certs): [(name, "") for name in names],
        f"{tmp_path}/list": [(names[1], "[alpn h2] A.example.com !b.example.com"), (names[2], "")],
    }
    binds = tls_uses([str(config)], Surroundings({}), Loaded(names, lists))
    real = [os.path.realpath(name) for name in names]
    assert [paths(bind) for bind in binds] == [real, real[1:], real, [], real[1:2]]
    assert (binds[1].references or ())[0] == CertificateReference(real[1], ("a.example.com", "!b.example.com"), True)


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_a_line_ends_at_a_newline_only(tmp_path: pathlib.Path, character: str) -> None:
    """As HAProxy reads it: what follows in a comment is no listener."""
    text = f"frontend f\n  # old:{character}bind :444 ssl crt /old.pem\n  bind :443 ssl crt {tmp_path}/new.pem\n"
    assert [paths(bind) for bind in read(tmp_path, text)] == [[f"{tmp_path}/new.pem"]]


def test_what_a_line_names_that_may_not_count_need_not_be_there(tmp_path: pathlib.Path) -> None:
    text = "frontend f\n  bind :1 ssl crt /a.pem\n"
    for option in ("crt-list /nowhere", f"crt-list {tmp_path}"):
        doubtful, known = read(tmp_path, f".if defined(NONE)\n  bind :2 ssl {option}\n.endif\n{text}")
        assert (doubtful.incomplete, known.incomplete) == (True, False)
        assert "condition is not known here" in str(doubtful.not_probeable)
        with pytest.raises(HaproxyError, match="Cannot read"):
            read(tmp_path, f"{text}  bind :2 ssl {option}\n")


def test_what_lies_about(tmp_path: pathlib.Path) -> None:
    """Links in a circle, lists that are no text, names that no file can have: told, or passed over."""
    certs = tmp_path / "certs"
    certs.mkdir()
    (certs / "circle.pem").symlink_to("circle.pem")
    (certs / "nowhere.pem").symlink_to("nowhere")
    (certs / "a.pem").touch()
    (bind,) = read(tmp_path, f"frontend f\n  bind :1 ssl crt {certs}\n")
    assert paths(bind) == [str(certs / "a.pem")]
    (bind,) = read(tmp_path, f"frontend f\n  bind :1 ssl crt {certs}/a.pem\\x00b\n")
    assert paths(bind) == [str(certs / "a.pem")]
    (tmp_path / "list").write_bytes(b"\xff\0\xfe\n")
    with pytest.raises(HaproxyError, match="it is no text"):
        read(tmp_path, f"frontend f\n  bind :1 ssl crt-list {tmp_path}/list\n")
