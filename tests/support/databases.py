# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real PostgreSQL and MariaDB on loopback, each in a directory of its own, as their own users where we are root."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import typing as t

import sqlalchemy as sa

from .ports import free_port

PASSWORD = "pass/word@of:tests"
_QUOTED = "pass%2Fword%40of%3Atests"


@dataclasses.dataclass
class DatabaseServer:
    """kind: as URLs begin. Each database is a new one, which is gone with the server."""

    kind: str
    port: int
    process: subprocess.Popen[bytes]
    administrator: str
    _made: int = 0

    def url(self, database: str) -> str:
        return f"{self.kind}://watch:{_QUOTED}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of an empty one."""
        self._made += 1
        name = f"watch{self._made}"
        self.run(f"CREATE DATABASE {name}" + (" OWNER watch" if self.kind == "postgresql" else ""))
        return self.url(name)

    def run(self, *statements: str) -> None:
        """As administrator, each by itself."""
        engine = sa.create_engine(self.administrator, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


@contextlib.contextmanager
def postgresql_server() -> t.Iterator[DatabaseServer]:
    with _home("postgres") as (home, user):
        port, data = free_port(), home / "data"
        _done([_program("initdb"), "-D", str(data), "-A", "scram-sha-256", "-U", "admin", "--no-sync"], user, home)
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(home), "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [_program("postgres"), "-D", str(data), "-p", str(port), *options]
        with _running(command, user, home, signal.SIGINT) as process:
            administrator = f"postgresql+psycopg://admin:{_QUOTED}@127.0.0.1:{port}/postgres"
            server = DatabaseServer("postgresql", port, process, administrator)
            _wait_for(server, home)
            server.run(f"CREATE USER watch PASSWORD '{PASSWORD}'")
            yield server


@contextlib.contextmanager
def mariadb_server() -> t.Iterator[DatabaseServer]:
    with _home("mysql") as (home, user):
        port, data, path = free_port(), home / "data", home / "socket"
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        _done([*install, "--auth-root-authentication-method=normal"], user, home)
        command = [_program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--port={port}", f"--socket={path}"]
        command += ["--bind-address=127.0.0.1", f"--pid-file={home}/pid", "--innodb-flush-log-at-trx-commit=0"]
        with _running(command, user, home, signal.SIGTERM) as process:
            administrator = f"mariadb+pymysql://root@/mysql?unix_socket={path}"
            server = DatabaseServer("mariadb", port, process, administrator)
            _wait_for(server, home)
            server.run(f"CREATE USER watch@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
            server.run("GRANT ALL ON `watch%%`.* TO watch@'127.0.0.1'")
            yield server


@contextlib.contextmanager
def _home(name: str) -> t.Iterator[tuple[pathlib.Path, str | None]]:
    """A directory that a server's own user can get at, and that user: neither server runs as root."""
    user = name if os.geteuid() == 0 else None
    home = pathlib.Path(tempfile.mkdtemp(prefix=f"certops-{name}-"))
    try:
        (home / "password").write_text(PASSWORD)
        if user:
            account = pwd.getpwnam(user)
            for path in (home, home / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        yield home, user
    finally:
        shutil.rmtree(home)


def _done(command: list[str], user: str | None, home: pathlib.Path) -> None:
    more = ["--pwfile", str(home / "password")] if "initdb" in command[0] else []
    done = subprocess.run(
        [*command, *more], user=user, extra_groups=[] if user else None, cwd=home, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def _running(
    command: list[str], user: str | None, home: pathlib.Path, stop: signal.Signals
) -> t.Iterator[subprocess.Popen[bytes]]:
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command, user=user, extra_groups=[] if user else None, cwd=home, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.send_signal(stop)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(server: DatabaseServer, home: pathlib.Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not _listens(server.port):  # PyMySQL leaves a socket open that it cannot connect
        assert server.process.poll() is None, (home / "log").read_text("utf-8")
        assert time.monotonic() < end
        time.sleep(0.05)
    while True:
        try:
            return server.run("SELECT 1")
        except sa.exc.OperationalError:
            assert server.process.poll() is None, (home / "log").read_text("utf-8")
            assert time.monotonic() < end
            time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _program(name: str) -> str:
    """Debian keeps PostgreSQL's in a directory for each version."""
    places = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, places), os.environ["PATH"], "/usr/sbin", "/sbin"])
    return shutil.which(name, path=path) or name
