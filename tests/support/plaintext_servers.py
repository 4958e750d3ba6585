# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real servers of all protocols that begin in plain text and go on to TLS when asked, on one real systemd."""

from __future__ import annotations

import pathlib
import shutil
import socket
import time
import typing as t

from . import pki
from .ports import free_port
from .systemd_host import SystemdHost

#: The name of each protocol, as endpoints have it, and of the unit that serves it.
UNITS: t.Final = {
    "smtp": "postfix.service",
    "imap": "dovecot.service",
    "pop3": "dovecot.service",
    "lmtp": "dovecot.service",
    "sieve": "dovecot.service",
    "ftp": "vsftpd-test.service",
    "ldap": "slapd-test.service",
    "postgres": "db-test.service",
    "mysql": "mariadb-test.service",
    "xmpp": "prosody-test.service",
    "xmpp-server": "prosody-test.service",
    "nntp": "nnrpd-test.service",
}
NAME, INTERNATIONAL = "plain.example.com", "bücher.example"
_REPOSITORY = pathlib.Path(__file__).parents[2]
_HOME = "/run/plaintext"  # in there

_FILES = {
    "/etc/postfix/main.cf": """
compatibility_level = 3.6
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
local_recipient_maps =
smtpd_tls_security_level = may
smtpd_tls_chain_files = {rsa}/key.pem, {rsa}/chain.pem, {ec}/key.pem, {ec}/chain.pem
""",
    "/etc/postfix/master.cf": """
127.0.0.1:{smtp} inet n - n - - smtpd
rewrite unix - - n - - trivial-rewrite
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
""",
    "/etc/dovecot/dovecot.conf": """
protocols = imap pop3 lmtp sieve
listen = 127.0.0.1
ssl = yes
ssl_cert = <{ec}/chain.pem
ssl_key = <{ec}/key.pem
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    port = {sieve}
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
""",
    f"{_HOME}/vsftpd.conf": f"""
listen=YES
listen_address=127.0.0.1
listen_port={{ftp}}
background=NO
anonymous_enable=NO
local_enable=YES
ssl_enable=YES
rsa_cert_file={{rsa}}/chain.pem
rsa_private_key_file={{rsa}}/key.pem
secure_chroot_dir={_HOME}/empty
banner_file={_HOME}/banner
seccomp_sandbox=NO
""",
    # Lines that look like the end of the reply, and are none (RFC 959, 4.2).
    f"{_HOME}/banner": "Welcome\n220 bytes are free\n\nof charge\n",
    f"{_HOME}/slapd.conf": """
TLSCertificateFile {rsa}/chain.pem
TLSCertificateKeyFile {rsa}/key.pem
""",
    f"{_HOME}/prosody.cfg.lua": f"""
daemonize = false
run_as_root = true
data_path = "{_HOME}/prosody"
pidfile = "{_HOME}/prosody.pid"
interfaces = {{{{ "127.0.0.1" }}}}
c2s_ports = {{{{ {{xmpp}} }}}}
s2s_ports = {{{{ {{xmpp-server}} }}}}
modules_enabled = {{{{ "tls", "saslauth", "dialback" }}}}
log = {{{{ info = "*console" }}}}
ssl = {{{{ certificate = "{{ec}}/chain.pem", key = "{{ec}}/key.pem" }}}}
VirtualHost "{NAME}"
VirtualHost "{INTERNATIONAL}"
""",
    f"{_HOME}/news/inn.conf": f"""
mta: "/bin/true %s"
organization: test
pathnews: {_HOME}/news
pathhost: {NAME}
domain: example.com
fromhost: example.com
hismethod: hisv6
enableoverview: true
ovmethod: tradindexed
runasuser: root
runasgroup: root
tlscertfile: {{rsa}}/chain.pem
tlskeyfile: {{rsa}}/key.pem
tlscapath: {_HOME}
""",
    f"{_HOME}/news/etc/readers.conf": """
auth "all" {{ hosts: "*" default: "<any>" }}
access "all" {{ users: "*" newsgroups: "*" }}
""",
    f"{_HOME}/news/etc/storage.conf": """
method trash {{
  newsgroups: *
  class: 0
}}
""",
    f"{_HOME}/news/db/active": "",
    f"{_HOME}/news/db/newsgroups": "",
}
_COMMANDS = {
    "vsftpd-test": f"vsftpd {_HOME}/vsftpd.conf",
    "slapd-test": f"slapd -d 0 -f {_HOME}/slapd.conf -h ldap://127.0.0.1:{{ldap}}",
    "prosody-test": f"prosody -F --config {_HOME}/prosody.cfg.lua",
    "nnrpd-test": "{nnrpd} -D -f -p {nntp}",
    "db-test": "{postgresql}/postgres -D /run/postgresql-test -p {postgres} -c listen_addresses=127.0.0.1"
    " -c unix_socket_directories= -c ssl=on -c ssl_cert_file={ec}/chain.pem -c ssl_key_file={ec}/key.pem",
    "mariadb-test": "{mariadbd} --no-defaults --user=root --datadir=/run/mariadb-test --port={mysql}"
    " --bind-address=127.0.0.1 --socket=/run/mariadb-test.sock --pid-file=/run/mariadb-test.pid"
    " --ssl-cert={ec}/chain.pem --ssl-key={ec}/key.pem",
}


