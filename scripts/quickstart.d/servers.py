# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS servers of all kinds on loopback, as an ordinary user or as root, each with files of its own."""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
import pathlib
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import typing as t

from authority import Issued
from stage import StageError, _Program, free_port

#: Where Debian keeps what no PATH leads to.
_ELSEWHERE = (*map(str, sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), "/usr/local/sbin")
_OTHERS = "nobody"  # whom a database runs as that refuses root


def program(name: str) -> str:
    """Its path. Raises StageError."""
    path = shutil.which(name, path=os.pathsep.join([*_ELSEWHERE, os.environ.get("PATH", os.defpath)]))
    if path is None:
        raise StageError(f"{name} is not there: run 'make quickstart-watch', which brings it.")
    return path


class TlsServer(_Program):
    """One program that listens with TLS, or offers it by STARTTLS.

    ports: what it speaks -> port; "" is TLS from the first byte, all others are as the modules' option starttls.
    """

    kind = ""
    protocols: tuple[str, ...] = ("",)
    settings = "server.conf"

    def __init__(self, directory: pathlib.Path, name: str, issued: Issued) -> None:
        self.name = name
        own = directory / name
        own.mkdir()
        super().__init__(own)
        self.certificate, self.key = own / "certificate.pem", own / "key.pem"
        self.key.touch(mode=0o600)
        self.put(issued)
        self.ports = {protocol: free_port() for protocol in self.protocols}

    def put(self, issued: Issued) -> None:
        """Another certificate into the files. It is served after renew()."""
        self.certificate.write_text(issued.certificate_pem)
        self.key.write_text(issued.private_key_pem)

    def renew(self, issued: Issued) -> None:
        """Serve another one: by a new start, unless the program knows better."""
        self.put(issued)
        self.stop()
        self.__enter__()

    def stop(self) -> None:
        self.__exit__()

    def __enter__(self) -> TlsServer:
        self.prepare()
        self._start(self.command(), self.answers)
        return self

    def prepare(self) -> None:
        """What is needed before the start: files, databases."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        return all(_accepts(port) for port in self.ports.values())

    def served(self) -> str:
        """The leaf that a handshake gets, as PEM, where TLS begins with the first byte; "" for none."""
        with contextlib.suppress(OSError):
            return ssl.get_server_certificate(("127.0.0.1", self.ports[""]), timeout=5)
        return ""

    def configure(self, text: str, **values: t.Any) -> pathlib.Path:
        """Its configuration, with directory, certificate, key and port in place."""
        path = self.directory / self.settings
        known = {"directory": self.directory, "certificate": self.certificate, "key": self.key}
        port = next(iter(self.ports.values()))
        path.write_text(text.format(**known, port=port, **values))
        return path


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    return False


class OpensslServer(TlsServer):
    """openssl s_server. options: more of its own, such as -tls1_2 or -Verify 1."""

    kind = "openssl s_server"

    def __init__(self, directory: pathlib.Path, name: str, issued: Issued, *options: str) -> None:
        super().__init__(directory, name, issued)
        self._options = options

    def command(self) -> list[str]:
        address = f"127.0.0.1:{self.ports['']}"
        files = ["-cert", str(self.certificate), "-key", str(self.key)]
        return [program("openssl"), "s_server", "-quiet", "-www", "-accept", address, *files, *self._options]


class NginxServer(TlsServer):
    kind = "nginx"
    _CONFIG = """\
daemon off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/tmp;
    proxy_temp_path {directory}/tmp;
    fastcgi_temp_path {directory}/tmp;
    uwsgi_temp_path {directory}/tmp;
    scgi_temp_path {directory}/tmp;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        return 200 "Hello\\n";
    }}
}}
"""

    def command(self) -> list[str]:
        return [program("nginx"), "-c", str(self.configure(self._CONFIG)), "-e", "stderr"]


class HaproxyServer(TlsServer):
    kind = "HAProxy"
    _CONFIG = """\
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend tls
    bind 127.0.0.1:{port} ssl crt {both}
    http-request return status 200 content-type text/plain string "Hello"
"""

    def prepare(self) -> None:
        self._both = self.directory / "both.pem"
        self._both.touch(mode=0o600)
        self._both.write_text(self.certificate.read_text() + self.key.read_text())

    def command(self) -> list[str]:
        return [program("haproxy"), "-W", "-db", "-f", str(self.configure(self._CONFIG, both=self._both))]


class DovecotServer(TlsServer):
    """One program for five protocols."""

    kind = "Dovecot"
    protocols = ("imap", "pop3", "lmtp", "smtp", "sieve")
    _CONFIG = """\
