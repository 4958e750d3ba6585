# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many who write to one registry, and what can happen to them: killed, out of room, locked out, overtaken, misled."""

from __future__ import annotations

import collections
import contextlib
import os
import pathlib
import random
import socket
import sqlite3
import stat
import tempfile
import threading
import time
import typing as t

import pytest
import sqlalchemy as sa
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import EndpointSelection
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import Sighting
from ansible_collections.certops.rotation.plugins.module_utils._errors import RegistryError
from ansible_collections.certops.rotation.plugins.module_utils._ports.registry import database, urls
from ansible_collections.certops.rotation.plugins.module_utils._ports.registry.migrations import MIGRATIONS
from ansible_collections.certops.rotation.plugins.module_utils._ports.registry.sql_registry import SqlRegistry
from ansible_collections.certops.rotation.plugins.module_utils._ports.registry.tables import registry_tables
from ansible_collections.certops.rotation.tests.support import disk
from ansible_collections.certops.rotation.tests.support.databases import (
    PASSWORD,
    DatabaseServer,
    mariadb_server,
    postgresql_server,
)
from ansible_collections.certops.rotation.tests.support.hostile import as_root
from ansible_collections.certops.rotation.tests.support.registry_writer import OF_ALL, OWN, own_endpoints, writers
from ansible_collections.certops.rotation.tests.support.watching import ADDRESS, START, WWW, seen

ALL = EndpointSelection()
CERTIFICATE = seen("any", -1, 90)


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> t.Iterator[DatabaseServer | None]:
    """None: SQLite needs none."""
    if request.param == "sqlite":
        yield None
    else:
        with {"postgresql": postgresql_server, "mariadb": mariadb_server}[request.param]() as started:
            yield started


@pytest.fixture
def url(server: DatabaseServer | None, tmp_path: pathlib.Path) -> str:
    return server.database() if server else f"sqlite:///{tmp_path}/endpoints.db"


def check_consistency(url: str) -> None:
    """What must hold whenever somebody looks."""
    registry = SqlRegistry(url, read_only=True)
    told: dict[tuple[str, int], list[str]] = collections.defaultdict(list)
    for event in reversed(registry.events(ALL, None, 100_000)):
        told[event.host, event.port].append(event.kind)
    for view in registry.views(ALL, history=True):
        opened = [entry.address for entry in view.history if entry.is_open]
        assert len(opened) == len(set(opened)) == len(view.states), view.endpoint
        changes = [kind for kind in told[view.endpoint.key] if kind in ("new", "renewed", "replaced_early")]
        told_all = len(view.history) < 5  # of one that changes more often, not each change is told
        assert len(changes) == len(view.history) if told_all else len(changes) <= len(view.history), view.endpoint
        assert changes[:1] == (["new"] if view.history else [])


# Many


def test_eight_writers(url: str) -> None:
    """From an empty database on, which each of them finds without tables. Nobody fails, and nothing is lost."""
    names, rounds = [f"writer{number}" for number in range(8)], 4
    with writers(url, names, rounds) as running:
        for process in running:
            output, errors = process.communicate(timeout=240)
            assert (process.returncode, errors) == (0, ""), errors
            assert output == "ready\n"
    check_consistency(url)
    registry = SqlRegistry(url)
    assert len(registry.endpoints(ALL)) == len(names) * OWN + 1
    for view in registry.views(ALL, history=True):
        assert len(view.history) == (1 if view.endpoint == OF_ALL else rounds)
    events = registry.events(ALL, None, 100_000)
    assert [event.kind for event in events if event.host == OF_ALL.host] == ["new"], "one of them was the first"
    for name in names:
        assert len(registry.undelivered(name, 100_000)) == len(events) - rounds


