# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An instance on a real systemd: HAProxy by the distribution's unit, and the schedule of docs/scheduling.md."""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
import re
import socket
import ssl
import sys
import typing as t

from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost, visible_in_services

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scheduling.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (\S.*)$", re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
CERTIFICATES = "/etc/haproxy/certs"
FILE = f"{CERTIFICATES}/web_a.pem"
REPOSITORY = "/srv/rotation.git"
TEXTFILE = "/var/lib/metrics/rotation.prom"
TEXTFILE_OF_THE_PAGE = "/var/lib/prometheus/node-exporter/rotation.prom"
SERVICE = "certops-rotation.service"
KEYRING = "/etc/certops-rotation/gnupg"
DROP_IN = f"/run/systemd/system/{SERVICE}.d"
PLACES = ["/etc", "/opt", "/usr/local", "/var/lib", "/var/spool"]

_CONFIG = """
global
    stats socket /run/haproxy/admin.sock mode 660 level admin
    chroot /var/lib/haproxy
    user haproxy
    group haproxy
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend tls
    bind 127.0.0.1:{port} ssl crt {certificates}/
    http-request return status 200
"""


class Balancer:
    """An instance with HAProxy and a schedule. It reads secrets below web/."""

    def __init__(self, host: SystemdHost, aws: MotoServer, authority: pki.CertificateAuthority) -> None:
        self.host = host
        self.aws = aws
        self.authority = authority
        self.port = free_port()
        self.variables: dict[str, t.Any] = {
            "rotation_schedule_repository": REPOSITORY,
            "rotation_schedule_version": "release",
            "rotation_schedule_environment": aws.env,
            "rotation_schedule_variables": {
                "haproxy_certificates_name_prefix": "web/",
                "haproxy_certificates_metrics_textfile": TEXTFILE,
            },
            "rotation_schedule_random_delay": 0,
            "rotation_schedule_retries": 0,
            "rotation_schedule_watch_delay": 1,
            "rotation_schedule_on_failure": f"echo {'$1'} >> /root/failures",
            "rotation_schedule_virtualenv": sys.prefix,
            "rotation_schedule_requirements": [],
            "rotation_schedule_collections": [],
            "rotation_schedule_collections_path": str(ROOT / ".dev" / "collections"),
            "rotation_schedule_service_options": visible_in_services(),
        }

    def prepare(self) -> None:
        """HAProxy with a certificate of nobody's, and a repository whose branch release rotates."""
        config = _CONFIG.format(port=self.port, certificates=CERTIFICATES)
        self.host.write("/etc/haproxy/haproxy.cfg", config)
        self.host.write("/etc/default/haproxy", "")
        self.host.write(f"{CERTIFICATES}/00-default.pem", self.authority.issue("default.example.com").combined_pem)
        metrics = [str(pathlib.PurePath(textfile).parent) for textfile in (TEXTFILE, TEXTFILE_OF_THE_PAGE)]
        self.host.run("mkdir", "-p", "/run/haproxy", *metrics)
        self.host.run("systemctl", "restart", "haproxy")
        self.host.write("/srv/work/local.yml", block("yaml", "local.yml"))
        self.shell(
            f"cd /srv/work && git init -q -b release && git add . && git -c user.name=a -c user.email=a@example.com"
            f" commit -q -m Rotate && git clone -q --bare . {REPOSITORY}"
        )

    def sign(self) -> None:
        """A signed commit on top, and the keyring of who may sign."""
        author = "-c user.name=a -c user.email=a@example.com -c user.signingkey=a@example.com"
        self.shell(
            "export GNUPGHOME=/root/gnupg; mkdir -m 700 $GNUPGHOME"
            " && gpg --batch --quiet --passphrase '' --quick-gen-key a@example.com ed25519 sign never"
            f" && cd /srv/work && git {author} commit -q -S --allow-empty -m Signed && git push -q {REPOSITORY} release"
            f" && mkdir -m 700 {KEYRING} && gpg --export | GNUPGHOME={KEYRING} gpg --batch --quiet --import"
            " && gpgconf --kill all"
        )

    def shell(self, script: str, check: bool = True) -> str:
        process = self.host.run("sh", "-c", script, check=check)
        secrets_scan.assert_no_private_key(process.stdout + process.stderr)
        return process.stdout

    def schedule(self, check: bool = False, **variables: t.Any) -> PlaybookRun:
        """Run the playbook; variables: of the role, without its prefix."""
        changed = {f"rotation_schedule_{name}": value for name, value in variables.items()}
        run = run_playbook(
            {**self.variables, **changed},
            playbook="certops.rotation.schedule",
            inside=self.host,
            check=check,
        )
        assert run.returncode == 0, run.output
        return run

    def store(self) -> str:
        """A new certificate as the secret web/a; its fingerprint."""
        issued = self.authority.issue("a.example.com")
        self.aws.put_secret("web/a", issued.secret_document(), {"Environment": "production"})
        return issued.fingerprint_sha256

    def served(self) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname="a.example.com") as tls,
        ):
            return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()

    def start(self) -> int:
        """Start the service by hand and wait for its end; the exit code of systemctl."""
        return self.host.run("systemctl", "start", SERVICE, check=False).returncode

    def journal(self) -> str:
        """All that the schedule's units and systemd about them have said since this boot."""
        return self.shell("journalctl --boot --no-pager --output=cat --unit='certops-rotation*'")

    def runs(self) -> int:
        """How often the service was started since this boot."""
        return self.journal().count(f"Starting {SERVICE}")

    @contextlib.contextmanager
    def journal_of(self) -> t.Iterator[list[str]]:
        """In the list, what was said within."""
        before = len(self.journal())
        said: list[str] = []
        yield said
        said.append(self.journal()[before:])

    def is_quiet(self) -> bool:
        """Nothing of the schedule runs, nor waits to."""
        return "activating" not in self.shell("systemctl show --property=ActiveState 'certops-rotation*.service'")

    def tree(self) -> dict[str, str]:
        """Path -> kind, mode and size of all that is not of HAProxy's certificates."""
        find = f"find {' '.join(PLACES)} -path {CERTIFICATES} -prune -o -printf '%p\\t%y %m %s\\n'"
        # Directories may be large or small however full they are.
        lines = [re.sub(r"(\td \d+) .*", r"\1", line) for line in self.shell(find).splitlines()]
        tree = dict(line.split("\t") for line in lines)
        tree.pop("/var/lib/systemd/timers", None)  # made by systemd with the first timer that is persistent
        return tree


def block(language: str, mark: str) -> str:
    """The fenced block of the page that has the mark in the line before it."""
    return re.search(rf"`{re.escape(mark)}`[^\n]*\n\n```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[1]
