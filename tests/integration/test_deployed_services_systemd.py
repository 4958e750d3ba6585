# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services that are told of new lineages on a real systemd: nginx, Postfix, Dovecot, PostgreSQL and MariaDB by their
units, each proven by handshakes in its own protocol."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import sys
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import service_run
from ansible_collections.certops.rotation.tests.support.live_directory import LiveDirectory
from ansible_collections.certops.rotation.tests.support.module import module_command, module_request, parse_result
from ansible_collections.certops.rotation.tests.support.nginx_server import NginxServer
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.receiver import Receiver
from ansible_collections.certops.rotation.tests.support.secrets_scan import assert_no_private_key
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost

WWW, MAIL, DATABASE = "www.example.com", "mail.example.com", "db.example.com"
COLLECTIONS = pathlib.Path(service_run.__file__).parents[5]
BOUND = 60  # seconds: how long a failure may take at most on a busy machine

_POSTFIX = """
compatibility_level = 3.6
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
local_recipient_maps =
smtpd_tls_security_level = may
smtpd_tls_chain_files = {lineage}/privkey.pem, {lineage}/fullchain.pem
"""
_POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
rewrite unix - - n - - trivial-rewrite
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
"""
_DOVECOT = """
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{lineage}/fullchain.pem
ssl_key = <{lineage}/privkey.pem
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
"""
_POSTGRESQL = """
[Service]
Type=notify
User=postgres
ExecStart={binaries}/postgres -D /run/postgresql-test -c port={port} -c listen_addresses=127.0.0.1 \\
    -c unix_socket_directories= -c ssl=on -c ssl_cert_file={lineage}/fullchain.pem -c ssl_key_file={lineage}/privkey.pem
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
"""
_MARIADB = """
[Service]
Type=notify
ExecStart={program} --no-defaults --user=root --datadir=/run/mariadb-test --port={port} \\
    --bind-address=127.0.0.1 --socket=/run/mariadb-test.sock --pid-file=/run/mariadb-test.pid \\
    --ssl-cert={lineage}/fullchain.pem --ssl-key={lineage}/privkey.pem
"""


class Host:
    """Three lineages, and five daemons that read them. A unit may be made to behave badly."""

    def __init__(self, system: SystemdHost) -> None:
        self.system = system
        self.live = LiveDirectory(system.shared / "live", mode=0o640)
        for name in (WWW, MAIL, DATABASE):
            self.put(name)
        names = ("nginx", "smtp", "imap", "postgres", "mysql")
        self.ports = {name: free_port() for name in names}

    def put(self, name: str) -> None:
        """PostgreSQL reads keys of root's that its group may read, and no others."""
        self.live.put(name)
        self.system.run("chown", "-R", "root:postgres", str(self.live.path))

    def endpoint(self, daemon: str, name: str) -> dict[str, t.Any]:
        starttls = {} if daemon == "nginx" else {"starttls": daemon}
        return {"host": "127.0.0.1", "port": self.ports[daemon], "server_name": name, **starttls}

    def unit(self, name: str, daemon: str, lineage: str, **options: t.Any) -> dict[str, t.Any]:
        endpoints = [self.endpoint(daemon, lineage)]
        return {"type": "systemd", "name": name, "endpoints": endpoints, "prove_within": 30, **options}

    def tell(self, entries: t.Sequence[dict[str, t.Any]], *lineages: str) -> list[dict[str, t.Any]]:
        """That these lineages, or all, have just become live."""
        live = [dataclasses.asdict(each) for each in self.live.live]
        given = {"services": entries, "lineages": lineages or [each["name"] for each in live], "live": live}
        done = self.system.run(
            sys.executable,
            service_run.__file__,
            stdin=json.dumps(given),
            env={"PYTHONPATH": str(COLLECTIONS)},
        )
        assert_no_private_key(done.stdout + done.stderr)
        return t.cast("list[dict[str, t.Any]]", json.loads(done.stdout))

    def drop_in(self, unit: str, text: str) -> None:
        self.system.write(f"/run/systemd/system/{unit}.d/test.conf", text)
        self.system.run("systemctl", "daemon-reload")

    def write_unit(self, name: str, text: str) -> None:
        self.system.write(f"/etc/systemd/system/{name}", text)
        self.system.run("systemctl", "daemon-reload")

    def main_pid(self, unit: str) -> str:
        return self.system.run("systemctl", "show", unit, "--property=MainPID", "--value").stdout.strip()

    def start(self) -> None:
        lineages = {name: str(self.live.path / name) for name in (WWW, MAIL, DATABASE)}
        nginx = NginxServer(self.system.shared / "nginx", {WWW: self.live.path / WWW})
        nginx.port = self.ports["nginx"]
        text = nginx.config.read_text().replace(f"{nginx.directory}/nginx.pid", "/run/nginx.pid")
        files = {
            "/etc/nginx/nginx.conf": _listening(text, self.ports["nginx"]),
            "/etc/postfix/main.cf": _POSTFIX.format(lineage=lineages[MAIL]),
            "/etc/postfix/master.cf": _POSTFIX_MASTER.format(port=self.ports["smtp"]),
            "/etc/dovecot/dovecot.conf": _DOVECOT.format(lineage=lineages[MAIL], port=self.ports["imap"]),
            "/run/systemd/system/dovecot.service.d/tmp.conf": "[Service]\nPrivateTmp=no\n",
            "/run/systemd/system/db-test.service": _POSTGRESQL.format(
                lineage=lineages[DATABASE], port=self.ports["postgres"], binaries=_postgresql()
            ),
            "/run/systemd/system/mariadb-test.service": _MARIADB.format(
                lineage=lineages[DATABASE],
                port=self.ports["mysql"],
                program=shutil.which("mariadbd", path="/usr/sbin:/usr/libexec:/usr/bin"),
            ),
        }
        for path, text in files.items():
            self.system.write(path, text)
        self.system.run("chmod", "0644", "/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/dovecot/dovecot.conf")
        initdb = [f"{_postgresql()}/initdb", "--pgdata=/run/postgresql-test", "--no-sync", "--auth=trust"]
        self.system.run("install", "-d", "--owner=postgres", "/run/postgresql-test")
        self.system.run("runuser", "-u", "postgres", "--", *initdb)
        self.system.run(
            "mariadb-install-db", "--no-defaults", "--user=root", "--datadir=/run/mariadb-test", "--skip-test-db",
            "--auth-root-authentication-method=normal",
        )  # fmt: skip
        self.system.run("systemctl", "daemon-reload")
        self.system.run("systemctl", "start", "nginx", "postfix", "dovecot", "db-test", "mariadb-test")