def test_writers_that_are_killed(url: str) -> None:
    """At any instant, by which nobody after them is kept waiting, and nothing is half there."""
    dice = random.Random(1)
    for number in range(3):
        names = [f"round{number}writer{writer}" for writer in range(3)]
        with writers(url, names, 100_000) as running:
            for process in running:
                assert process.stdout
                assert process.stdout.readline() == "ready\n"
            time.sleep(dice.uniform(0, 0.3))
            for process in running:
                process.kill()
        check_consistency(url)
        registry = SqlRegistry(url)
        for name in names:
            found = list(registry.views(EndpointSelection(names=(name,)), history=True))
            assert [view.endpoint for view in found] == own_endpoints(name)
            assert len({len(view.history) for view in found}) == 1, "all of a scan of ten endpoints, or none"


def test_readers_do_not_wait_for_the_writer(url: str) -> None:
    registry = SqlRegistry(url)
    registry.put([WWW], START)
    opened = database.RegistryDatabase(url)
    with opened.writing() as connection:
        connection.execute(sa.update(registry_tables().endpoints).values(name="half"))
        assert registry.endpoints(ALL) == [WWW]
        assert not any(change.changed for change in registry.put([WWW], START)), "nor does who changes nothing"
    assert [endpoint.name for endpoint in registry.endpoints(ALL)] == ["half"]


def test_a_writer_waits_for_the_other_one(url: str) -> None:
    registry = SqlRegistry(url)
    registry.put([WWW], START)
    done = []

    def record() -> None:
        done.append(registry.record([Sighting(WWW.key, ADDRESS, START, (CERTIFICATE,))], WatchPolicy(), START))

    thread = threading.Thread(target=record)
    with database.RegistryDatabase(url).writing():
        thread.start()
        thread.join(0.5)
        assert not done
    thread.join(60)
    assert [event.kind for event in done[0]] == ["new"]


def test_a_writer_does_not_wait_for_ever(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    SqlRegistry(url).put([WWW], START)
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 1)
    impatient = SqlRegistry(url)
    with (
        database.RegistryDatabase(url).writing(),
        pytest.raises(RegistryError, match="Another run writes to it for too long"),
    ):
        impatient.remove([WWW.key], START)


def test_the_database_itself_keeps_one_endpoint_for_a_host_and_port(url: str) -> None:
    SqlRegistry(url).put([WWW], START)
    endpoints = registry_tables().endpoints

    def add_again() -> None:
        with database.RegistryDatabase(url).writing() as connection:
            row = dict(connection.execute(sa.select(endpoints)).mappings().one())
            connection.execute(sa.insert(endpoints).values({**row, "id": 99}))

    with pytest.raises(RegistryError, match=r"(?i)unique|duplicate"):
        add_again()
    assert SqlRegistry(url).endpoints(ALL) == [WWW]


# Versions


def add_column(connection: sa.Connection) -> None:
    if "note" not in {column["name"] for column in sa.inspect(connection).get_columns("certops_endpoints")}:
        connection.exec_driver_sql("ALTER TABLE certops_endpoints ADD COLUMN note VARCHAR(10)")


def test_an_older_database_is_upgraded_by_who_writes(url: str) -> None:
    SqlRegistry(url).put([WWW], START)
    newer = (*MIGRATIONS, add_column)
    with pytest.raises(RegistryError, match=r"older version.*run certops"):
        SqlRegistry(url, read_only=True, migrations=newer).endpoints(ALL)
    assert SqlRegistry(url).endpoints(ALL) == [WWW], "nothing has changed"
    assert SqlRegistry(url, migrations=newer).endpoints(ALL) == [WWW]
    for registry in (SqlRegistry(url), SqlRegistry(url, read_only=True)):
        with pytest.raises(RegistryError, match="of version 2, and this collection knows versions up to 1 only"):
            registry.endpoints(ALL)
    with pytest.raises(RegistryError, match=r"Upgrade certops\.rotation"):
        SqlRegistry(url).record([Sighting(WWW.key, ADDRESS, START)], WatchPolicy(), START)
    assert SqlRegistry(url, read_only=True, migrations=newer).endpoints(ALL) == [WWW]


