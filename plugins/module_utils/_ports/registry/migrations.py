# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that make a database of each version of the registry one of the next."""

from __future__ import annotations

import typing as t

try:
    import sqlalchemy as sa
except ImportError:  # told by the runners
    pass

from ..._errors import RegistryError
from .tables import registry_tables

#: One step. It may be run again: MariaDB commits each statement about tables by itself, and a step may be killed in
#: its middle. So it makes only what is not there.
Migration = t.Callable[["sa.Connection"], None]


def _make_tables(connection: sa.Connection) -> None:
    registry_tables().all.create_all(connection, checkfirst=True)


#: Version n is what the first n of them make.
MIGRATIONS: tuple[Migration, ...] = (_make_tables,)


def version_of(connection: sa.Connection) -> int:
    """0 for a database without a registry."""
    schema = registry_tables().schema
    if not sa.inspect(connection).has_table(schema.name):
        return 0
    return connection.execute(sa.select(schema.c.version)).scalar() or 0


def check_version(found: int, migrations: t.Sequence[Migration] = MIGRATIONS) -> None:
    """Raises RegistryError when a newer collection wrote it: what this one would write, that one may not understand."""
    if found > len(migrations):
        raise RegistryError(
            f"The database is of version {found}, and this collection knows versions up to {len(migrations)} only: a"
            " newer one has upgraded it. Upgrade certops.rotation here, too."
        )


def migrate(connection: sa.Connection, migrations: t.Sequence[Migration] = MIGRATIONS) -> None:
    """Make it one of the newest version, with the lock that the caller holds. Raises RegistryError for a newer one."""
    schema = registry_tables().schema
    found = version_of(connection)
    check_version(found, migrations)
    for version, step in enumerate(migrations[found:], start=found + 1):
        step(connection)
        if not connection.execute(sa.update(schema).values(version=version)).rowcount:
            connection.execute(sa.insert(schema).values(id=1, version=version))
