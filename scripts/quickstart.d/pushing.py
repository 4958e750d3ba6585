# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What pushing needs around the collection: names that resolve, certbot, hosts with an SSH server, nginx on one."""

from __future__ import annotations

import collections
import contextlib
import getpass
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import threading
import typing as t

import dnslib
from authority import Issued
from dnslib.server import BaseResolver, DNSLogger, DNSServer
from issuing import Pebble
from occasion import ROOT
from stage import Haproxy, StageError, _Program, end, free_port

_LONGEST = 60  # seconds, for one run
CERTBOT = ROOT / ".dev/certbot/bin/certbot"
_SSH_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
AuthorizedKeysFile {authorized}
AuthenticationMethods publickey
StrictModes no
UsePAM no
PidFile none
DisableForwarding yes
Subsystem sftp internal-sftp
ForceCommand internal-sftp -u 0077
"""


_SILENT = "-recv,-send,-request,-reply,-truncated,-error,-data"


class _Everywhere(BaseResolver):
    """Every name is this machine."""

    def resolve(self, request: dnslib.DNSRecord, _handler: t.Any) -> dnslib.DNSRecord:
        reply = request.reply()
        if request.q.qtype == dnslib.QTYPE.A:
            reply.add_answer(dnslib.RR(request.q.qname, rdata=dnslib.A("127.0.0.1")))
        return reply


class Names:
    """The DNS that the authority asks. address: host:port."""

    def __init__(self) -> None:
        self._server = DNSServer(_Everywhere(), address="127.0.0.1", port=free_port(), logger=DNSLogger(_SILENT))
        self.address = f"127.0.0.1:{self._server.server.server_address[1]}"

    def __enter__(self) -> Names:
        self._server.start_thread()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.stop()
        self._server.server.server_close()


class Certbot:
    """The real one, with an account of its own at the authority. live: the directory of its lineages; log: all that it
    has printed."""

    def __init__(self, directory: pathlib.Path, pebble: Pebble) -> None:
        if not CERTBOT.exists():
            raise StageError("certbot is not there: run 'make quickstart-push', which brings it.")
        self._pebble = pebble
        self.directory = directory / "letsencrypt"
        self.live = self.directory / "live"
        self.log = ""
        text = (
            f"config-dir = {self.directory}\nwork-dir = {directory}/certbot-work\nlogs-dir = {directory}/certbot-logs\n"
        )
        text += f"server = {pebble.directory_url}\nhttp-01-port = {pebble.http_port}\n"
        text += "register-unsafely-without-email = true\nagree-tos = true\nnon-interactive = true\n"
        text += "no-random-sleep-on-renew = true\n"
        self.settings = directory / "certbot.ini"
        self.settings.write_text(text)

    def run(self, command: t.Sequence[str]) -> None:
        """command: such as certbot renew. Raises StageError when it fails."""
        process = subprocess.run(
            [str(CERTBOT), *command[1:]],
            env={**os.environ, "REQUESTS_CA_BUNDLE": str(self._pebble.ca_bundle), "PYTHONPATH": ""},
            cwd=self.settings.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        self.log += process.stdout
        if process.returncode:
            raise StageError(f"certbot failed with exit code {process.returncode}.")


def make_ssh_key(path: pathlib.Path) -> str:
    """A private key, and the public one beside it, which is returned: type and key."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=30)
    return path.with_suffix(".pub").read_text().strip()


def put_lineage(directory: pathlib.Path, issued: Issued) -> None:
    """Two files as certbot names them, without an archive."""
    directory.mkdir(mode=0o700)
    (directory / "fullchain.pem").write_text(issued.certificate_pem)
    (directory / "privkey.pem").touch(mode=0o600)
    (directory / "privkey.pem").write_text(issued.private_key_pem)