@pytest.mark.parametrize("made", [0, 1, 3])
def test_a_step_that_was_killed_in_its_middle(url: str, made: int) -> None:
    """MariaDB keeps the tables that were made until then."""
    tables = registry_tables()

    def half(connection: sa.Connection) -> None:
        for table in tables.all.sorted_tables[:made]:
            table.create(connection)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SqlRegistry(url, migrations=[half]).put([WWW], START)
    registry = SqlRegistry(url)
    assert registry.endpoints(ALL) == []
    registry.put([WWW], START)
    assert registry.endpoints(ALL) == [WWW]


def test_others_tables_stay(url: str) -> None:
    """A database may be others' as well, such as that of the older system with its own endpoints."""
    registry = SqlRegistry(url)
    registry.put([], START)
    if url.startswith("sqlite"):
        registry.put([WWW], START)
    engine = sa.create_engine(str(urls.DatabaseUrl(url).url.render_as_string(hide_password=False)))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE endpoints (id INTEGER)")
    engine.dispose()
    registry.put([WWW], START)
    assert registry.endpoints(ALL) == [WWW]
    with contextlib.closing(engine.connect()) as connection:
        names = sa.inspect(connection).get_table_names()
    engine.dispose()
    assert {name for name in names if not name.startswith("certops_")} == {"endpoints"}


# SQLite's file


