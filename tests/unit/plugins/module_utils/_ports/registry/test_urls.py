# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import RegistryError
from ansible_collections.certops.rotation.plugins.module_utils._ports.registry.urls import DatabaseUrl


@pytest.mark.parametrize(
    ("text", "dialect", "driver", "shown"),
    [
        ("sqlite:////var/lib/x.db", "sqlite", "pysqlite", "/var/lib/x.db"),
        ("sqlite+pysqlite:////var/../lib/x.db", "sqlite", "pysqlite", "/lib/x.db"),
        ("postgres://u:secret@db/watch", "postgresql", "psycopg", "postgresql://db/watch"),
        (
            "postgresql://u:secret@[::1]:5433/watch?password=secret",
            "postgresql",
            "psycopg",
            "postgresql://[::1]:5433/watch",
        ),
        ("mysql://u:secret@db:3307/watch", "mysql", "pymysql", "mariadb://db:3307/watch"),
        ("mariadb+pymysql://u:secret@/watch?unix_socket=/run/x", "mariadb", "pymysql", "mariadb:///watch"),
    ],
)
def test_urls(text: str, dialect: str, driver: str, shown: str) -> None:
    url = DatabaseUrl(text)
    assert (url.url.drivername, str(url)) == (f"{dialect}+{driver}", shown)


def test_what_a_driver_quotes() -> None:
    url = DatabaseUrl("postgresql://u:pass%2Fword@db/watch?sslpassword=other&application_name=watch")
    told = url.without_secrets("cannot connect as u with pass/word, key other, to watch")
    assert told == "cannot connect as u with ********, key ********, to watch"
    assert url.secrets == ["pass/word", "other"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "secret", "sqlite:///secret", "secret://u@h/d", "postgresql://u:secret@h:x/d"),
        *("postgresql://u:pass@secret@h/d", "mariadb://u:pass@w/secret@h/d"),
    ],
)
def test_what_is_refused_is_not_quoted(text: str) -> None:
    with pytest.raises(RegistryError) as refused:
        DatabaseUrl(text)
    assert "secret" not in refused.value.message