class ReceivingHost(_Program):
    """A host with an SSH server for uploads only. staging, receipts, live: its directories; host_key: public."""

    def __init__(self, directory: pathlib.Path, name: str, authorized: pathlib.Path) -> None:
        """authorized: file with the public key of who may upload."""
        self.name = f"sshd-{name}"
        self.host = name
        super().__init__(directory / name)
        self.root = directory / name / "receiver"
        self.staging, self.receipts = self.root / "staging", self.root / "receipts"
        self.live = directory / name / "live"
        for path, mode in ((self.staging, 0o700), (self.receipts, 0o755), (self.live, 0o755)):
            path.mkdir(parents=True, mode=mode)
        self.port = free_port()
        self.user = getpass.getuser()
        self.host_key = make_ssh_key(self.directory / "host_key")
        self._config = self.directory / "sshd_config"
        self._config.write_text(_SSH_CONFIG.format(port=self.port, directory=self.directory, authorized=authorized))

    def target(self, domains: t.Sequence[str]) -> dict[str, t.Any]:
        """As the role certificate_push takes it."""
        return {
            "domains": list(domains),
            "address": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "host_key": [self.host_key],
            "path": str(self.staging),
            "receipts": str(self.receipts),
        }

    def start(self) -> None:
        """Raises StageError."""
        program = shutil.which("sshd")
        if program is None:
            raise StageError("sshd is not there: run 'make quickstart-push', which brings it.")
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where root's sshd separates privileges
        self._start([program, "-D", "-e", "-f", str(self._config)], self._answers)

    def __enter__(self) -> ReceivingHost:
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
        return False


_NGINX_CONFIG = """\
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
        ssl_certificate {lineage}/fullchain.pem;
        ssl_certificate_key {lineage}/privkey.pem;
        return 200 "Hello\\n";
    }}
}}
"""


class Nginx(_Program):
    """As an ordinary user. It reads the two files of a lineage. service: how it is told of a new one."""

    def __init__(self, directory: pathlib.Path, lineage: pathlib.Path) -> None:
        self.name = f"nginx-{directory.name}"
        super().__init__(directory)
        self.port = free_port()
        self.config = directory / "nginx.conf"
        self.config.write_text(_NGINX_CONFIG.format(directory=directory, port=self.port, lineage=lineage))

        program = shutil.which("nginx")
        if program is None:
            raise StageError("nginx is not there: run 'make quickstart-push', which brings it.")
        self._command = [program, "-c", str(self.config), "-e", "stderr"]

    def __enter__(self) -> Nginx:
        self._start(self._command, self._answers)
        return self

    @property
    def service(self) -> dict[str, t.Any]:
        return {"type": "script", "name": self._command[0], "arguments": [*self._command[1:], "-s", "reload"]}

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            return True
        return False


class Balancer(Haproxy):
    """service: how it is told of a new lineage, which it reads from a file of its own."""

    @property
    def service(self) -> dict[str, t.Any]:
        own = {
            "path": str(self.certificates),
            "socket": str(self.socket),
            "config": [str(self.config)],
            "reload_methods": [],
        }
        return {"type": "haproxy", "haproxy": own}


def _quoted(expression: re.Match[str]) -> str:
    """Texts that "~" puts together, as the template's filter quotes them for a shell."""
    return shlex.quote("".join(re.findall(r"'([^']*)'", expression[1])))


def install_hook(certbot: Certbot, wake: pathlib.Path) -> pathlib.Path:
    """The one of the role certificate_push, which a renewal runs. wake: where it says so."""
    wake.mkdir(parents=True, mode=0o700)
    wake.parent.chmod(0o700)
    text = (ROOT / "roles/certificate_push/templates/hook.j2").read_text()
    text = text.replace("{{ ansible_managed | comment }}", "#")
    text = text.replace("__certificate_push_plan.wake", repr(str(wake)))
    text = re.sub(r"\{\{ \(?('[^']*'(?: ~ '[^']*')*)\)? \| quote \}\}", _quoted, text)
    hook = certbot.directory / "renewal-hooks/deploy/certops-push"
    hook.parent.mkdir(parents=True)
    hook.write_text(text)
    hook.chmod(0o755)
    return hook


class Watch(t.NamedTuple):
    """What a path unit of systemd does. directory: when something is in it that does not begin with a dot, the command
    is run."""

    name: str
    directory: pathlib.Path
    command: t.Sequence[str]


class Watchers:
    """runs: by the watch's name; log: all that they have printed."""

    def __init__(self, directory: pathlib.Path, watches: t.Iterable[Watch]) -> None:
        """directory: that of the inventory."""
        self._directory = directory
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=[watch], daemon=True) for watch in watches]
        self.runs: collections.Counter[str] = collections.Counter()
        self.log = ""

    def __enter__(self) -> Watchers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, watch: Watch) -> None:
        while not self._ending.wait(0.05):
            if any(not path.name.startswith(".") for path in watch.directory.iterdir()):
                self.runs[watch.name] += 1
                self._run(watch)

    def _run(self, watch: Watch) -> None:
        process = subprocess.Popen(
            watch.command,
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            self.log += process.communicate(timeout=_LONGEST)[0]
        except subprocess.TimeoutExpired:
            self.log += f"\n{watch.name}: it takes more than {_LONGEST} s.\n"
        finally:
            end(process)