def test_the_file_is_nobody_elses(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "new" / "endpoints.db"
    umask = os.umask(0)
    try:
        with_one = database.RegistryDatabase(f"sqlite:///{path}")
        with with_one.writing() as connection:
            connection.execute(sa.insert(registry_tables().deliveries).values(event_id="e", receiver="r", at=0))
            beside = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    finally:
        os.umask(umask)
    assert beside == dict.fromkeys(["endpoints.db", "endpoints.db-wal", "endpoints.db-shm"], 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path], "nothing stays beside it"


def test_a_directory_that_is_there_stays_as_it_is(tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o755)
    SqlRegistry(f"sqlite:///{tmp_path}/endpoints.db").put([WWW], START)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_what_lies_in_the_place_of_the_file(tmp_path: pathlib.Path) -> None:
    directory, text, empty, dangling = (tmp_path / name for name in ("directory", "text", "empty", "dangling"))
    directory.mkdir()
    text.write_text("This is no database, but somebody's text. " * 100)
    empty.touch()
    dangling.symlink_to(tmp_path / "elsewhere")
    for path, words in (
        (directory, "no regular file"),
        (text, "not a database.*Move the file"),
        (dangling, "no regular file"),
    ):
        for registry in (SqlRegistry(f"sqlite:///{path}", read_only=True), SqlRegistry(f"sqlite:///{path}")):
            with pytest.raises(RegistryError, match=f"{path.name}.*{words}"):
                registry.endpoints(ALL)
        with pytest.raises(RegistryError, match=path.name):
            SqlRegistry(f"sqlite:///{path}").put([WWW], START)
    assert not (tmp_path / "elsewhere").exists()
    assert text.read_text().startswith("This is no database")
    SqlRegistry(f"sqlite:///{empty}").put([WWW], START)
    assert SqlRegistry(f"sqlite:///{empty}").endpoints(ALL) == [WWW]


def test_what_one_may_not_look_at(tmp_path: pathlib.Path) -> None:
    """It does not look as if there were no registry yet."""
    with tempfile.TemporaryDirectory() as open_to_all:
        closed = pathlib.Path(open_to_all, "closed")
        closed.mkdir(mode=0o700)
        url = f"sqlite:///{closed}/endpoints.db"
        SqlRegistry(url).put([WWW], START)
        pathlib.Path(open_to_all).chmod(0o755)
        for path, mode in ((closed, 0), (closed / "endpoints.db", 0)):
            path.chmod(mode)
            with as_somebody_else():
                for read_only in (True, False):
                    with pytest.raises(RegistryError, match=r"endpoints\.db: .*Run as the user that keeps it"):
                        SqlRegistry(url, read_only=read_only).endpoints(ALL)
            path.chmod(0o755)


def test_disks_that_take_nothing(tmp_path: pathlib.Path) -> None:
    """What to do is of the disk: to be another user is no help."""
    url = f"sqlite:///{tmp_path}/disk/endpoints.db"
    (tmp_path / "disk").mkdir()
    as_root("mount", "-t", "tmpfs", "-o", f"size=1m,mode=700,uid={os.geteuid()}", "nothing", str(tmp_path / "disk"))
    try:
        filling = tmp_path / "disk" / "filling"
        filling.write_bytes(bytes(1 << 20))
        with pytest.raises(RegistryError, match=r"full\. Free space there"):
            SqlRegistry(url).put([WWW], START)
        filling.unlink()
        SqlRegistry(url).put([WWW], START)
        as_root("mount", "-o", "remount,ro", str(tmp_path / "disk"))
        for read_only in (True, False):
            with pytest.raises(RegistryError, match="mounted read-only") as refused:
                SqlRegistry(url, read_only=read_only).endpoints(ALL)
            assert "become" not in refused.value.message
    finally:
        as_root("umount", str(tmp_path / "disk"))


@contextlib.contextmanager
def as_somebody_else() -> t.Iterator[None]:
    """For root everything is open."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_directory_that_is_missing(tmp_path: pathlib.Path) -> None:
    with pytest.raises(RegistryError, match=r"No such file or directory\. Create the parent directory"):
        SqlRegistry(f"sqlite:///{tmp_path}/a/b/endpoints.db").put([WWW], START)
    (tmp_path / "file").touch()
    with pytest.raises(RegistryError, match="Not a directory"):
        SqlRegistry(f"sqlite:///{tmp_path}/file/endpoints.db").put([WWW], START)


def test_a_path_of_odd_characters(tmp_path: pathlib.Path) -> None:
    """None of them means anything to SQLite's URIs."""
    path = tmp_path / "a b?mode=memory#c&ü"
    SqlRegistry(f"sqlite:///{str(path).replace('?', '%3F').replace('#', '%23')}")
    registry = SqlRegistry(f"sqlite:///{tmp_path}/a b#c&ü%.db")
    registry.put([WWW], START)
    assert (tmp_path / "a b#c&ü%.db").exists()
    assert registry.endpoints(ALL) == [WWW]


def test_a_file_that_was_damaged(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "endpoints.db"
    registry = SqlRegistry(f"sqlite:///{path}")
    registry.put([WWW], START)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_000)
    with pytest.raises(RegistryError, match=r"malformed.*restore it from a backup"):
        registry.record([Sighting(WWW.key, ADDRESS, START, (CERTIFICATE,))], WatchPolicy(), START)


def test_a_full_disk(tmp_path: pathlib.Path) -> None:
    """What was there before stays, and all goes on when there is room again."""
    with disk.tiny_file_system(tmp_path) as mount:
        registry = SqlRegistry(f"sqlite:///{mount}/endpoints.db")
        registry.put([WWW], START)
        ballast = disk.fill(mount)
        with pytest.raises(
            RegistryError, match=r"endpoints\.db: (database or disk is full|disk I/O error).*full|Free space"
        ):
            registry.record([Sighting(WWW.key, ADDRESS, START, (CERTIFICATE,))], WatchPolicy(), START)
        ballast.unlink()
        (view,) = registry.views(ALL, history=True)
        assert (view.endpoint, view.history) == (WWW, ())
        registry.record([Sighting(WWW.key, ADDRESS, START, (CERTIFICATE,))], WatchPolicy(), START)
        check_consistency(f"sqlite:///{mount}/endpoints.db")


def test_a_disk_that_is_full_from_the_beginning(tmp_path: pathlib.Path) -> None:
    with disk.tiny_file_system(tmp_path) as mount:
        ballast = disk.fill(mount)
        registry = SqlRegistry(f"sqlite:///{mount}/endpoints.db")
        with pytest.raises(RegistryError, match=r"full|No space left"):
            registry.put([WWW], START)
        ballast.unlink()
        assert [entry.name for entry in mount.iterdir() if not entry.name.startswith("endpoints.db")] == []
        registry.put([WWW], START)
        assert registry.endpoints(ALL) == [WWW]


def test_a_file_that_others_keep_open(tmp_path: pathlib.Path) -> None:
    """Somebody who looks with another program does not stop it."""
    registry = SqlRegistry(f"sqlite:///{tmp_path}/endpoints.db")
    registry.put([WWW], START)
    with contextlib.closing(sqlite3.connect(tmp_path / "endpoints.db")) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT host FROM certops_endpoints").fetchall() == [(WWW.host,)]
        registry.remove([WWW.key], START)
    assert registry.endpoints(ALL) == []


# URLs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read as a URL"),
        ("endpoints.db", "cannot be read as a URL"),
        (f"postgresql://watch:{PASSWORD}x", "URL"),
        ("postgresql://watch:secret:more@host:port/watch", "cannot be read as a URL"),
        ("postgresql://watch:secretmore@host", "names no database"),
        ("oracle://watch:secretmore@host/watch", "no kind of database"),
        ("sqlite://", "absolute path"),
        ("sqlite:///:memory:", "absolute path"),
        ("sqlite:///endpoints.db", "absolute path"),
        ("sqlite:///file:/tmp/x?uri=true", "absolute path"),
        ("postgresql+pg8000_x://watch:secretmore@host/watch", "is not installed"),
        ("mysql+../../x://watch:secretmore@host/watch", "URL|installed"),
    ],
)
def test_urls_that_are_none(text: str, words: str) -> None:
    with pytest.raises(RegistryError, match=words) as refused:
        SqlRegistry(text)
    assert "secret" not in refused.value.message
    assert PASSWORD not in refused.value.message
    assert refused.value.details == {}


