# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quickstart of watching: a dozen TLS servers of all kinds, of which some change, expire and fall silent.

All servers are real. The playbook certops.rotation.monitor does what it does in production: asks them, keeps their
history, tells a webhook what happened, and writes the dashboard, which alone stays. As in the other quickstarts, every
line that the screen marks was checked before it was printed.
"""

from __future__ import annotations

import contextlib
import pathlib
import shlex
import sys
import typing as t

import yaml
from authority import Authority
from claims import claim, wait_until
from occasion import ROOT, Occasion, hold
from playbook import INVENTORY, Playbook
from screen import Screen
from servers import (
    DovecotServer,
    HaproxyServer,
    MariadbServer,
    NginxServer,
    OpensslServer,
    PostgresqlServer,
    ProsodyServer,
    SilentServer,
    SlapdServer,
    TlsServer,
    VsftpdServer,
    reload,
)
from watching import Webhook, check_dashboard

MONITOR = ["ansible-playbook", "certops.rotation.monitor", "-i", INVENTORY]
DASHBOARD = ROOT / ".dev" / "watch.html"
SILENT = "silent"
TIMEOUT = 3  # seconds that an endpoint has
DOMAIN = "example.test"
NEXT_COMMANDS = (
    f"xdg-open {DASHBOARD.relative_to(ROOT)}",
    "less docs/watching.md",
    "ANSIBLE_COLLECTIONS_PATH=.dev/collections .dev/venv/bin/ansible-doc certops.rotation.endpoint_scan",
    "make test",
)


class WatchQuickstart:
    """The six steps. Made within the life of all programs."""

    def __init__(self, screen: Screen, directory: pathlib.Path) -> None:
        self._screen = screen
        self._directory = directory
        self._logs: dict[str, t.Callable[[], str]] = {}

    def logs(self) -> dict[str, str]:
        """All that the programs have printed so far, by name."""
        return {name: log for name, read in self._logs.items() if (log := read())}

    def run(self) -> None:
        with contextlib.ExitStack() as life:
            self._authority, self._other = Authority(), Authority("Another CA")
            self._webhook = life.enter_context(Webhook())
            self._playbook = Playbook(self._directory)
            self._servers: dict[str, TlsServer] = {}
            self._make_servers()
            for server in self._servers.values():
                self._logs[server.name] = lambda server=server: server.log
                life.enter_context(server)
            self._silent = life.enter_context(SilentServer())
            self._logs["Ansible"] = lambda: self._playbook.log

            self._set_the_stage()
            self._scan_for_the_first_time()
            self._let_things_happen()
            self._scan_again()
            self._scan_once_more()
            self._look_at_the_dashboard()

    def _make_servers(self) -> None:
        """One of them serves what has expired, another what soon will."""
        self._make(NginxServer, "www", days=90, age=62)
        self._make(HaproxyServer, "shop", days=90)
        self._make(OpensslServer, "legacy", "-tls1_2", days=90, age=100)
        self._make(OpensslServer, "vault", "-tls1_3", "-Verify", "1", days=365)
        self._make(DovecotServer, "mail", days=90)
        self._make(VsftpdServer, "files", days=365)
        self._make(SlapdServer, "directory", days=365)
        self._make(ProsodyServer, "chat", f"chat.{DOMAIN}", days=90, age=86)
        self._make(PostgresqlServer, "orders", days=365)
        self._make(MariadbServer, "stock", days=365)

    def _make(self, kind: t.Callable[..., TlsServer], name: str, *options: str, days: int, age: int = 0) -> None:
        issued = self._authority.issue(f"{name}.{DOMAIN}", days=days, age=age)
        self._servers[name] = kind(self._directory, name, issued, *options)

    @property
    def _endpoints(self) -> list[dict[str, t.Any]]:
        """Of all servers, as the inventory has them."""
        found = []
        for server in (*self._servers.values(), self._silent):
            for protocol, port in server.ports.items():
                name = server.name if len(server.ports) == 1 else f"{server.name}-{protocol}"
                entry = {"name": name, "host": f"{server.name}.{DOMAIN}", "port": port, "address": "127.0.0.1"}
                found.append({**entry, **({"starttls": protocol} if protocol else {})})
        return found

    def _set_the_stage(self) -> None:
        screen = self._screen
        screen.step(1, "Set the stage")
        for server in (*self._servers.values(), self._silent):
            ports = ", ".join(f"{protocol or 'TLS'} {port}" for protocol, port in server.ports.items())
            screen.fact(server.name, f"{server.kind}: {ports}")
        (self._directory / "authorities.pem").write_text(self._authority.certificate_pem + self._other.certificate_pem)
        text = self._inventory()
        (self._directory / INVENTORY).write_text(text)
        screen.gap()
        screen.command(f"cat {INVENTORY}")
        screen.file(text)

    def _inventory(self) -> str:
        authorities = f"{{{{ lookup('ansible.builtin.file', '{self._directory}/authorities.pem') }}}}"
        monitor = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "endpoint_monitor_database_url": f"sqlite:///{self._directory}/endpoints.db",
            "endpoint_monitor_trust_anchors": authorities,
            "endpoint_monitor_timeout": TIMEOUT,
            "endpoint_monitor_unreachable_after": 1,
            "endpoint_monitor_receivers": [{"receiver": "webhook", "url": self._webhook.url}],
            "endpoint_monitor_dashboard": str(DASHBOARD),
        }
        inventory = {"endpoint_monitors": {"hosts": {"localhost": monitor}}}
        text = str(yaml.safe_dump(inventory, sort_keys=False, width=200))
        margin = " " * 6
        lines = [
            f"{margin}  - {{{', '.join(f'{key}: {value}' for key, value in each.items())}}}" for each in self._endpoints
        ]
        return "\n".join([text.rstrip(), f"{margin}endpoint_monitor_endpoints:", *lines, ""])

    def _scan_for_the_first_time(self) -> None:
        screen = self._screen
        screen.step(2, "Ask all of them for the first time")
        screen.command(shlex.join(MONITOR))
        run = self._playbook.run(MONITOR, code=2)
        screen.fact("done in", f"{run.seconds:.0f} s, with exit code 2: somebody has to look at some of them")
        screen.gap()
        told = self._webhook.since(0)
        names = {entry["name"] for entry in self._endpoints}
        claim(set(told["new"]) == names - {SILENT}, f"New are {told['new']}.")
        screen.proven("asked", f"{len(names)} endpoints, by TLS and by {len(self._protocols)} kinds of STARTTLS")
        self._require_told(told, "expired", ["legacy"], "its certificate ended ten days ago")
        self._require_told(told, "expiring", ["chat", "www"], "in their last third: they should have been renewed")
        self._require_told(told, "unreachable", [SILENT], f"it cost its {TIMEOUT} s, and nobody else's")
        claim("untrusted" not in told, f"Not trusted: {told.get('untrusted')}.")
        screen.proven("all others", "trusted, also where the server wants a certificate of its clients")

    @property
    def _protocols(self) -> set[str]:
        return {protocol for server in self._servers.values() for protocol in server.ports if protocol}

    def _let_things_happen(self) -> None:
        screen = self._screen
        screen.step(3, "Meanwhile")
        for name, authority in (("www", self._authority), ("shop", self._other)):
            server = self._servers[name]
            assert isinstance(server, (NginxServer, HaproxyServer))
            issued = authority.issue(f"{name}.{DOMAIN}")
            reload(server, issued)
            wait_until(
                lambda server=server, issued=issued: server.served() == issued.certificate_pem, f"{name}: no reload."
            )
        screen.fact("www", "is renewed, when it is time")
        screen.fact("shop", "gets a certificate of another authority, long before it is time")
        self._servers["legacy"].renew(self._authority.issue(f"legacy.{DOMAIN}"))
        screen.fact("legacy", "is mended")
        self._servers["files"].stop()
        screen.fact("files", "its server stops")

    def _scan_again(self) -> None:
        screen = self._screen
        screen.step(4, "Ask them again")
        before = len(self._webhook.told)
        screen.command(shlex.join(MONITOR))
        run = self._playbook.run(MONITOR, code=2)
        screen.fact("done in", f"{run.seconds:.0f} s")
        screen.gap()
        told = self._webhook.since(before)
        claim(sorted(told["renewed"]) == ["legacy", "www"], f"Renewed: {told['renewed']}.")
        screen.proven("www, legacy", "renewed")
        self._require_told(told, "replaced_early", ["shop"], "replaced, although it had three months to go")
        self._require_told(told, "issuer_changed", ["shop"], "and by another authority")
        self._require_told(told, "unreachable", ["files"], "unreachable; what it served last is kept")
        again = {kind for kind in ("new", "expiring", "expired") if kind in told}
        claim(not again, f"It was told again: {again}.")
        screen.proven("chat, silent", "as before, and nothing is told twice")

    def _scan_once_more(self) -> None:
        screen = self._screen
        screen.step(5, "Once more: nothing has happened")
        before = len(self._webhook.told)
        screen.command(shlex.join(MONITOR))
        self._playbook.run(MONITOR, code=2)
        claim(len(self._webhook.told) == before, f"It was told: {self._webhook.told[before:]}.")
        screen.proven("webhook", f"nothing new; {before} events in all, each once")

    def _look_at_the_dashboard(self) -> None:
        screen = self._screen
        screen.step(6, "Look at the dashboard")
        size = check_dashboard(DASHBOARD, [entry["name"] for entry in self._endpoints])
        screen.proven("dashboard", f"{DASHBOARD}, one file of {size // 1024} KB that needs no network")

    def _require_told(self, told: dict[str, list[str]], kind: str, names: list[str], words: str) -> None:
        claim(sorted(told.get(kind, [])) == names, f"Told as {kind}: {told.get(kind)}.")
        self._screen.proven(", ".join(names), words)


if __name__ == "__main__":
    sys.exit(
        hold(
            Occasion(
                "certops.rotation: every TLS endpoint known, its history kept, its end seen coming",
                ["All of it on this machine, on loopback, as your user, in about a minute."],
                WatchQuickstart,
                NEXT_COMMANDS,
            )
        )
    )