class PlaintextServers:
    """ports: by protocol, of 127.0.0.1. ec, rsa: the certificates for NAME and INTERNATIONAL: Postfix has both, vsftpd,
    slapd and nnrpd the one with an RSA key, the others the one with an EC key."""

    def __init__(self, system: SystemdHost) -> None:
        self.system = system
        self.root = pki.CertificateAuthority("Plain Root")
        issuer = pki.CertificateAuthority("Plain Issuer", parent=self.root)
        names = (NAME, INTERNATIONAL.encode("idna").decode())
        self.ec = issuer.issue(names)
        self.rsa = issuer.issue(names, key_type="rsa2048")
        self.ports = {protocol: free_port() for protocol in UNITS}

    def start(self) -> None:
        places = {kind: self._put(kind, issued) for kind, issued in (("ec", self.ec), ("rsa", self.rsa))}
        values = {**places, **{protocol: str(port) for protocol, port in self.ports.items()}, **_programs()}
        for path, text in _FILES.items():
            self.system.write(path, text.format(**values))
        self.system.run("chmod", "0644", "/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/dovecot/dovecot.conf")
        self.system.run("mkdir", "-p", *(f"{_HOME}/{each}" for each in ("empty", "prosody", "news/spool/overview")))
        self.system.run("mkdir", *(f"{_HOME}/news/{each}" for each in ("run", "log", "tmp")))
        self.system.run("install", "-d", "--owner=postgres", "/run/postgresql-test")
        initdb = [f"{values['postgresql']}/initdb", "--pgdata=/run/postgresql-test", "--no-sync", "--auth=trust"]
        self.system.run("runuser", "-u", "postgres", "--", *initdb)
        self.system.run(
            "mariadb-install-db", "--no-defaults", "--user=root", "--datadir=/run/mariadb-test", "--skip-test-db",
            "--auth-root-authentication-method=normal",
        )  # fmt: skip
        self.system.run(values["nnrpd"].replace("nnrpd", "overchan"), env={"INNCONF": f"{_HOME}/news/inn.conf"})
        for unit, command in _COMMANDS.items():
            user = ["--uid=postgres"] if unit == "db-test" else []
            environment = [f"--setenv=INNCONF={_HOME}/news/inn.conf"] if unit == "nnrpd-test" else []
            self.system.run("systemd-run", f"--unit={unit}", *user, *environment, *command.format(**values).split())
        self.system.run("systemctl", "start", "postfix", "dovecot")
        self._await()

    def _put(self, kind: str, issued: pki.IssuedCertificate) -> str:
        """Databases read keys that their own group may read, and no others."""
        place = f"{_HOME}/{kind}"
        self.system.write(f"{place}/chain.pem", issued.certificate_pem + issued.chain_pem)
        self.system.write(f"{place}/key.pem", issued.private_key_pem)
        self.system.run("chown", "-R", "root:postgres", place)
        self.system.run("chmod", "0755", _HOME, place)
        self.system.run("chmod", "0644", f"{place}/chain.pem")
        self.system.run("chmod", "0640", f"{place}/key.pem")
        return place

    def _await(self, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        for protocol, port in self.ports.items():
            while not _listens(port):
                if time.monotonic() > end:
                    said = self.system.run("journalctl", "--no-pager", "-n", "30", "-u", UNITS[protocol]).stdout
                    raise AssertionError(f"{protocol}: {UNITS[protocol]} does not listen: {said}")
                time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _programs() -> dict[str, str]:
    """PostgreSQL is where no PATH looks, and nnrpd in this checkout (scripts/nntp_server)."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    line = (_REPOSITORY / ".dev/inn/versions").read_text().split()
    assert line[1] != "-", f"INN is missing: {line}"
    return {
        "postgresql": str(found[-1] if found else pathlib.Path(shutil.which("postgres") or "").parent),
        "mariadbd": shutil.which("mariadbd", path="/usr/sbin:/usr/libexec:/usr/bin") or "mariadbd",
        "nnrpd": str(_REPOSITORY / line[1]),
    }
