# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transactions of the registry's database: one writer at a time, readers beside it, and errors without a password."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import typing as t
import urllib.parse

try:
    import sqlalchemy as sa
except ImportError:  # told by the runners
    pass

from ..._errors import RegistryError
from ..store.mounts import is_read_only
from .advice import advice, problem_of
from .migrations import MIGRATIONS, Migration, check_version, migrate, version_of
from .tables import registry_tables
from .urls import DatabaseUrl, create_file, foresee_file

#: Seconds until a server must have taken a connection, a writer must have had its turn, and anything be answered.
CONNECT_TIMEOUT = 10
LOCK_TIMEOUT = 120
ANSWER_TIMEOUT = 300
_MIGRATION_LOCK = 0x63657274  # any number that nobody else takes
_LOCK_NAME = "certops.rotation registry"


class RegistryDatabase:
    """url: of the option database_url. read_only: it is never made, upgraded or written to.

    All raise RegistryError.
    """

    def __init__(self, url: str, *, read_only: bool = False, migrations: t.Sequence[Migration] = MIGRATIONS) -> None:
        self.url = DatabaseUrl(url)
        self._read_only = read_only
        self._migrations = migrations
        self._engine = self._made_engine()

    @contextlib.contextmanager
    def reading(self) -> t.Iterator[sa.Connection | None]:
        """One transaction that sees one state of everything; None where there is no registry yet."""
        if self._is_missing():
            yield None
            return
        with self._errors():
            with self._transaction(writing=False) as connection:
                version = version_of(connection)
                check_version(version, self._migrations)
                if version in (0, len(self._migrations)):
                    yield connection if version else None
                    return
            self._upgrade()
            with self._transaction(writing=False) as connection:
                yield connection

    @contextlib.contextmanager
    def writing(self) -> t.Iterator[sa.Connection]:
        """One transaction, which no other one that writes is beside of. What raises in it undoes it."""
        if self._read_only:
            raise RegistryError("The registry is open for reading only.")
        if self.url.file and self._is_missing():
            create_file(self.url.file)
        with self._errors():
            with self._transaction(writing=True) as connection:
                if self._locked_version(connection) == len(self._migrations):
                    yield connection
                    return
            self._upgrade()
            with self._transaction(writing=True) as connection:
                self._locked_version(connection)
                yield connection

    def foresee(self) -> None:
        """Raises the RegistryError of a database that writing could not create, and creates nothing."""
        if self.url.file and self._is_missing():
            foresee_file(self.url.file)

    def _is_missing(self) -> bool:
        """Whether there is no file yet. One that cannot be looked at is not missing; SQLite's own words say little."""
        if not self.url.file:
            return False
        try:
            mode = os.stat(self.url.file).st_mode
        except (FileNotFoundError, NotADirectoryError):
            if not os.path.islink(self.url.file):
                return True
            mode = 0
        except OSError as error:
            raise self._told(error.strerror or str(error)) from None
        if not stat.S_ISREG(mode):
            raise RegistryError(f"The database {self.url} is no regular file. Move what is there away.")
        return False

    def _locked_version(self, connection: sa.Connection) -> int:
        """Others wait from here on until this transaction ends."""
        schema = registry_tables().schema
        if not sa.inspect(connection).has_table(schema.name):
            return 0
        version = connection.execute(sa.select(schema.c.version).with_for_update()).scalar() or 0
        check_version(version, self._migrations)
        return version

    def _upgrade(self) -> None:
        if self._read_only:
            raise RegistryError(
                f"The database is of an older version than {len(self._migrations)}, and nothing is to be changed now."
                " Any run that writes to it upgrades it: run certops.rotation.endpoint_registry or endpoint_scan."
            )
        with self._transaction(writing=True) as connection:
            if self.url.dialect == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            if self.url.dialect != "mariadb":
                migrate(connection, self._migrations)
                return
            # Its statements about tables end the transaction: this lock is the connection's.
            if connection.execute(sa.select(sa.func.get_lock(_LOCK_NAME, LOCK_TIMEOUT))).scalar() != 1:
                raise RegistryError("Another run is upgrading the database, and has not ended in time. Try again.")
            try:
                migrate(connection, self._migrations)
            finally:
                connection.execute(sa.select(sa.func.release_lock(_LOCK_NAME)))

    @contextlib.contextmanager
    def _transaction(self, *, writing: bool) -> t.Iterator[sa.Connection]:
        options: dict[str, t.Any] = {"certops_writing": writing}
        if self.url.dialect != "sqlite":
            # A writer sees what is there when it has got the lock; a reader one state from beginning to end. For
            # MariaDB the first read makes the state, and with READ COMMITTED some of its logs refuse to write.
            by_turns = writing and self.url.dialect == "postgresql"
            options["isolation_level"] = "READ COMMITTED" if by_turns else "REPEATABLE READ"
        with _only_good_options():
            connected = self._engine.connect()
        with connected.execution_options(**options) as connection, connection.begin():
            if writing and self.url.dialect == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'")
            yield connection

    @contextlib.contextmanager
    def _errors(self) -> t.Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise self._told(problem_of(getattr(error, "orig", None) or error)) from None
        except RegistryError as error:
            if str(self.url) in error.message:
                raise
            raise RegistryError(f"{self.url}: {error.message}") from None

    def _told(self, problem: str) -> RegistryError:
        file = self.url.file
        read_only = file is not None and is_read_only(os.path.dirname(file))
        what_to_do = advice(problem, in_file=file is not None, read_only=read_only)
        return RegistryError(f"The database {self.url}: {self.url.without_secrets(problem)}. {what_to_do}".rstrip())

    def _made_engine(self) -> sa.Engine:
        url = self.url
        options: dict[str, t.Any] = {"poolclass": sa.NullPool, "hide_parameters": True}
        if url.file:
            options["creator"] = lambda: _sqlite_connection(url.file or "", self._read_only)
        elif url.dialect == "postgresql":
            defaults: dict[str, t.Any] = {
                "connect_timeout": CONNECT_TIMEOUT,
                "keepalives_idle": 30,
                "tcp_user_timeout": 60_000,
            }
            options["connect_args"] = _without(defaults, url.url.query)
        else:
            waits = f"SET innodb_lock_wait_timeout={LOCK_TIMEOUT}, lock_wait_timeout={LOCK_TIMEOUT}"
            seconds = {"read_timeout": ANSWER_TIMEOUT, "write_timeout": ANSWER_TIMEOUT}
            defaults = {"connect_timeout": CONNECT_TIMEOUT, **seconds, "init_command": waits}
            options["connect_args"] = _without(defaults, url.url.query)
        with self._errors(), _only_good_options():
            engine = sa.create_engine(url.url, **options)
        if url.file:
            sa.event.listen(engine, "begin", _begin)
        return engine


@contextlib.contextmanager
def _only_good_options() -> t.Iterator[None]:
    """Around what hands the options of the URL to a driver, which raises what it likes."""
    try:
        yield
    except (TypeError, ValueError):
        raise RegistryError(
            "database_url has an option behind its question mark that the driver does not take. Correct or remove it."
        ) from None


def _sqlite_connection(path: str, read_only: bool) -> sqlite3.Connection:
    """Of a file that is there. With isolation_level None, the driver begins no transactions of its own."""
    mode = "ro" if read_only else "rw"
    return sqlite3.connect(
        f"file:{urllib.parse.quote(path)}?mode={mode}", uri=True, timeout=LOCK_TIMEOUT, isolation_level=None
    )


def _begin(connection: sa.Connection) -> None:
    """A transaction that reads first and writes later would be refused, not wait, when another one writes."""
    writing = connection.get_execution_options().get("certops_writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _without(defaults: t.Mapping[str, t.Any], given: t.Container[str]) -> dict[str, t.Any]:
    return {name: value for name, value in defaults.items() if name not in given}