def _listening(config: str, port: int) -> str:
    return "".join(
        f"        listen 127.0.0.1:{port} ssl;\n" if "listen " in line else line for line in config.splitlines(True)
    )


def _postgresql() -> str:
    """Its programs are not on PATH in Debian."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    return str(found[-1] if found else pathlib.Path(shutil.which("postgres") or "").parent)


@pytest.fixture(scope="module")
def host() -> t.Iterator[Host]:
    with SystemdHost() as system:
        host = Host(system)
        host.start()
        yield host


def of(outcomes: t.Iterable[dict[str, t.Any]], field: str) -> list[t.Any]:
    return [outcome[field] for outcome in outcomes]


def test_five_daemons_are_told_in_order_and_proven_in_their_own_protocols(host: Host) -> None:
    """Reloads, where they re-read their certificate, else a restart."""
    for name in (WWW, MAIL, DATABASE):
        host.put(name)
    entries = [
        host.unit("nginx", "nginx", WWW, action="reload"),
        host.unit("postfix.service", "smtp", MAIL, action="reload"),
        host.unit("dovecot", "imap", MAIL, action="reload"),
        host.unit("db-test.service", "postgres", DATABASE, action="reload"),
        host.unit("mariadb-test", "mysql", DATABASE, action="restart"),
    ]
    kept = {unit: host.main_pid(unit) for unit in ("nginx", "dovecot", "db-test")}
    outcomes = host.tell([{**entry, "lineages": [entry["endpoints"][0]["server_name"]]} for entry in entries])
    assert of(outcomes, "outcome") == ["ran"] * 5, of(outcomes, "message")
    assert of(outcomes, "proven") == [[WWW], [MAIL], [MAIL], [DATABASE], [DATABASE]]
    assert {unit: host.main_pid(unit) for unit in kept} == kept, "they were reloaded"
    # One alone has changed: the others are not told, and none of those that are is a restart.
    host.put(MAIL)
    entries = [{**entry, "lineages": [entry["endpoints"][0]["server_name"]]} for entry in entries]
    outcomes = host.tell(entries, MAIL)
    assert of(outcomes, "outcome") == ["unchanged", "ran", "ran", "unchanged", "unchanged"]
    assert of(outcomes, "proven") == [[], [MAIL], [MAIL], [], []]


def test_restarts_are_proven_too(host: Host) -> None:
    for name in (WWW, MAIL, DATABASE):
        host.put(name)
    before = {unit: host.main_pid(unit) for unit in ("nginx", "dovecot", "db-test")}
    entries = [
        host.unit("nginx", "nginx", WWW),
        host.unit("postfix", "smtp", MAIL),
        host.unit("dovecot", "imap", MAIL),
        host.unit("db-test", "postgres", DATABASE),
    ]
    outcomes = host.tell([{**entry, "lineages": [entry["endpoints"][0]["server_name"]]} for entry in entries])
    assert of(outcomes, "outcome") == ["ran"] * 4, of(outcomes, "message")
    assert of(outcomes, "proven") == [[WWW], [MAIL], [MAIL], [DATABASE]]
    assert all(host.main_pid(unit) != pid for unit, pid in before.items())


def test_a_database_that_keeps_the_old_one_at_a_reload_is_found_out(host: Host) -> None:
    """MariaDB has no reload of certificates by a signal; a unit whose ExecReload is true says that all is well."""
    host.drop_in("mariadb-test.service", "[Service]\nExecReload=/bin/true\n")
    host.system.run("systemctl", "restart", "mariadb-test")
    host.put(DATABASE)
    lazy = host.unit("mariadb-test", "mysql", DATABASE, action="reload", prove_within=1)
    (outcome,) = host.tell([lazy], DATABASE)
    assert (outcome["outcome"], outcome["wrong"]) == ("failed", [DATABASE])
    assert "shows another certificate" in outcome["message"]
    host.live.take_back(DATABASE)
    host.system.run("chown", "-R", "root:postgres", str(host.live.path))
    (outcome,) = host.tell([lazy], DATABASE)
    assert (outcome["outcome"], outcome["proven"]) == ("ran", [DATABASE]), outcome["message"]


def test_one_that_does_not_come_up_again_is_wrong_and_its_journal_is_told(host: Host) -> None:
    config = host.system.run("cat", "/etc/nginx/nginx.conf").stdout
    host.put(WWW)
    host.system.write("/etc/nginx/nginx.conf", f"{config}nonsense;\n")
    try:
        entry = host.unit("nginx", "nginx", WWW, prove_within=1)
        (outcome,) = host.tell([entry], WWW)
        assert (outcome["outcome"], outcome["wrong"]) == ("failed", [WWW])
        assert outcome["message"].startswith("systemctl restart nginx.service failed.")
        assert 'unknown directive "nonsense"' in outcome["message"]
        assert "answered before" in outcome["message"]
        # A reload of what does not run is an error, and nobody says that the lineage is wrong: it was dead before.
        (outcome,) = host.tell([{**entry, "action": "reload"}], WWW)
        assert (outcome["outcome"], outcome["wrong"], outcome["unasked"]) == ("failed", [], [WWW])
    finally:
        host.system.write("/etc/nginx/nginx.conf", config)
    (outcome,) = host.tell([entry], WWW)
    assert (outcome["outcome"], outcome["proven"]) == ("ran", [WWW]), "a restart starts what does not run"


def test_a_program_that_ends_at_once_is_told_though_systemd_was_content(host: Host) -> None:
    """Of Type=simple the start is done when the program has been started. Perhaps systemd will try once more."""
    host.write_unit("ends.service", "[Service]\nExecStart=/bin/sh -c 'echo why; exit 3'\n")
    again = "[Service]\nExecStart=/bin/sh -c 'echo why; exit 3'\nRestart=always\nRestartSec=60\n"
    host.write_unit("again.service", again)
    for outcome in host.tell([{"type": "systemd", "name": name} for name in ("ends", "again")], WWW):
        assert outcome["outcome"] == "failed"
        assert ".service failed after its restart: exit-code." in outcome["message"]
        assert "why" in outcome["message"]
    host.system.run("systemctl", "stop", "again")


def test_units_that_are_not_there_or_cannot_be_told(host: Host) -> None:
    host.write_unit("plain.service", "[Service]\nExecStart=/bin/sleep 600\n")
    host.write_unit("each@.service", "[Service]\nExecStart=/bin/sleep 600\n")
    host.system.run("systemctl", "mask", "--runtime", "systemd-networkd.service")
    host.system.run("systemctl", "start", "plain")
    outcomes = host.tell(
        [
            {"type": "systemd", "name": "absent"},
            {"type": "systemd", "name": "absent.timer", "on_missing": "skip"},
            {"type": "systemd", "name": "plain", "action": "reload"},
            {"type": "systemd", "name": "systemd-networkd"},
            {"type": "systemd", "name": "each@one"},
            {"type": "systemd", "name": "basic.target", "action": "reload"},
            {"type": "systemd", "name": "plain"},
        ],
        WWW,
    )
    assert of(outcomes, "outcome") == ["failed", "ran", "failed", "failed", "ran", "failed", "ran"]
    for outcome, why in zip(
        outcomes,
        [
            "systemd has no unit absent.service",
            "systemd has no unit absent.timer",
            "systemctl reload plain.service failed",
            "systemd-networkd.service is masked",
        ],
    ):
        assert why in outcome["message"]


def test_each_unit_costs_its_own_time_out(host: Host) -> None:
    host.write_unit("slow.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 600\n")
    host.write_unit(
        "stubborn.service",
        "[Service]\nExecStart=/bin/sh -c \"trap '' TERM; while :; do sleep 1; done\"\nTimeoutStopSec=90\n",
    )
    host.system.run("systemctl", "start", "stubborn")
    began = time.monotonic()
    entries = [{"type": "systemd", "name": name, "timeout": 1} for name in ("slow", "stubborn")]
    outcomes = host.tell([*entries, host.unit("nginx", "nginx", WWW)], WWW)
    assert time.monotonic() - began < BOUND
    assert of(outcomes, "outcome") == ["failed", "failed", "ran"]
    for outcome in outcomes[:2]:
        assert "took more than 1 seconds and was ended" in outcome["message"]
    host.system.run("systemctl", "kill", "--signal=KILL", "slow", "stubborn", check=False)


def test_rc_restarts_and_reloads_an_init_script(host: Host) -> None:
    """By the program service, which on this host asks systemd."""
    script = "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: rc-test\n### END INIT INFO\necho $1 >>/run/rc-test\n"
    host.system.write("/etc/init.d/rc-test", script)
    host.system.run("chmod", "0755", "/etc/init.d/rc-test")
    host.system.run("systemctl", "daemon-reload")
    host.system.run("systemctl", "start", "rc-test")
    outcomes = host.tell(
        [
            {"type": "rc", "name": "rc-test"},
            {"type": "rc", "name": "rc-test", "action": "reload"},
            {"type": "rc", "name": "absent-script"},
            {"type": "rc", "name": "absent-script", "on_missing": "skip"},
            {"type": "rc", "name": "nginx", "action": "reload", "endpoints": [host.endpoint("nginx", WWW)]},
        ],
        WWW,
    )
    assert of(outcomes, "outcome") == ["ran", "ran", "failed", "ran", "ran"], of(outcomes, "message")
    assert host.system.run("cat", "/run/rc-test").stdout.split() == ["start", "stop", "start", "reload"]
    assert "There is no init script absent-script" in outcomes[2]["message"]
    assert outcomes[4]["proven"] == [WWW]


def test_a_deployment_tells_nginx_and_goes_back_when_it_does_not_serve(host: Host) -> None:
    """The module, from staging to the handshake: the first one, a renewal, and one that a reload silently ignores."""
    receiver = Receiver(t.cast("t.Any", None), host.system.shared / "receiver", settle="0")
    config = host.system.run("cat", "/etc/nginx/nginx.conf").stdout
    host.system.write("/etc/nginx/nginx.conf", config.replace(str(host.live.path), str(receiver.live)))
    host.system.run("systemctl", "stop", "nginx")
    entry = host.unit("nginx", "nginx", WWW, prove_within=10)

    def deploy(**options: t.Any) -> dict[str, t.Any]:
        receiver.stage(host.live.authority.issue(WWW))
        request = module_request("certificate_deploy", {**receiver.args, "services": [{**entry, **options}]})
        done = host.system.run(*module_command(), stdin=request, env={"PYTHONPATH": str(COLLECTIONS)}, check=False)
        assert_no_private_key(done.stdout + done.stderr)
        return parse_result("certificate_deploy", done.returncode, done.stdout + done.stderr).result

    try:
        result = deploy()  # nginx could not run without it
        assert (result.get("failed"), receiver.receipt(WWW)["state"]) == (None, "proven"), result
        result = deploy(action="reload")
        assert (result.get("failed"), receiver.receipt(WWW)["state"]) == (None, "proven"), result
        good = receiver.fingerprint(WWW)
        host.drop_in("nginx.service", "[Service]\nExecReload=\nExecReload=/bin/true\n")
        result = deploy(action="reload", prove_within=1)
        assert result["failed"]
        assert result["rolled_back"] == [WWW]
        assert [service["outcome"] for service in result["services"]] == ["failed", "ran"]
        assert result["services"][1]["proven"] == [WWW]
        assert (receiver.fingerprint(WWW), receiver.receipt(WWW)["state"]) == (good, "taken_back")
        assert "shows another certificate" in receiver.receipt(WWW)["message"]
    finally:
        host.drop_in("nginx.service", "")
        host.system.write("/etc/nginx/nginx.conf", config)
        host.system.run("systemctl", "restart", "nginx")
