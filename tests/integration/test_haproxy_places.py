# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every place of a configuration that loads a certificate: what is read from it, and what its HAProxy really does.

One process for many cases: each has a port of its own, and is expected to serve one file there, or nothing.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import ssl
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.listeners import TlsBind
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.prove import find_binds, prove_deployed
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.settings import ProofSettings
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.load_paths import (
    FileNames,
    KnownNames,
    read_load_paths,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.loaded import look_at_loaded
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.runtime import RuntimeApi
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.lying_socket import LyingSocket
from ansible_collections.certops.rotation.tests.support.ports import free_port

pytestmark = pytest.mark.usefixtures("haproxy_version")

ROOT = pki.CertificateAuthority("Root of all places")
ISSUED = {f"{name}.pem": ROOT.issue(f"{name}.example.com") for name in "abcdefghijklm"}
ISSUED |= {f"pair.{kind}": ROOT.issue(f"{kind}.example.com") for kind in ("dsa", "ecdsa", "rsa")}
STORED = {"../store/a.pem": ROOT.issue("stored.example.com")}
NAMES = {issued.fingerprint_sha256: name for name, issued in {**ISSUED, **STORED}.items()}

#: A port called by its case, and the file that is served there without a name of a server; "" for no handshake.
Expected = dict[str, str]

PLACES = """\
global
    localpeer me
    crt-base {certs}
    stats socket ipv4@127.0.0.1:PORT(own_socket) level admin ssl crt a.pem
    setenv SEVERAL "ssl crt"
    presetenv WHICH b
    setenv TAKEN yes
.if version_atleast(3.0)
crt-store
    load crt i.pem
    load crt j.pem alias jay
crt-store web
    crt-base {dir}/store
    load crt a.pem
    load crt a.pem alias deep/alias
    load crt {certs}/k.pem
.endif
peers by_default_bind
    bind 127.0.0.1:PORT(peers_bind)
    default-bind ssl crt c.pem
    server me
peers by_peer
    default-bind ssl crt d.pem
    peer me 127.0.0.1:PORT(peers_peer)
    peer other 127.0.0.1:9
peers of_others
    bind 127.0.0.1:PORT(peers_of_others) ssl crt e.pem
    server other 127.0.0.1:9
peers off
    disabled
    bind 127.0.0.1:PORT(peers_off) ssl crt e.pem
    server me
ring events
    format rfc5424
    timeout connect 5s
    timeout server 5s
    server log 127.0.0.1:9 ssl crt k.pem verify none
log-forward syslog
    bind 127.0.0.1:PORT(log_forward) ssl crt f.pem
    log ring@events local0
defaults asleep
    mode http
    timeout client 5s
    disabled
defaults awake
    mode http
    timeout client 5s
    timeout connect 5s
    timeout server 5s
defaults asleep-too from asleep
frontend disabled
    bind 127.0.0.1:PORT(inherits_disabled) ssl crt g.pem
frontend enabled
    enabled
    bind 127.0.0.1:PORT(enabled) ssl crt h.pem
frontend chosen from awake
    bind 127.0.0.1:PORT(chosen_defaults) ssl crt i.pem
    bind 127.0.0.1:PORT(pair) ssl crt pair
    bind 127.0.0.1:PORT(no_tls) crt m.pem
    bind 127.0.0.1:PORT(signing) ssl crt j.pem generate-certificates ca-sign-file {dir}/sign.pem
    bind 127.0.0.1:PORT(words) "${{SEVERAL[*]}}" "${{WHICH}}.pem"
    bind 127.0.0.1:PORT(default_value) ssl crt "${{NOT_SET-c}}.pem"
    bind 127.0.0.1:PORT(unset_word) "${{NOT_SET}}" ssl crt d.pem
    bind 127.0.0.1:PORT(empty_word) "${{NOT_SET-}}" ssl crt d.pem
    bind 127.0.0.1:PORT(first),127.0.0.1:PORT(second) ssl crt l.pem
    bind 127.0.0.1:PORT(listed) ssl crt-list {dir}/list
backend servers from awake
    default-server ssl crt l.pem verify none
    server one 127.0.0.1:9 crt m.pem
    server-template some 1-2 127.0.0.1:9 ssl crt k.pem verify none
frontend conditions from awake
.if streq("$TAKEN",yes) && !defined(NOT_SET) # and more
    bind 127.0.0.1:PORT(taken) ssl crt a.pem
  .if 0
    bind 127.0.0.1:PORT(inner) ssl crt-list /nowhere
  .elif strneq(a,b) || 0
    bind 127.0.0.1:PORT(inner_elif) ssl crt b.pem
  .elif 1
    bind 127.0.0.1:PORT(after_elif) ssl crt c.pem
  .else
    bind 127.0.0.1:PORT(inner_else) ssl crt d.pem
  .endif
.else
    .alert "not this way"
    bind 127.0.0.1:PORT(other_branch) ssl crt e.pem
.endif
.if "$NOT_SET"
    bind 127.0.0.1:PORT(empty) ssl crt f.pem
.elif streq("$WHICH", b)
    bind 127.0.0.1:PORT(space_counts) ssl crt f.pem
.elif (1 && !0) && !!0x10
    bind 127.0.0.1:PORT(numbers) ssl crt g.pem
.endif
.if !defined(LATER)
    bind 127.0.0.1:PORT(before_it_is_set) ssl crt i.pem
.endif
.if feature(OPENSSL) && !feature(NO_SUCH_THING) && version_atleast(2.4-dev7) && version_before(17)
    bind 127.0.0.1:PORT(feature) ssl crt h.pem
.endif
.if version_atleast(3.0)
frontend stored from awake
    bind 127.0.0.1:PORT(store_path) ssl crt i.pem
    bind 127.0.0.1:PORT(store_unnamed_alias) ssl crt @/jay
    bind 127.0.0.1:PORT(store_file) ssl crt @web/a.pem
    bind 127.0.0.1:PORT(store_alias) ssl crt @web/deep/alias
    bind 127.0.0.1:PORT(store_absolute) ssl crt @web{certs}/k.pem
    bind 127.0.0.1:PORT(store_in_list) ssl crt-list {dir}/stored
.endif
.if version_atleast(3.2)
frontend used from awake
    ssl-f-use crt a.pem
    bind 127.0.0.1:PORT(f_use) ssl
    bind 127.0.0.1:PORT(f_use_after_crt) ssl crt c.pem
    bind 127.0.0.1:PORT(f_use_no_tls)
    ssl-f-use crt b.pem alpn h2
.endif
global
    setenv LATER yes
    default-path config
frontend here from awake
    bind 127.0.0.1:PORT(beside_the_file) ssl crt-list beside
global
    default-path parent
frontend above from awake
    bind 127.0.0.1:PORT(above_the_file) ssl crt-list list
    bind unix@{dir}/tls.sock ssl crt-list list
frontend more from awake
\f  bi"nd"\v127.0.0.1:PORT(odd_word) s'sl' crt a.pem
    bind "127.0.0.1:PORT(more)" 'ssl' crt "a.pem" # bind 127.0.0.1:1 ssl crt b.pem
"""
FILES = {
    "list": "# comment\n\nb.pem [alpn h2] *.B.example !x.b.example\na.pem #is-a-filter\n",
    "conf/beside": "c.pem\n",
    "stored": "@web/deep/alias\n@/jay x.example.com\n",
    "sign.pem": f"{ROOT.certificate_pem}{pki.private_key_pem(ROOT.key)}",
}
EXPECTED: Expected = {
    "own_socket": "",
    "peers_bind": "c.pem",
    "peers_peer": "d.pem",
    "peers_of_others": "",
    "peers_off": "",
    "log_forward": "f.pem",
    "inherits_disabled": "",
    "enabled": "h.pem",
    "chosen_defaults": "i.pem",
    "pair": "pair.dsa",
    "no_tls": "",
    "signing": "j.pem",
    "words": "b.pem",
    "default_value": "c.pem",
    "unset_word": "d.pem",
    "empty_word": "",
    "first": "l.pem",
    "second": "l.pem",
    "listed": "b.pem",
    "taken": "a.pem",
    "inner": "",
    "inner_elif": "b.pem",
    "after_elif": "",
    "inner_else": "",
    "other_branch": "",
    "empty": "",
    "space_counts": "",
    "numbers": "g.pem",
    "before_it_is_set": "i.pem",
    "feature": "h.pem",
    "beside_the_file": "c.pem",
    "above_the_file": "b.pem",
    "odd_word": "a.pem",
    "more": "a.pem",
}
EXPECTED_3_0: Expected = {
    "store_path": "i.pem",
    "store_unnamed_alias": "j.pem",
    "store_file": "../store/a.pem",
    "store_alias": "../store/a.pem",
    "store_absolute": "k.pem",
    "store_in_list": "../store/a.pem",
}
EXPECTED_3_2: Expected = {"f_use": "b.pem", "f_use_after_crt": "c.pem", "f_use_no_tls": ""}


class Configured(HaproxyInstance):
    """parts: name -> text of the configuration's files, read in the order of their names. PORT(case) is a free port."""

    def __init__(self, parts: t.Mapping[str, str]) -> None:
        super().__init__({name: issued.combined_pem for name, issued in ISSUED.items()}, tls=())
        self.config_path = self.directory / "conf"
        self.config_path.mkdir()
        self.cases: dict[str, int] = {}
        self._parts = parts

    def write_config(self, extra: str = "") -> None:
        own = f"global\n    stats socket {self.socket} mode 600 level admin\n"
        self.cases = {}
        for name, text in {"00.cfg": own, **self._parts}.items():
            filled = re.sub(r"PORT\((\w+)\)", self._port, text.format(certs=self.certs_dir, dir=self.directory))
            (self.config_path / name).write_text(filled + extra)

    def _port(self, match: re.Match[str]) -> str:
        return str(self.cases.setdefault(match[1], free_port()))

    def file(self, expected: str) -> str:
        return os.path.realpath(self.certs_dir / expected)

    def serves(self, case: str) -> str:
        """The file of what a client without a name gets; "" for no handshake."""
        try:
            der = self.served_leaf(None, self.cases[case])
        except (OSError, ssl.SSLError):
            return ""
        return NAMES[hashlib.sha256(der).hexdigest()]

    def settings(self, **options: t.Any) -> ProofSettings:
        return ProofSettings(config=[str(self.config_path)], retries=0, timeout=5, **options)


def read(haproxy: Configured, **options: t.Any) -> tuple[dict[str, str], list[TlsBind]]:
    """Of each case the first file of the listener that can be asked; and what else uses certificates."""
    uses = find_binds(haproxy.settings(**options))
    asked = {use.port: use for use in uses if use.not_probeable is None}
    found = {}
    for case, port in haproxy.cases.items():
        bind = asked.get(port)
        found[case] = bind.references[0].path if bind and bind.references else ""
    return found, [use for use in uses if use.not_probeable is not None]


def check(haproxy: Configured, expected: Expected, **options: t.Any) -> list[TlsBind]:
    """What is expected is what HAProxy does, and what is read, with the running HAProxy's help."""
    assert {case: haproxy.serves(case) for case in expected} == expected
    files = {case: haproxy.file(name) if name else "" for case, name in expected.items()}
    found, others = read(haproxy, **options)
    assert {case: found[case] for case in files} == files
    # Where less is known less is asked, and nothing wrong is expected.
    found, _others = read(haproxy)
    assert {case: found[case] for case in files if found[case] not in ("", files[case])} == {}
    return others


def test_every_place(haproxy_version: str) -> None:
    expected = dict(EXPECTED)
    if haproxy_version == "2.6":
        expected["unset_word"] = ""
    if haproxy_version in ("3.0", "3.2"):
        expected |= EXPECTED_3_0
    if haproxy_version == "3.2":
        expected |= EXPECTED_3_2
    haproxy = Configured({"10.cfg": PLACES})
    for name, text in FILES.items():
        (haproxy.directory / name).write_text(text)
    (haproxy.directory / "store").mkdir()
    (haproxy.directory / "store" / "a.pem").write_text(STORED["../store/a.pem"].combined_pem)
    with haproxy:
        others = check(haproxy, expected, socket=haproxy.socket)
        paths = {
            use.label.split(" (")[0]: [pathlib.Path(one.path).name for one in use.references or ()] for use in others
        }
        assert paths["server log"] == paths["server-template some"] == ["k.pem"]
        assert (paths["default-server"], paths["server one"]) == (["l.pem"], ["m.pem"])
        port = haproxy.cases["own_socket"]
        assert paths[f"stats socket ipv4@127.0.0.1:{port}"] == ["a.pem"]
        named(haproxy, stored="store_alias" in expected)
        unasked(haproxy, stored="store_absolute" in expected)


def named(haproxy: Configured, *, stored: bool) -> None:
    """What HAProxy calls a file, also where conditions and variables decide. stored: in a crt-store, too."""
    config, api = [str(haproxy.config_path)], RuntimeApi(haproxy.socket)
    paths = read_load_paths(config, api)
    assert paths.crt_base == str(haproxy.certs_dir)
    assert os.path.realpath(haproxy.directory / "list") in paths.crt_lists
    assert "/nowhere" not in paths.crt_lists
    known = KnownNames(FileNames(paths), look_at_loaded(api).names)
    assert set(known.of(haproxy.certificate_name("j.pem"))) == {
        haproxy.certificate_name("j.pem"),
        *(["@/jay"] if stored else []),
    }
    if stored:
        assert set(known.of(str(haproxy.directory / "store" / "a.pem"))) == {"@web/a.pem", "@web/deep/alias"}
        assert "@/jay" not in read_load_paths(config).stores  # a condition that nobody answers


def unasked(haproxy: Configured, *, stored: bool) -> None:
    """A certificate that only a server line, a disabled section or the like loads is neither wrong nor unreferenced.

    stored: a listener loads k.pem, too.
    """
    reasons = {
        "k.pem": "shows the certificate to a server",
        "e.pem": "is in a disabled section",
        "g.pem": None,
        "m.pem": "shows the certificate to a server",
    }
    entries = [
        {
            "name": name,
            "path": haproxy.certificate_name(name),
            "fingerprint_sha256": ISSUED[name].fingerprint_sha256,
            "subject_alternative_names": list(ISSUED[name].names),
            "key_type": "ecdsa",
        }
        for name in reasons
    ]
    only = ["m.pem"] if stored else ["k.pem", "m.pem"]
    for options in ({}, {"binds": [f"127.0.0.1:{haproxy.cases['numbers']}"]}):
        proof = prove_deployed(entries, haproxy.settings(socket=haproxy.socket, **options), only=only)
        for one in proof.report.certificates:
            assert (one.outcome, one.unreferenced, one.mismatches) == ("unasked", False, ()), one
            assert str(reasons[one.certificate.name]) in one.because[0]
        assert not proof.report.failures(allow_unreferenced=False)
    proof = prove_deployed(entries, haproxy.settings(socket=haproxy.socket), only=["e.pem", "g.pem"])
    by_name = {one.certificate.name: one for one in proof.report.certificates}
    assert by_name["g.pem"].outcome == "right", by_name["g.pem"]
    assert (by_name["e.pem"].outcome, by_name["e.pem"].unreferenced) == ("unasked", False)


def test_files_that_haproxy_was_started_with_and_option_config_does_not_name() -> None:
    """They are read where the process tells of them; another configuration altogether is left as it is."""
    text = "defaults\n    mode http\nfrontend f\n    bind 127.0.0.1:PORT(f) ssl crt {certs}/a.pem\n"
    with Configured({"10.cfg": text, "20.cfg": "backend b\n"}) as haproxy:
        entry = {
            "name": "a",
            "path": haproxy.certificate_name("a.pem"),
            "fingerprint_sha256": ISSUED["a.pem"].fingerprint_sha256,
        }
        (haproxy.directory / "else.cfg").write_text("frontend f\n")
        one, none, another = haproxy.config_path / "20.cfg", "00.cfg", haproxy.directory / "else.cfg"
        for config, expected in (
            ([str(one)], "right"),
            ([str(haproxy.config_path / none), str(one)], "right"),
            ([str(haproxy.config_path)], "right"),
            ([str(another)], "unasked"),
        ):
            settings = ProofSettings(config=config, retries=0, socket=haproxy.socket)
            assert prove_deployed([entry], settings).report.outcome == expected, config
        without = prove_deployed([entry], ProofSettings(config=[str(one)], retries=0)).report
        assert without.certificates[0].unreferenced


def test_a_server_that_was_added_while_haproxy_runs() -> None:
    """Its certificate is in no configuration. HAProxy says that it uses it, and not of one that waits for its use."""
    text = "defaults\n    mode http\nbackend b\n    balance random\n"
    with Configured({"10.cfg": text}) as haproxy:
        entries = []
        for file in ("b.pem", "c.pem"):
            path, issued = haproxy.certificate_name(file), ISSUED[file]
            for command in (f"new ssl cert {path}", f"set ssl cert {path} <<\n{issued.combined_pem}"):
                haproxy.execute(command)
            assert "Success!" in haproxy.execute(f"commit ssl cert {path}")
            entries.append({"name": file, "path": path, "fingerprint_sha256": issued.fingerprint_sha256})
        adding = f"add server b/s 127.0.0.1:9 ssl verify none crt {entries[0]['path']}"
        assert "New server registered" in haproxy.execute(f"experimental-mode on; {adding}")
        used, waiting = prove_deployed(entries, haproxy.settings(socket=haproxy.socket)).report.certificates
        assert (used.outcome, used.unreferenced, waiting.unreferenced) == ("unasked", False, True)
        assert "such as a server that was added" in used.because[0]
        assert all(one.unreferenced for one in prove_deployed(entries, haproxy.settings()).report.certificates)


def test_a_socket_that_tells_nothing_is_waited_for_once(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "haproxy.cfg"
    config.write_text("frontend f\n    bind :443 ssl crt /nowhere.pem\n")
    entry = {
        "name": "a",
        "path": "/a.pem",
        "fingerprint_sha256": "00",
        "subject_alternative_names": [],
        "key_type": "rsa",
    }
    with LyingSocket(tmp_path / "socket", lambda _request: "") as socket:
        proof = prove_deployed([entry], ProofSettings([str(config)], retries=0, socket=socket.address))
    assert proof.report.certificates[0].unreferenced
    assert set(socket.requests) == {"show info\n"}