protocols = imap pop3 lmtp submission sieve
base_dir = {directory}/run
state_dir = {directory}/state
log_path = /dev/stderr
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
default_login_user = {login}
default_internal_user = {internal}
default_internal_group = {group}
submission_relay_host = 127.0.0.1
hostname = mail.example.test
lmtp_client_workarounds =
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={internal} gid={group} home={directory}/mail
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {smtp}
  }}
}}
service managesieve-login {{
  chroot =
  inet_listener sieve {{
    port = {sieve}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
"""

    def command(self) -> list[str]:
        me = getpass.getuser()
        users = {"login": me, "internal": me, "group": grp.getgrgid(os.getgid()).gr_name}
        if os.geteuid() == 0:
            users = {"login": "dovenull", "internal": "dovecot", "group": "dovecot"}
        config = self.configure(self._CONFIG, **users, **self.ports)
        return [program("dovecot"), "-F", "-c", str(config)]


class VsftpdServer(TlsServer):
    kind = "vsftpd"
    protocols = ("ftp",)
    _CONFIG = """\
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
run_as_launching_user=YES
anonymous_enable=NO
local_enable=YES
ssl_enable=YES
rsa_cert_file={certificate}
rsa_private_key_file={key}
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
"""

    def command(self) -> list[str]:
        return [program("vsftpd"), str(self.configure(self._CONFIG))]


class SlapdServer(TlsServer):
    kind = "OpenLDAP slapd"
    protocols = ("ldap",)
    _CONFIG = """\
pidfile {directory}/slapd.pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
"""

    def command(self) -> list[str]:
        address = f"ldap://127.0.0.1:{self.ports['ldap']}"
        return [program("slapd"), "-f", str(self.configure(self._CONFIG)), "-h", address, "-d", "0"]


class ProsodyServer(TlsServer):
    kind = "Prosody"
    protocols = ("xmpp",)
    settings = "prosody.cfg.lua"  # the name tells it how to read it
    _CONFIG = """\
pidfile = "{directory}/prosody.pid"
data_path = "{directory}"
daemonize = false
run_as_root = true
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
s2s_ports = {{ }}
c2s_direct_tls_ports = {{ }}
modules_enabled = {{ "tls", "saslauth" }}
modules_disabled = {{ "s2s", "http" }}
log = "*console"
VirtualHost "{domain}"
    ssl = {{ certificate = "{certificate}", key = "{key}" }}
"""

    def __init__(self, directory: pathlib.Path, name: str, issued: Issued, domain: str) -> None:
        super().__init__(directory, name, issued)
        self._domain = domain

    def command(self) -> list[str]:
        return [program("prosody"), "-F", "--config", str(self.configure(self._CONFIG, domain=self._domain))]


class _Database(TlsServer):
    """It refuses to be root's: then it is another user's, and so are its files."""

    def _own(self) -> list[str]:
        """What a command begins with."""
        if os.geteuid() != 0:
            return []
        user = pwd.getpwnam(_OTHERS)
        for path in (self.directory, self.certificate, self.key):
            os.chown(path, user.pw_uid, user.pw_gid)
        self.directory.parent.chmod(0o711)  # it has to come through
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def _once(self, command: t.Sequence[str]) -> None:
        done = subprocess.run(
            command,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise StageError(f"{self.name}: {done.stdout}{done.stderr}")


class PostgresqlServer(_Database):
    kind = "PostgreSQL"
    protocols = ("postgres",)

    def prepare(self) -> None:
        self._data = self.directory / "data"
        if not self._data.exists():
            self._once([*self._own(), program("initdb"), "--no-sync", "--auth=reject", "-D", str(self._data)])

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.ports["postgres"],
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": self.certificate,
            "ssl_key_file": self.key,
            "fsync": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [*self._own(), program("postgres"), "-D", str(self._data), *options]


class MariadbServer(_Database):
    kind = "MariaDB"
    protocols = ("mysql",)

    def prepare(self) -> None:
        self._data = self.directory / "data"
        if not self._data.exists():
            options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
            self._once(
                [*self._own(), program("mariadb-install-db"), "--no-defaults", f"--datadir={self._data}", *options]
            )

    def command(self) -> list[str]:
        return [
            *self._own(),
            program("mariadbd"),
            "--no-defaults",
            f"--datadir={self._data}",
            f"--socket={self.directory}/socket",
            f"--pid-file={self.directory}/pid",
            "--bind-address=127.0.0.1",
            f"--port={self.ports['mysql']}",
            f"--ssl-cert={self.certificate}",
            f"--ssl-key={self.key}",
            "--innodb-flush-log-at-trx-commit=0",
        ]


class SilentServer:
    """It takes connections and says nothing. Nobody should wait for it longer than for its own time-out."""

    kind = "a socket that never says a word"
    name = "silent"
    log = ""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._taken: list[socket.socket] = []
        self.ports = {"": int(self._listener.getsockname()[1])}

    def __enter__(self) -> SilentServer:
        threading.Thread(target=self._take, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._taken:
            connection.close()

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._taken.append(self._listener.accept()[0])


def reload(server: HaproxyServer | NginxServer, issued: Issued) -> None:
    """As people do it: another certificate into the file, and a signal."""
    server.put(issued)
    server.prepare()
    assert server._process is not None
    os.kill(server._process.pid, signal.SIGUSR2 if isinstance(server, HaproxyServer) else signal.SIGHUP)
