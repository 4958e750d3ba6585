# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which database: its URL, read with care for the password in it, and the file of a SQLite one."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sqlite3
import typing as t

try:
    import sqlalchemy as sa
except ImportError:  # told by the runners
    pass

from ..._errors import RegistryError
from ..store.atomic import TEMPORARY_MARK, advice_of
from ..store.foreseen import require_writable
from ..store.places import Place
from .advice import advice

DEFAULT_DATABASE_URL: t.Final = "sqlite:////var/lib/certops-monitor/endpoints.db"

_FORMS: t.Final = (
    "Write sqlite:////absolute/path, postgresql://user:password@host/database or"
    " mariadb://user:password@host/database, with special characters of the password as in URLs: %40 for @."
)
_DRIVERS: t.Final = {
    "sqlite": ("sqlite3",),
    "postgresql": ("psycopg", "psycopg2"),
    "mariadb": ("pymysql", "MySQLdb"),
}
_KINDS: t.Final = {"postgres": "postgresql", "mysql": "mariadb"}
_SQLALCHEMY_NAMES: t.Final = {"postgres": "postgresql"}
_MODULES_OF_DRIVERS: t.Final = {"pysqlite": "sqlite3", "mysqldb": "MySQLdb"}
_PACKAGES: t.Final = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2", "pymysql": "PyMySQL"}


class DatabaseUrl:
    """One that can be used. url: SQLAlchemy's, with a driver; file: of SQLite, else None.

    dialect: sqlite, postgresql, or mariadb, which stands for MySQL, too.
    """

    def __init__(self, text: str) -> None:
        """Raises RegistryError for what is none; its text quotes nothing of it, for a password may be in it."""
        url = _parsed(text)
        dialect, _plus, driver = url.drivername.partition("+")
        spoken = _SQLALCHEMY_NAMES.get(dialect, dialect)
        dialect = _KINDS.get(dialect, dialect)
        if dialect not in _DRIVERS:
            raise RegistryError(f"database_url is of no kind of database that is known here. {_FORMS}")
        driver = driver or _installed(dialect)
        module = _MODULES_OF_DRIVERS.get(driver, driver)
        if not driver.isidentifier() or not importlib.util.find_spec(module):
            raise RegistryError(
                f"The Python library {_PACKAGES.get(driver, 'that drives this database')} is not installed on this"
                " host, and database_url needs it. Install it."
            )
        self.dialect = dialect
        self.file: str | None = None
        if dialect == "sqlite":
            self.file = _file_of(url)
            driver = "pysqlite"
        elif not url.database:
            raise RegistryError(f"database_url names no database. {_FORMS}")
        elif "@" in f"{url.host}{url.database}":
            # The end of a password would be taken for a host, and told to everybody.
            raise RegistryError(f"database_url has an @ in its password. {_FORMS}")
        self.url = url.set(drivername=f"{spoken}+{driver}")

    def __str__(self) -> str:
        """For people: without the password, and without options, which may hold one."""
        if self.file:
            return self.file
        host = f"[{self.url.host}]" if ":" in (self.url.host or "") else self.url.host or ""
        return f"{self.dialect}://{host}{f':{self.url.port}' if self.url.port else ''}/{self.url.database}"

    def without_secrets(self, text: str) -> str:
        """What a driver says, which may quote what it was given."""
        for secret in self.secrets:
            text = text.replace(secret, "********")
        return text

    @property
    def secrets(self) -> list[str]:
        """Its password, and those among its options."""
        options = [self.url.query[name] for name in self.url.query if "pass" in name.lower()]
        texts = [str(self.url.password or ""), *(part for value in options for part in _texts(value))]
        return [text for text in texts if len(text) > 2]


def create_file(path: str) -> None:
    """An empty database of SQLite, which nobody but this user may read; the directory, too, if only that is missing.

    It has its name when it is complete: others may create it at the same time. Raises RegistryError.
    """
    directory = os.path.dirname(path)
    temporary = os.path.join(directory, f"{TEMPORARY_MARK}{os.path.basename(path)}.{os.getpid()}")
    with _creating(path):
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)
        with contextlib.suppress(FileNotFoundError):  # of a process of this number that was killed
            os.unlink(temporary)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        try:
            # Readers and the writer do not wait for each other. The file remembers it.
            with contextlib.closing(sqlite3.connect(temporary)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            os.unlink(temporary)


def foresee_file(path: str) -> None:
    """Raises the RegistryError that create_file would, and creates nothing."""
    directory = os.path.dirname(path)
    is_there = os.path.lexists(directory)
    above, made = (directory, path) if is_there else (os.path.dirname(directory), directory)
    with _creating(path):
        try:
            place = Place(os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), above)
        except OSError as error:
            error.filename = made
            raise
        with place:
            require_writable(place, os.path.basename(made))


@contextlib.contextmanager
def _creating(path: str) -> t.Iterator[None]:
    """What goes wrong, as a RegistryError."""
    try:
        yield
    except OSError as error:
        why = f"{error.strerror or error}. {advice_of(error)}".rstrip()
        raise RegistryError(f"Cannot create the database {path}: {why}") from None
    except sqlite3.Error as error:
        what_to_do = advice(str(error), in_file=True)
        raise RegistryError(f"Cannot create the database {path}: {error}. {what_to_do}".rstrip()) from None


def _texts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _parsed(text: str) -> sa.URL:
    try:
        return sa.make_url(text.strip())
    except (sa.exc.ArgumentError, ValueError):
        # Both may quote it.
        raise RegistryError(f"database_url cannot be read as a URL. {_FORMS}") from None


def _installed(dialect: str) -> str:
    """The first driver that is there, else the one to install."""
    drivers = _DRIVERS[dialect]
    return next((driver for driver in drivers if importlib.util.find_spec(driver)), drivers[0]).lower()


def _file_of(url: sa.URL) -> str:
    path = url.database or ""
    if not os.path.isabs(path):
        raise RegistryError(
            "database_url names no file by its absolute path, with four slashes: sqlite:////var/lib/x.db. One that is"
            " in memory, or relative to where a module happens to run, would be gone after the run."
        )
    return os.path.normpath(path)