@pytest.mark.parametrize("kind", ["postgres", "postgresql", "postgresql+psycopg", "mysql", "mariadb", "mysql+pymysql"])
def test_a_server_that_is_not_there(kind: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        registry = SqlRegistry(f"{kind}://watch:secretmore@127.0.0.1:{nobody.getsockname()[1]}/watch?connect_timeout=5")
        with pytest.raises(RegistryError, match=r"127\.0\.0\.1.*Is the database server running") as refused:
            registry.endpoints(ALL)
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_server_that_says_nothing(kind: str) -> None:
    options = {"postgresql": "connect_timeout=2", "mariadb": "read_timeout=1"}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{kind}://watch:secretmore@127.0.0.1:{silent.getsockname()[1]}/watch?{options[kind]}"
        with pytest.raises(RegistryError, match="Is the database server running"):
            SqlRegistry(url).endpoints(ALL)


def test_a_wrong_password(url: str) -> None:
    if url.startswith("sqlite"):
        return
    wrong = url.replace("pass%2F", "wrong%2F")
    with pytest.raises(RegistryError, match="Correct user and password") as refused:
        SqlRegistry(wrong).endpoints(ALL)
    assert "wrong" not in refused.value.message
    assert PASSWORD[4:] not in refused.value.message


def test_a_database_that_is_not_there(server: DatabaseServer | None) -> None:
    if server is None:
        return
    if server.kind == "mariadb":
        server.run("GRANT ALL ON nowhere.* TO watch@'127.0.0.1'")
    with pytest.raises(RegistryError, match=r"nowhere.*Create the database"):
        SqlRegistry(server.url("nowhere")).endpoints(ALL)


def test_a_user_who_may_not_make_tables(server: DatabaseServer | None) -> None:
    if server is None:
        return
    url = server.database()
    if server.kind == "mariadb":
        server.run(
            "CREATE USER guest@'127.0.0.1' IDENTIFIED BY 'secretmore'", "GRANT SELECT ON *.* TO guest@'127.0.0.1'"
        )
    else:
        server.run("CREATE USER guest PASSWORD 'secretmore'")
    name = url.rpartition("/")[2]
    guest = SqlRegistry(f"{server.kind}://guest:secretmore@127.0.0.1:{server.port}/{name}")
    assert guest.endpoints(ALL) == []
    with pytest.raises(RegistryError, match=r"denied.*Give the user the right to make and change tables") as refused:
        guest.put([WWW], START)
    assert "secret" not in refused.value.message
